"""Draw the pictures of the README and of the guide: ``python docs/draw_pictures.py [NAME ...]``.

The names are those of the functions below; without one all are drawn. Parts are rendered, so that
nothing is downloaded. On one core all of it takes some ten minutes, nearly all of them training.
"""

import runpy
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from PIL import Image

from skmmrr import MMRRDetector
from skmmrr.benchmark import find_detector
from skmmrr.datasets import make_washers, save_washers
from skmmrr.inspection import PictureDetector, draw_overlay, inspect_folder, training_pictures
from skmmrr.inspection._overlay import heat

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


def table() -> None:
    """The last picture of the example of a table."""
    _last_picture("plot_table.py", "table.png")


def comparison() -> None:
    """The picture of the example that compares detectors."""
    _last_picture("plot_comparison.py", "comparison.png")


def _last_picture(example: str, name: str) -> None:
    plt.close("all")
    runpy.run_path(str(DOCS.parent / "examples" / example))
    plt.gcf().savefig(DOCS / name, dpi=85)


PICTURES = {"parts": parts, "table": table, "comparison": comparison}


def main() -> None:
    """Draw what the command line names."""
    mpl.use("agg")
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]()


if __name__ == "__main__":
    main()
