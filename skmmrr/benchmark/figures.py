"""Pictures of results: AUROC over levels, classes and time, and ROC curves."""

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import RocCurveDisplay

from skmmrr.benchmark.report import grouped, published_cells, unique
from skmmrr.benchmark.results import KEY, Row
from skmmrr.benchmark.tasks import ALL
from skmmrr.plot._pyplot import pyplot

Axes = Any

_MOST_CURVES = 10  # more cannot be told apart
_MARKERS = "osD^vPX"
_MISSED = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)


def draw_all(
    rows: Sequence[Row],
    folder: str | os.PathLike[str],
    scores: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Draw what the rows have, one picture a data set and kind, and write them as PNG.

    Parameters
    ----------
    rows : sequence of dict
        Results.
    folder : path-like
        Where to; made if it is not there.
    scores : path-like, default=None
        Folder of anomaly scores that ``run(..., scores=...)`` wrote, for ROC curves.

    Returns
    -------
    paths : list of Path
        What was written.
    """
    plt = pyplot("skmmrr.benchmark")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Callable[[Axes, list[Row]], bool]] = {
        "levels": draw_levels,
        "classes": draw_classes,
        "time": draw_time,
    }
    if scores is not None:
        drawings["roc"] = lambda ax, group: draw_roc(ax, group, Path(scores))
    paths = []
    measured = [row for row in rows if row["auroc"]]
    for names, group in grouped(measured, ("dataset", "protocol", "subset")):
        title = ", ".join(name for name in names if name != ALL)
        for name, draw in drawings.items():
            figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
            if draw(ax, group):
                ax.set_title(title)
                place = re.sub(r"\W+", "_", title)
                paths.append(folder / f"{place}_{name}.png")
                figure.savefig(paths[-1], dpi=110)
            plt.close(figure)
    return paths


def draw_levels(ax: Axes, rows: Sequence[Row]) -> bool:
    """AUROC against the number of masking levels (MMRR's figure 2); False without such rows."""
    curves: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        parameters = json.loads(row["parameters"])
        if re.fullmatch(r"MMRR, \d+ (levels|nodes)", row["detector"]):
            ends = 2 if parameters["level_rule"] == "gauss-legendre" else 0
            kind = "nodes and ends" if ends else "uniform"
            curve = curves.setdefault(f"{row['class']}, {kind}", {})
            curve.setdefault(parameters["n_levels"] + ends, []).append(float(row["auroc"]))
    curves = {name: curve for name, curve in curves.items() if len(curve) > 1}
    for name, curve in sorted(curves.items()):
        counts = sorted(curve)
        means = [np.mean(curve[n]) for n in counts]
        style = "o--" if name.endswith("ends") else "o-"
        same = [line for line in ax.lines if line.get_label().split(",")[0] == name.split(",")[0]]
        colour = {"color": same[0].get_color()} if same else {}
        ax.plot(counts, means, style, label=name, markersize=4, **colour)
    ax.set(xlabel="network passes: masking levels", ylabel="AUROC", xscale="log")
    ticks = sorted({n for curve in curves.values() for n in curve})
    ax.set_xticks(ticks, [str(n) for n in ticks])
    ax.minorticks_off()
    if curves:
        ax.legend(fontsize="small", ncols=2)
    return bool(curves)


def draw_classes(ax: Axes, rows: Sequence[Row]) -> bool:
    """AUROC of every class as bars, published figures as ticks on them; False with one class.

    The axis begins where nine tenths of the bars do; the AUROC of a shorter one stands at its foot.
    """
    classes, detectors = unique(rows, "class"), unique(rows, "detector")
    if len(classes) < 2:
        return False
    ax.figure.set_size_inches(max(8, len(classes) * len(detectors) / 9), 4.5)  # room for figures
    width, bars, published = 0.85 / len(detectors), [], []
    for i, detector in enumerate(detectors):
        means = _means(rows, detector, classes)
        places = np.arange(len(classes)) + (i - (len(detectors) - 1) / 2) * width
        ax.bar(places, means, width, label=detector, color=_colour(i))
        bars += [*zip(places, means, strict=True)]
        source = (rows[0]["dataset"], rows[0]["protocol"])
        cells = published_cells(*source, "auroc", detector, classes) or [""]
        if any(cells[:-1]):
            heights = [float(cell) if cell else np.nan for cell in cells[:-1]]
            first = "published" not in ax.get_legend_handles_labels()[1]
            ticks = ax.scatter(places, heights, 300 * width, "black", marker="_", zorder=3)
            ticks.set_label("published" if first else "_")
            published += heights
    shown = [height for _, height in bars] + published
    lowest = max(0.0, np.floor(np.nanquantile(shown, 0.1) * 20 - 0.5) / 20)
    for place, height in bars:
        if height < lowest:
            ax.text(place, lowest, f" {height:.2f}", rotation=90, fontsize=6, ha="center")
    turned = {"rotation": 30, "ha": "right"} if max(map(len, classes)) > 4 else {}
    ax.set_xticks(range(len(classes)), classes, **turned)
    ax.set(ylabel="AUROC", ylim=(lowest, 1))
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return True


def _means(rows: Sequence[Row], detector: str, classes: list[str]) -> list[float]:
    """Mean AUROC of a detector on every class, NaN where there is none."""
    own = [row for row in rows if row["detector"] == detector]
    values = [[float(r["auroc"]) for r in own if r["class"] == c] for c in classes]
    return [float(np.mean(v)) if v else np.nan for v in values]


def draw_time(ax: Axes, rows: Sequence[Row]) -> bool:
    """Mean AUROC against mean seconds of fitting, a point a detector; False with one detector.

    The axis is that of 1 - AUROC, on which halving what is missed is one step anywhere.
    """
    detectors = unique(rows, "detector")
    for i, detector in enumerate(detectors):
        own = [row for row in rows if row["detector"] == detector]
        seconds = np.mean([float(row["fit_seconds"]) for row in own])
        missed = 1 - np.mean([float(row["auroc"]) for row in own])
        ax.scatter(
            seconds, max(missed, 1e-4), 45, [_colour(i)], marker=_MARKERS[i % 7], label=detector
        )
    ax.set(xlabel="seconds of fit", ylabel="mean AUROC", xscale="log", yscale="log")
    ax.invert_yaxis()
    ax.yaxis.set_major_formatter(lambda missed, _: f"{1 - missed:.4g}")
    ax.yaxis.set_minor_formatter(lambda missed, _: "")
    low, high = sorted(ax.get_ylim())
    ticks = [t for t in _MISSED if low <= t <= high]
    ax.set_yticks(ticks)
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return len(detectors) > 1


def _colour(i: int) -> Any:
    return pyplot("skmmrr.benchmark").get_cmap("tab20")(i % 20)


def draw_roc(ax: Axes, rows: Sequence[Row], scores: Path) -> bool:
    """ROC curves of the first class and seed, of each detector; False without saved scores."""
    first = (rows[0]["class"], rows[0]["seed"])
    shown = [row for row in rows if (row["class"], row["seed"]) == first][:_MOST_CURVES]
    saved = {key: path for path in scores.glob("*.npz") for key in _keys(path)}
    for row in shown:
        path = saved.get(tuple(row[c] for c in KEY))
        if path is not None:
            with np.load(path) as arrays:
                y, found = arrays["y"] == -1, arrays["anomaly_score"]
            RocCurveDisplay.from_predictions(y, found, name=row["detector"], ax=ax)
    ax.set(xlabel=f"false-positive rate, class {first[0]}", ylabel="true-positive rate")
    return bool(ax.lines)


def _keys(path: Path) -> Iterable[tuple[str, ...]]:
    with np.load(path) as arrays:
        yield tuple(arrays["key"].tolist())
