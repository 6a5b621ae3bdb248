"""How much AUROC a minute of training buys: the defaults, and the paper's settings.

The classes are two of those set aside for choosing settings, under the protocol "development".
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skmmrr import MMRRDetector, PAPER_32x32
from skmmrr.benchmark.report import unique
from skmmrr.benchmark.results import Row
from skmmrr.benchmark.runner import run
from skmmrr.benchmark.tasks import find_tasks
from skmmrr.plot._pyplot import pyplot

_CLASSES = (("mnist", "8"), ("cifar10", "automobile"))
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # minutes
# The paper's score everywhere, so that the ways differ in their training alone.
_FEW: dict[str, Any] = {"level_rule": "gauss-legendre", "n_levels": 8, "adjust": False}
_PAPER: dict[str, Any] = {**PAPER_32x32, **_FEW}
_ON_GPU = torch.cuda.is_available()
_WAYS: dict[str, tuple[dict[str, Any], tuple[int | None, ...]]] = {  # parameters, steps of phases
    "default": (_FEW, (50, 150, 500, 1500, None)),
    # A step of both phases takes two cores most of a minute, and an H100 some 50 ms.
    "paper's settings": (_PAPER, (500, 2000) if _ON_GPU else (2,)),
}
_TAKEN = {} if _ON_GPU else {"paper's settings": {"n_train": 1000, "n_test": 100}}


def measure_minutes(
    out: str | os.PathLike[str],
    picture: str | os.PathLike[str],
    data_home: str | Path | None,
    n_jobs: int | None,
) -> Iterator[str]:
    """Measure, or read what is measured already; lines of a Markdown table, and the picture."""
    rows: list[Row] = []
    ways = {way: _detectors(way) for way in _WAYS}
    for way, detectors in ways.items():
        tasks = [
            task
            for name, label in _CLASSES
            for task in find_tasks(
                name,
                classes=[label],
                protocol="development",
                data_home=data_home,
                **_TAKEN.get(way, {}),
            )
        ]
        rows += run(tasks, detectors, out=out, n_jobs=n_jobs)
    rows = [row for row in rows if not row["error"]]
    yield from (
        "| data | detector | minutes of fit | threads | tested | AUROC |",
        "|---|---|---:|---:|---:|---:|",
    )
    for row in rows:
        cells = (
            f"{row['dataset']} {row['class']}",
            row["detector"],
            f"{float(row['fit_seconds']) / 60:.1f}",
            row["threads"],
            row["n_test"],
            f"{float(row['auroc']):.3f}",
        )
        yield f"| {' | '.join(map(str, cells))} |"
    draw_minutes(rows, picture)
    yield f"\n{picture}"


def _detectors(way: str) -> dict[str, MMRRDetector]:
    parameters, budgets = _WAYS[way]
    return {
        f"{way}, {n or 'its own'} steps": MMRRDetector(**{**parameters, "max_iter": n})
        for n in budgets
    }


def draw_minutes(rows: list[Row], picture: str | os.PathLike[str]) -> None:
    """AUROC against minutes of fit, a line a way and a panel a data set."""
    plt = pyplot("skmmrr.benchmark")
    datasets = unique(rows, "dataset")
    figure, axes = plt.subplots(
        1, len(datasets), figsize=(9, 3.8), sharey=True, layout="constrained", squeeze=False
    )
    for ax, dataset in zip(axes[0], datasets, strict=True):
        own = [row for row in rows if row["dataset"] == dataset]
        for way in unique([row | {"way": _way(row)} for row in own], "way"):
            found = [
                (float(row["fit_seconds"]) / 60, float(row["auroc"]))
                for row in own
                if _way(row) == way
            ]
            ax.plot(*np.array(sorted(found)).T, "o-", label=way)
        ax.axhline(0.5, color="grey", linewidth=0.8)
        ax.set(xscale="log", xlabel="minutes of fit", title=f"{dataset}, {own[0]['class']}")
        low, high = ax.get_xlim()
        ax.set_xticks([t for t in _TICKS if low <= t <= high], minor=False)
        ax.xaxis.set_major_formatter(lambda minutes, _: f"{minutes:g}")
        ax.minorticks_off()
    axes[0, 0].set_ylabel("AUROC")
    axes[0, 0].legend(fontsize="small")
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def _way(row: Row) -> str:
    return row["detector"].rpartition(", ")[0]
