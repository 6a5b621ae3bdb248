"""Boxes and overlays beside the masks of a set of MVTec AD's layout.

    skmmrr fit bottle --out bottle.safetensors
    python docs/results/boxes.py bottle.safetensors bottle --picture overlays.png

prints for each kind, of the pictures above the threshold, which share of the defects' pixels the
boxes cover and which share of the boxes is defect, and the share of pictures with a box; and draws
ten defects, evenly spread over the kinds: picture, mask, overlay.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import skmmrr
from skmmrr.datasets._images import read_image, read_mask
from skmmrr.inspection import Finding, draw_overlay, inspect_folder
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


def main() -> None:
    """Print the shares, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    model, labels = skmmrr.load(arguments.model), Labels.of(arguments.folder)
    findings = sorted(inspect_folder(model, arguments.folder), key=lambda f: f.path)
    for kind in sorted({f.kind for f in findings}):
        own = [f for f in findings if f.kind == kind]
        found = [f for f in own if f.abnormal]
        line = f"{kind}: {sum(f.abnormal and bool(f.boxes) for f in own)} of {len(own)} have boxes"
        if kind != labels.normal:
            masks = [read_mask(labels.masks[f.path], f.anomaly_map.shape) for f in found]
            covered, precise = np.mean([shares(*p) for p in zip(found, masks, strict=True)], axis=0)
            line += f", which cover {covered:.2f} of the defect, and are defect by {precise:.2f}"
        print(line)
    bad = [f for f in findings if f.path in labels.masks]
    drawn = [bad[i] for i in np.linspace(0, len(bad) - 1, N_DRAWN).round().astype(int)]
    if arguments.picture is not None:
        columns = [column(f, labels.masks[f.path], model.map_thresholds_) for f in drawn]
        Image.fromarray(np.concatenate(columns, axis=1)).save(arguments.picture)


if __name__ == "__main__":
    main()
