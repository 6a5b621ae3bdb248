"""Boxes and overlays beside the masks of a set of MVTec AD's layout.

Of the pictures above the threshold: how many have a box, which share of the defects' pixels the
boxes cover, and which share of the boxes is defect. Ten defects, evenly spread over the kinds, are
drawn: picture, mask, overlay.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from _measuring import Row, add_out, write_table
from PIL import Image

import skmmrr
from skmmrr.datasets._images import read_image, read_mask
from skmmrr.inspection import Finding, PictureDetector, draw_overlay, inspect_folder
from skmmrr.inspection._evaluation import Labels
from skmmrr.inspection._overlay import scale_boxes

SIDE, N_DRAWN = 160, 10


def shares(finding: Finding, mask: np.ndarray) -> tuple[float, float]:
    """Of the defect that is in boxes, and of the boxes that is defect."""
    boxed = np.zeros(mask.shape, bool)
    for left, top, right, bottom in finding.boxes:
        boxed[top:bottom, left:right] = True
    both = (boxed & mask).sum()
    return both / mask.sum(), both / max(boxed.sum(), 1)


def column(finding: Finding, mask: Path, thresholds: tuple[float, float]) -> np.ndarray:
    """Picture, mask and overlay of one defect, below one another."""
    picture = Image.fromarray(read_image(finding.path, (SIDE, SIDE), "color"))
    true = np.where(read_mask(mask, (SIDE, SIDE)), 255, 0).astype(np.uint8)
    boxes = scale_boxes(finding.boxes, finding.anomaly_map.shape, (SIDE, SIDE))
    overlay = draw_overlay(picture, finding.anomaly_map, thresholds, boxes)
    parts = [np.asarray(picture), np.stack([true] * 3, axis=-1), np.asarray(overlay)]
    return np.concatenate(parts)


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
    parser.add_argument("--picture", type=Path, help="PNG file to draw")
    add_out(parser, "boxes.csv")
    arguments = parser.parse_args()
    model, labels = skmmrr.load(arguments.model), Labels.of(arguments.folder)
    findings = sorted(inspect_folder(model, arguments.folder), key=lambda f: f.path)
    write_table(arguments.out, rows(model, labels, findings))
    if arguments.picture is not None:
        bad = [f for f in findings if f.path in labels.masks]
        drawn = [bad[i] for i in np.linspace(0, len(bad) - 1, N_DRAWN).round().astype(int)]
        columns = [column(f, labels.masks[f.path], model.map_thresholds_) for f in drawn]
        Image.fromarray(np.concatenate(columns, axis=1)).save(arguments.picture)


if __name__ == "__main__":
    main()
