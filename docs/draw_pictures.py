"""Draw the pictures of the README and of the guide: ``python docs/draw_pictures.py [NAME ...]``.

The names are those of ``PICTURES``; without one all are drawn. Parts are rendered, so that nothing
is downloaded. On one core all of it takes some ten minutes, nearly all of them training. The report
of the guide, ``report.png``, is Chromium's screenshot of what ``skmmrr evaluate --report`` writes.
"""

import runpy
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from PIL import Image
from sklearn.datasets import load_breast_cancer

from skmmrr import MMRRDetector
from skmmrr.benchmark import find_detector
from skmmrr.datasets import make_washers, save_washers
from skmmrr.inspection import PictureDetector, draw_overlay, inspect_folder, training_pictures
from skmmrr.inspection._overlay import heat
from skmmrr.plot import ContributionsDisplay

DOCS = Path(__file__).parent
GREY = "0.35"


def parts() -> None:
    """The hero: good and defective washers, and the same under their maps, with boxes."""
    with tempfile.TemporaryDirectory() as folder:
        save_washers(folder, random_state=0)  # as skmmrr demo, fit and score do
        detector = find_detector("MMRR features").estimator.set_params(random_state=0)
        model = PictureDetector(detector, size=(256, 256), random_state=0)
        model.fit(training_pictures(folder)[0])
        findings = sorted(inspect_folder(model, folder), key=lambda finding: finding.path)
        good = [finding for finding in findings if finding.kind == "good"]
        bad = [finding for finding in findings if finding.kind != "good"]
        found = sum(finding.abnormal for finding in bad)
        print(f"{found} of {len(bad)} defects found, ", end="")
        print(f"{sum(finding.abnormal for finding in good)} of {len(good)} good washers flagged")
        shown = [good[0], *(bad[i] for i in (0, 2, 11, 14, 21))]
        pictures = [Image.open(finding.path).convert("RGB") for finding in shown]
    low, high = model.map_thresholds_
    figure = plt.figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(2, len(shown))
    for (above, below), finding, picture in zip(axes.T, shown, pictures, strict=True):
        boxes = finding.boxes if finding.abnormal else ()
        above.imshow(picture)
        below.imshow(draw_overlay(picture, finding.anomaly_map, (low, high), boxes))
        above.set_title(finding.kind, fontsize=11)
        ratio = finding.anomaly_score / -model.offset_
        verdict = "anomaly" if finding.abnormal else "normal"
        below.set_xlabel(f"{verdict}: score is {ratio:.1f}\ntimes the threshold", fontsize=9)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    axes[0, 0].set_ylabel("picture", fontsize=10)
    axes[1, 0].set_ylabel("anomaly map", fontsize=10)
    ramp = (
        np.asarray(heat(np.linspace(low, 2 * high, 256)[None], (low, high)), float)[0, :, :3] / 255
    )
    colours = mpl.cm.ScalarMappable(cmap=LinearSegmentedColormap.from_list("heat", ramp))
    ticks = [0, (high - low) / (2 * high - low), 1]
    bar = figure.colorbar(colours, ax=axes.ravel().tolist(), fraction=0.02, ticks=ticks)
    labels = ["usual in good parts", "highest usual value", "twice that, and more"]
    bar.ax.set_yticklabels(labels, fontsize=8)
    bar.outline.set_visible(False)
    box = Line2D([], [], color="red", marker="s", markerfacecolor="none", linestyle="")
    bar.ax.legend([box], ["abnormal region"], fontsize=8, frameon=False, loc=(-0.6, 1.03))
    figure.savefig(DOCS / "parts.png", dpi=100)


def stages() -> None:
    """A washer with a stain on its way to its score, and where a good one has its error."""
    washers = make_washers(320, 30, size=48, random_state=0)
    settings = {"backbone": "mlp", "downsample": 1, "max_iter": (800, 300), "random_state": 0}
    detector = MMRRDetector(contamination=None, **settings).fit(washers.images[:300])
    draw_stages(detector, washers.images[301], washers.images[322])


