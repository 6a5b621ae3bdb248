"""Pictures of results: AUROC over levels, classes, time and data sets, and ROC curves."""

import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import RocCurveDisplay

from skmmrr.benchmark.counterparts import published_figures
from skmmrr.benchmark.ranks import rank_detectors
from skmmrr.benchmark.report import Frame
from skmmrr.benchmark.results import KEY
from skmmrr.benchmark.tasks import ALL
from skmmrr.plot._pyplot import pyplot

Axes = Any

_MOST_CURVES = 10  # more cannot be told apart
_MARKERS = "osD^vPX"
_MISSED = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)


def draw_all(
    frame: Frame,
    folder: str | os.PathLike[str],
    scores: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Draw what the results have, one picture a data set and kind, and write them as PNG.

    Parameters
    ----------
    frame : DataFrame
        From :func:`skmmrr.benchmark.report.read_results`.
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
    drawings: dict[str, Callable[[Axes, Frame], bool]] = {
        "levels": draw_levels,
        "classes": draw_classes,
        "time": draw_time,
    }
    if scores is not None:
        drawings["roc"] = lambda ax, group: draw_roc(ax, group, Path(scores))
    paths = []
    measured = frame[frame["auroc"].notna()]
    for protocol, group in measured[measured["class"] == ""].groupby("protocol", sort=False):
        figure, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
        if draw_ranks(ax, group):
            ax.set_title(protocol)
            place = re.sub(r"\W+", "_", protocol)
            paths.append(folder / f"{place}_ranks.png")
            figure.savefig(paths[-1], dpi=110)
        plt.close(figure)
    for names, group in measured.groupby(["dataset", "protocol", "subset"], sort=False):
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


def draw_levels(ax: Axes, frame: Frame) -> bool:
    """AUROC against the number of masking levels (MMRR's figure 2); False without such rows."""
    frame = frame[frame["detector"].str.fullmatch(r"MMRR(, paper[^,]*)?, \d+ (levels|nodes)")]
    if frame.empty:
        return False
    parameters = frame["parameters"].map(json.loads)
    ends = 2 * (parameters.str["level_rule"] == "gauss-legendre")
    settings = frame["detector"].str.rpartition(",")[0]
    curves = frame["class"]
    if settings.nunique() > 1:
        curves = curves + ", " + settings
    frame = frame.assign(passes=parameters.str["n_levels"] + ends, ends=ends, curve=curves)
    ticks: set[int] = set()
    for i, (label, own) in enumerate(frame.groupby("curve")):
        for kind, curve in own.groupby("ends"):
            means = curve.groupby("passes")["auroc"].mean()
            if len(means) > 1:
                style, name = ("o--", "nodes and ends") if kind else ("o-", "uniform")
                ax.plot(means, style, label=f"{label}, {name}", color=f"C{i % 10}", markersize=4)
                ticks.update(means.index)
    ax.set(xlabel="network passes: masking levels", ylabel="AUROC", xscale="log")
    ax.set_xticks(sorted(ticks), [str(n) for n in sorted(ticks)])
    ax.minorticks_off()
    if ticks:
        ax.legend(fontsize="small", ncols=2)
    return bool(ticks)


def draw_classes(ax: Axes, frame: Frame) -> bool:
    """AUROC of every class as bars, published figures as ticks on them; False with one class.

    The axis begins where nine tenths of the bars do; the AUROC of a shorter one stands at its foot.
    """
    means = frame.pivot_table("auroc", "class", "detector", sort=False)
    classes, n_detectors = means.index.tolist(), means.shape[1]
    if len(classes) < 2:
        return False
    ax.figure.set_size_inches(max(8, means.size / 9), 4.5)  # room for figures
    width, bars, published = 0.85 / n_detectors, [], []
    for i, detector in enumerate(means):
        places = np.arange(len(classes)) + (i - (n_detectors - 1) / 2) * width
        ax.bar(places, means[detector], width, label=detector, color=_colour(i))
        bars += [*zip(places, means[detector], strict=True)]
        source = (frame["dataset"].iloc[0], frame["protocol"].iloc[0])
        printed = published_figures(*source, "auroc", detector, classes)
        if printed is not None and any(printed.cells[:-1]):
            heights = [float(cell) if cell else np.nan for cell in printed.cells[:-1]]
            first = printed.title not in ax.get_legend_handles_labels()[1]
            ticks = ax.scatter(places, heights, 300 * width, "black", marker="_", zorder=3)
            ticks.set_label(printed.title if first else "_")
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


def draw_ranks(ax: Axes, frame: Frame) -> bool:
    """Critical-difference diagram of mean ranks; False with one detector or data set.

    Detectors that a bar joins do not differ at the level of 5%.
    """
    try:
        found = rank_detectors(frame)
    except ValueError:
        return False
    k, step = len(found.detectors), 0.5
    left, depth = (k + 1) // 2, -(-k // 2)
    bars = found.alike()
    base = -0.3 * len(bars) - 0.4  # of the names, below the bars
    for i, (name, rank) in enumerate(zip(found.detectors, found.ranks, strict=True)):
        level = i if i < left else k - 1 - i
        end, side = (1 - 0.25, "right") if i < left else (k + 0.25, "left")
        y = base - step * level
        ax.plot([rank, rank, end], [0, y, y], color="black", linewidth=0.8)
        ax.text(end, y, f" {name} {rank:.2f} ", ha=side, va="center")
    for level, (first, last) in enumerate(bars):
        ends = found.ranks[first] - 0.05, found.ranks[last] + 0.05
        ax.plot(ends, [-0.3 * (level + 1)] * 2, color="C3", linewidth=4, solid_capstyle="butt")
    ax.plot([1, 1 + found.critical_difference], [0.9, 0.9], color="black", marker="|")
    ax.text(1, 1.05, f"critical difference {found.critical_difference:.2f}", va="bottom")
    ax.spines[["left", "right", "bottom"]].set_visible(False)
    ax.spines["top"].set_position(("data", 0))
    ax.spines["top"].set_bounds(1, k)
    ax.xaxis.tick_top()
    ax.set_xticks(range(1, k + 1))
    ax.set(xlim=(1 - 0.3 * k, k + 0.3 * k), ylim=(base - step * depth, 1.6), yticks=[])
    ax.set_xlabel(f"mean rank on {found.n_sets} data sets")
    return True


def draw_time(ax: Axes, frame: Frame) -> bool:
    """Mean AUROC against mean seconds of fitting, a point a detector; False with one detector.

    The axis is that of 1 - AUROC, on which halving what is missed is one step anywhere.
    """
    means = frame.groupby("detector", sort=False)[["fit_seconds", "auroc"]].mean()
    for i, (detector, seconds, auroc) in enumerate(means.itertuples()):
        missed = max(1 - auroc, 1e-4)
        ax.scatter(seconds, missed, 45, [_colour(i)], marker=_MARKERS[i % 7], label=detector)
    ax.set(xlabel="seconds of fit", ylabel="mean AUROC", xscale="log", yscale="log")
    ax.invert_yaxis()
    ax.yaxis.set_major_formatter(lambda missed, _: f"{1 - missed:.4g}")
    ax.yaxis.set_minor_formatter(lambda missed, _: "")
    low, high = sorted(ax.get_ylim())
    ticks = [t for t in _MISSED if low <= t <= high]
    ax.set_yticks(ticks)
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return len(means) > 1


def _colour(i: int) -> Any:
    return pyplot("skmmrr.benchmark").get_cmap("tab20")(i % 20)


def draw_roc(ax: Axes, frame: Frame, scores: Path) -> bool:
    """ROC curves of the first class and seed, of each detector; False without saved scores."""
    label, seed = frame[["class", "seed"]].iloc[0]
    shown = frame[(frame["class"] == label) & (frame["seed"] == seed)][:_MOST_CURVES]
    saved = {key: path for path in scores.glob("*.npz") for key in _keys(path)}
    for key in shown[list(KEY)].itertuples(index=False, name=None):
        path = saved.get(key)
        if path is not None:
            with np.load(path) as arrays:
                y, found = arrays["y"] == -1, arrays["anomaly_score"]
            RocCurveDisplay.from_predictions(y, found, name=key[KEY.index("detector")], ax=ax)
    ax.set(xlabel=f"false-positive rate, class {label}", ylabel="true-positive rate")
    return bool(ax.lines)


def _keys(path: Path) -> Iterable[tuple[str, ...]]:
    with np.load(path) as arrays:
        yield tuple(arrays["key"].tolist())
