"""Boxes and overlays beside the masks of a set of MVTec AD's layout.

Of the pictures above the threshold: how many have a box, which share of the defects' pixels the
boxes cover, and which share of the boxes is defect. Ten defects, evenly spread over the kinds, are
drawn: picture, mask, map with boxes.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _measuring import Row, add_out, write_table
from PIL import Image

import skmmrr
from skmmrr.datasets._images import read_image, read_mask
from skmmrr.inspection import Finding, PictureDetector, draw_overlay, inspect_folder
from skmmrr.inspection._evaluation import Labels
from skmmrr.inspection._overlay import scale_boxes

SIDE, N_DRAWN, N_COLUMNS = 256, 10, 5


def shares(finding: Finding, mask: np.ndarray) -> tuple[float, float]:
    """Of the defect that is in boxes, and of the boxes that is defect."""
    boxed = np.zeros(mask.shape, bool)
    for left, top, right, bottom in finding.boxes:
        boxed[top:bottom, left:right] = True
    both = (boxed & mask).sum()
    return both / mask.sum(), both / max(boxed.sum(), 1)


def draw(
    findings: Sequence[Finding], masks: Mapping[Path, Path], model: PictureDetector, out: Path
) -> None:
    """Rows of picture, mask, and map with boxes."""
    figure = plt.figure(figsize=(8.4, 10.9), layout="constrained")
    blocks = figure.subfigures(len(findings) // N_COLUMNS, 1)
    for start, block in zip(range(0, len(findings), N_COLUMNS), np.ravel(blocks), strict=True):
        axes = block.subplots(3, N_COLUMNS, gridspec_kw={"wspace": 0.04, "hspace": 0.04})
        block.set_facecolor("white")
        for column, finding in zip(axes.T, findings[start : start + N_COLUMNS], strict=True):
            picture = Image.fromarray(read_image(finding.path, (SIDE, SIDE), "color"))
            boxes = scale_boxes(finding.boxes, finding.anomaly_map.shape, (SIDE, SIDE))
            overlay = draw_overlay(picture, finding.anomaly_map, model.map_thresholds_, boxes)
            mask = read_mask(masks[finding.path], (SIDE, SIDE))
            for ax, shown in zip(column, (picture, mask, overlay), strict=True):
                ax.imshow(shown, cmap="gray", vmin=0, vmax=1)
                ax.set(xticks=[], yticks=[])
            column[0].set_title(f"{finding.kind} {finding.path.stem}", fontsize=9)
            ratio = finding.anomaly_score / -model.offset_
            column[-1].set_xlabel(f"{ratio:.1f} times the threshold", fontsize=8)
        for ax, name in zip(axes[:, 0], ("picture", "mask", "map and boxes"), strict=True):
            ax.set_ylabel(name, fontsize=9)
    figure.savefig(out, dpi=100)


def rows(model: PictureDetector, labels: Labels, findings: Sequence[Finding]) -> Iterator[Row]:
    """A row a kind."""
    for kind in sorted({f.kind for f in findings}):
        own = [f for f in findings if f.kind == kind]
        boxed = [f for f in own if f.abnormal and f.boxes]
        row = {"kind": kind, "pictures": str(len(own)), "with boxes": str(len(boxed))}
        if kind != labels.normal and boxed:
            masks = [read_mask(labels.masks[f.path], f.anomaly_map.shape) for f in boxed]
            covered, precise = np.mean([shares(*p) for p in zip(boxed, masks, strict=True)], axis=0)
            row |= {"of the defect": f"{covered:.2f}", "of the boxes": f"{precise:.2f}"}
        yield row


def main() -> None:
    """Write the shares, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="file of skmmrr fit")
    parser.add_argument("folder", type=Path, help="with masks")
    parser.add_argument("--picture", type=Path, help="to draw, such as a JPEG file")
    add_out(parser, "boxes.csv")
    arguments = parser.parse_args()
    model, labels = skmmrr.load(arguments.model), Labels.of(arguments.folder)
    findings = sorted(inspect_folder(model, arguments.folder), key=lambda f: f.path)
    write_table(arguments.out, rows(model, labels, findings))
    if arguments.picture is not None:
        bad = [f for f in findings if f.path in labels.masks]
        drawn = [bad[i] for i in np.linspace(0, len(bad) - 1, N_DRAWN).round().astype(int)]
        draw(drawn, labels.masks, model, arguments.picture)


if __name__ == "__main__":
    main()
