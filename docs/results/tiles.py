"""Memory that large pictures in tiles take, by their number.

Pictures of 2048x2048 are drawn: stripes of random phase under noise. Each number of them is fitted
and then reported on in a process of its own, whose peaks are written. The networks are small and
train for few steps: what is asked is how memory grows with the pictures.
"""

import argparse
import multiprocessing
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from _measuring import Row, add_out, write_table
from PIL import Image

from skmmrr import MMRRDetector, Network
from skmmrr.inspection import PictureDetector, write_report


def main() -> None:
    """Measure some numbers of pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, nargs="+", default=[4, 16], help="default 4 16")
    parser.add_argument("--side", type=int, default=2048, help="of the pictures (default 2048)")
    parser.add_argument("--tile", type=int, default=256, help="default 256")
    add_out(parser, "tiles.csv")
    arguments = parser.parse_args()
    write_table(arguments.out, measure(arguments.pictures, arguments.side, arguments.tile))


def measure(numbers: Sequence[int], side: int, tile: int) -> Iterator[Row]:
    """A row for each number of pictures, each from a new process."""
    for n in numbers:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            yield pool.apply(measure_one, (n, side, tile))


def measure_one(n_pictures: int, side: int, tile: int) -> Row:
    """Fit and report on so many pictures."""
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the steps are few
        folder = Path(name)
        paths = [folder / f"{i:04}.jpg" for i in range(n_pictures)]
        for i, path in enumerate(paths):
            draw(path, i, side)
        before = peak()
        small = {"downsample": 8, "network": Network(width=8), "n_estimators": 1, "max_iter": 10}
        detector = MMRRDetector(2, backbone="unet", random_state=0, **small)
        model = PictureDetector(detector, tile=tile, random_state=0).fit(paths)
        fitted = peak()
        write_report(model, folder, folder / "report.html")
        return {
            "pictures": str(n_pictures),
            "before": f"{before} MB",
            "after the fit": f"{fitted} MB",
            "after the report": f"{peak()} MB",
            "report": f"{(folder / 'report.html').stat().st_size / 2**20:.1f} MB",
        }


def draw(path: Path, seed: int, side: int) -> None:
    """Write one picture."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(side) * 2 * np.pi / 64 + rng.uniform(0, 2 * np.pi))
    noise = Image.fromarray(rng.normal(0, 12, (side // 2, side // 2)).astype(np.float32))
    pixels = 128 + 30 * waves + np.asarray(noise.resize((side, side)))
    colours = pixels[..., None] * np.array([1.0, 0.9, 0.7])
    Image.fromarray(colours.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def peak() -> int:
    """Resident memory of this process at its highest, in MB; Linux only."""
    import resource  # not on Windows, where --help works all the same

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