def draw_stages(detector: MMRRDetector, good: np.ndarray, stained: np.ndarray) -> None:
    """The figure of a fitted detector."""
    levels, pair = (0.1, 0.3, 0.6), np.stack([good, stained])
    found = detector.explain(stained[None], levels=levels)
    maps, scores = detector.anomaly_map(pair), -detector.score_samples(pair)
    figure = plt.figure(figsize=(11, 5.6))
    grid = figure.add_gridspec(
        3, 7, top=0.79, bottom=0.09, left=0.01, right=0.99, wspace=0.28, hspace=0.24
    )

    def show(place: SubplotSpec, picture: np.ndarray, title: str = "", **options: Any) -> Axes:
        ax = figure.add_subplot(place)
        ax.imshow(picture, **options)
        ax.set_axis_off()
        ax.set_title(title, fontsize=10)
        return ax

    def visible(array: np.ndarray) -> np.ndarray:
        return ((np.asarray(array) + 1) / 2).clip(0, 1)

    stages = {
        "1 embedding": ([1], "a network's view\nof the sample"),
        "2 masking": ([2], "yellow is kept, dark\nis replaced by noise"),
        "3 restoration": ([3], "from what is kept:\na washer as learned"),
        "4 refinement": ([4], "without the error that\nany sample would have"),
        "5 score": (
            [5, 6],
            "squared error at each level; their mean is\nthe anomaly map, and its mean the score",
        ),
    }
    for head, (columns, note) in stages.items():
        places = [grid[0, column].get_position(figure) for column in columns]
        left, right = places[0].x0, places[-1].x1
        figure.text((left + right) / 2, 0.95, head, ha="center", weight="bold")
        figure.text((left + right) / 2, 0.86, note, ha="center", fontsize=8, color=GREY)
        figure.add_artist(Line2D([left, right], [0.935, 0.935], color=GREY, linewidth=0.8))
    show(grid[1, 0], stained, "sample")
    show(grid[1, 1], visible(found.embedding[0]))
    highest = float(maps.max())
    heat_options = {"cmap": "inferno", "vmin": 0, "vmax": highest}
    for row, level in enumerate(levels):
        refined = np.asarray(found.refined[0, row])
        error = ((refined - np.asarray(found.x[0])) ** 2).mean(axis=-1)
        mask = np.asarray(found.mask[0, row]).mean(axis=-1)
        show(grid[row, 2], mask, f"level {level}", cmap="viridis", vmin=0, vmax=1)
        show(grid[row, 3], visible(found.restored[0, row]))
        show(grid[row, 4], visible(refined))
        show(grid[row, 5], error, **heat_options)
    figure.text(
        0.5, 0.03, "... and so on for 60 levels, from nothing to everything ...", ha="center"
    )
    show(grid[0, 6], maps[1], f"map, score {scores[1]:.4f}", **heat_options)
    show(grid[1, 6], maps[0], f"a good one: {scores[0]:.4f}", **heat_options)
    show(grid[2, 6], good, "the good one")
    figure.savefig(DOCS / "stages.png", dpi=100)


def table() -> None:
    """Why a malignant sample of scikit-learn's breast cancer table is abnormal."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    benign, malignant = X[y == 1], X[y == 0]
    detector = MMRRDetector(max_iter=300, random_state=0).fit(benign[:200])
    middle = detector.score_samples(malignant).argsort()[len(malignant) // 2]
    one = malignant.iloc[[middle]]
    title = f"malignant tumour in row {one.index[0]}: score {-detector.score_samples(one)[0]:.2f}"
    display = ContributionsDisplay.from_estimator(
        detector, one, normal=benign[200:], titles=[title]
    )
    display.figure_.savefig(DOCS / "table.png", dpi=85)


def from_example(name: str, number: int) -> None:
    """A figure of an example of the gallery."""
    plt.close("all")
    runpy.run_path(str(DOCS.parent / "examples" / f"plot_{name}.py"))
    plt.figure(number).savefig(DOCS / f"{name}.png", dpi=85)


PICTURES = {
    "parts": parts,
    "stages": stages,
    "table": table,
    "thresholds": partial(from_example, "thresholds", 1),
    "comparison": partial(from_example, "comparison", 1),
}


def main() -> None:
    """Draw what the command line names."""
    mpl.use("agg")
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]()


if __name__ == "__main__":
    main()
