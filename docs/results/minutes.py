"""How much AUROC a minute of training buys: the defaults, and the paper's settings.

The classes are two of those set aside for choosing settings, under the protocol "development".
"""

import argparse
import os
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from _measuring import FOLDER, add_out

from skmmrr import MMRRDetector, PAPER_32x32
from skmmrr.benchmark import find_tasks, run
from skmmrr.benchmark.report import detector_table, read_results

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


def main() -> None:
    """Measure what the file has not, and draw all that it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_out(parser, "bench/minutes.csv")
    parser.add_argument(
        "--picture",
        type=Path,
        default=FOLDER / "bench/minutes.png",
        help="default that of the page",
    )
    parser.add_argument("--data-home", type=Path, help="folder with the data; else SKMMRR_DATA")
    parser.add_argument("--n-jobs", type=int, help="fits at a time (default 1)")
    arguments = parser.parse_args()
    measure_minutes(arguments.out, arguments.data_home, arguments.n_jobs)
    rows = read_results([arguments.out])
    print(detector_table(rows, ("fit_minutes", "threads", "n_test", "auroc")).markdown())
    draw_minutes(rows, arguments.picture)


def measure_minutes(out: Path, data_home: Path | None, n_jobs: int | None) -> None:
    """Measure what the file has not yet."""
    for way in _WAYS:
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
        run(tasks, _detectors(way), out=out, n_jobs=n_jobs)


def _detectors(way: str) -> dict[str, MMRRDetector]:
    parameters, budgets = _WAYS[way]
    return {
        f"{way}, {n or 'its own'} steps": MMRRDetector(**{**parameters, "max_iter": n})
        for n in budgets
    }


def draw_minutes(rows: pd.DataFrame, picture: str | os.PathLike[str]) -> None:
    """AUROC against minutes of fit, a line a way and a panel a data set."""
    rows = rows.assign(way=rows["detector"].str.rpartition(", ")[0]).sort_values("fit_minutes")
    datasets = rows.groupby(["dataset", "class"], sort=False)
    figure, axes = plt.subplots(
        1, len(datasets), figsize=(9, 3.8), sharey=True, layout="constrained", squeeze=False
    )
    for ax, (names, own) in zip(axes[0], datasets, strict=True):
        for way, found in own.groupby("way", sort=False):
            ax.plot(found["fit_minutes"], found["auroc"], "o-", label=way)
        ax.axhline(0.5, color="grey", linewidth=0.8)
        ax.set(xscale="log", xlabel="minutes of fit", title=", ".join(names))
        low, high = ax.get_xlim()
        ax.set_xticks([t for t in _TICKS if low <= t <= high], minor=False)
        ax.xaxis.set_major_formatter(lambda minutes, _: f"{minutes:g}")
        ax.minorticks_off()
    axes[0, 0].set_ylabel("AUROC")
    axes[0, 0].legend(fontsize="small")
    figure.savefig(picture, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
