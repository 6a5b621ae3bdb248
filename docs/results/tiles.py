"""Memory that large pictures in tiles take, by their number.

    python docs/results/tiles.py --pictures 20 80

Pictures of 2048x2048 are drawn: stripes of random phase under noise. Each number of them is fitted
and then reported on in a process of its own, whose peaks are printed. The networks train for few
steps: the memory is that of any number.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from skmmrr import MMRRDetector
from skmmrr.inspection import PictureDetector, write_report

SIDE = 2048


def draw(path: Path, seed: int) -> None:
    """Write one picture."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(SIDE) * 2 * np.pi / 64 + rng.uniform(0, 2 * np.pi))
    noise = Image.fromarray(rng.normal(0, 12, (SIDE // 2, SIDE // 2)).astype(np.float32))
    pixels = 128 + 30 * waves + np.asarray(noise.resize((SIDE, SIDE)))
    colours = pixels[..., None] * np.array([1.0, 0.9, 0.7])
    Image.fromarray(colours.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def peak() -> int:
    """Of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measure(n_pictures: int, tile: int) -> None:
    """Print a row."""
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 20 steps are few
        folder = Path(name)
        paths = [folder / f"{i:04}.jpg" for i in range(n_pictures)]
        for i, path in enumerate(paths):
            draw(path, i)
        start, imported = time.perf_counter(), peak()
        few = MMRRDetector(8, level_rule="gauss-legendre", max_iter=20, random_state=0)
        model = PictureDetector(few, tile=tile, random_state=0).fit(paths)
        fitted = peak()
        write_report(model, folder, folder / "report.html")
        megabytes = (folder / "report.html").stat().st_size / 2**20
        print(
            f"{n_pictures} pictures: {imported} MB at first, {fitted} after the fit, {peak()} "
            f"after the report, of {megabytes:.1f} MB; {time.perf_counter() - start:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs="+", default=[20, 80])
    parser.add_argument("--tile", type=int, default=256)
    arguments = parser.parse_args()
    for number in arguments.pictures:
        process = multiprocessing.get_context("spawn").Process(
            target=measure, args=(number, arguments.tile)
        )
        process.start()
        process.join()
