"""Pictures of MLSAD's fakes, level by level, beside the normal images that they are made of."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from _measuring import FOLDER
from numpy.typing import NDArray

from skmmrr import Network
from skmmrr.baselines import MLSADDetector
from skmmrr.baselines.mlsad import fakes
from skmmrr.datasets import load_cifar10

_LEVELS = (2, 4, 8)  # of those that are not trivial


def main() -> None:
    """Draw the fakes of one class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--normal", default="frog", help="class of CIFAR-10's training files")
    parser.add_argument("--steps", type=int, help="of each PatchGAN; without, none is trained")
    parser.add_argument("--width", type=int, default=512, help="most features of a layer")
    parser.add_argument("--columns", type=int, default=8, help="pictures of a level")
    parser.add_argument("--data-home", type=Path, help="folder with the data; else SKMMRR_DATA")
    parser.add_argument("--out", type=Path, default=FOLDER / "mlsad_fakes.png", help="picture")
    arguments = parser.parse_args()
    data = load_cifar10("train", data_home=arguments.data_home)
    chosen = list(data.target_names).index(arguments.normal)
    images = data.images[data.target == chosen]
    n = arguments.columns
    rows = {"normal": images[:n], **_without_network(images, n)}
    if arguments.steps is not None:
        rows |= _from_generators(images, n, arguments.steps, arguments.width)
    draw(rows, arguments.out)


def _without_network(images: NDArray[np.uint8], n: int) -> dict[str, NDArray[np.float64]]:
    """Levels 0 and 1, and blended tiles of the others."""
    pool = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    generator = torch.Generator().manual_seed(0)
    made = {
        "0: noise": fakes.noise((n, *pool.shape[1:]), generator),
        "1: shuffled": fakes.shuffled(pool, n, generator),
    }
    for level in _LEVELS:
        tiles = fakes.blended(pool, pool.mean(dim=0), n, level, generator)
        made[f"{level}: blended tiles"] = tiles
    return {name: (x.permute(0, 2, 3, 1).numpy() + 1) * 127.5 for name, x in made.items()}


def _from_generators(
    images: NDArray[np.uint8], n: int, steps: int, width: int
) -> dict[str, NDArray[np.float64]]:
    """Levels 2, 4 and 8 of the PatchGANs; the detectors are not trained."""
    detector = MLSADDetector(
        tuple(2 * level for level in _LEVELS),
        fakes="patchgan",
        max_iter=1,
        generator_max_iter=steps,
        keep_generators=True,
        network=Network(width=width),
        random_state=0,
        verbose=1,
    ).fit(images)
    return {f"{level}: PatchGAN": detector.sample_fakes(level, n) for level in _LEVELS}


def draw(rows: dict[str, NDArray[np.float64]], path: Path) -> None:
    """A row of pictures of each name."""
    n = len(next(iter(rows.values())))
    figure, axes = plt.subplots(len(rows), n, figsize=(0.8 * n + 1.6, 0.85 * len(rows)))
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            axis.imshow(np.clip(picture / 255, 0, 1))
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=70)


if __name__ == "__main__":
    main()
