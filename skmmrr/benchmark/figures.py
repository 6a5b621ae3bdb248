"""Pictures of results: AUROC over levels, classes and time, and ROC curves."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import RocCurveDisplay

from skmmrr.benchmark.report import grouped, published_cells, unique
from skmmrr.benchmark.results import KEY, Row
from skmmrr.plot._pyplot import pyplot

Axes = Any

_MOST_CURVES = 10  # more cannot be told apart


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
    for (dataset, protocol), group in grouped(
        [r for r in rows if r["auroc"]], ("dataset", "protocol")
    ):
        for name, draw in drawings.items():
            figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
            if draw(ax, group):
                ax.set_title(f"{dataset}, {protocol}")
                place = f"{dataset}_{protocol}".replace(":", "_").replace(" ", "_")
                paths.append(folder / f"{place}_{name}.png")
                figure.savefig(paths[-1], dpi=110)
            plt.close(figure)
    return paths


def draw_levels(ax: Axes, rows: Sequence[Row]) -> bool:
    """AUROC against the number of masking levels (MMRR's figure 2); False without such rows."""
    curves: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        parameters = json.loads(row["parameters"])
        if row["detector"].startswith("MMRR, ") and "n_levels" in parameters:
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
    """AUROC of every class as bars, published figures as ticks on them; False with one class."""
    classes, detectors = unique(rows, "class"), unique(rows, "detector")[:_MOST_CURVES]
    if len(classes) < 2:
        return False
    width = 0.8 / len(detectors)
    lows = []
    for i, detector in enumerate(detectors):
        own = [row for row in rows if row["detector"] == detector]
        values = [[float(r["auroc"]) for r in own if r["class"] == c] for c in classes]
        means = np.array([np.mean(v) if v else np.nan for v in values])
        places = np.arange(len(classes)) + (i - (len(detectors) - 1) / 2) * width
        ax.bar(places, means, 0.9 * width, label=detector)
        lows.append(np.nanmin(means))
        printed = published_cells(
            rows[0]["dataset"], rows[0]["protocol"], "auroc", detector, classes
        )
        if printed and any(printed[:-1]):
            heights = [float(cell) if cell else np.nan for cell in printed[:-1]]
            published = ax.scatter(places, heights, 40, "black", marker="_", zorder=3)
            lows.append(np.nanmin(heights))
            if "published" not in ax.get_legend_handles_labels()[1]:
                published.set_label("published")
    ax.set_xticks(range(len(classes)), classes)
    ax.set(ylabel="AUROC", ylim=(max(0, np.floor(min(lows) * 20 - 0.5) / 20), 1))
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return True


def draw_time(ax: Axes, rows: Sequence[Row]) -> bool:
    """Mean AUROC against mean seconds of fitting, a point a detector; False with one detector."""
    detectors = unique(rows, "detector")
    for detector in detectors:
        own = [row for row in rows if row["detector"] == detector]
        seconds = np.mean([float(row["fit_seconds"]) for row in own])
        auroc = np.mean([float(row["auroc"]) for row in own])
        ax.scatter(seconds, auroc, s=30)
        ax.annotate(detector, (seconds, auroc), (5, 4), textcoords="offset points", fontsize=8)
    ax.set(xlabel="seconds of fit", ylabel="mean AUROC", xscale="log")
    ax.margins(x=0.25, y=0.12)
    return len(detectors) > 1


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
