"""Memory that `skmmrr` takes for large pictures in tiles, and whether it finds small defects.

    python docs/results/tiles.py --pictures 100 400

Pictures of 2048x2048 are drawn: stripes of random phase under noise, and a quarter as many to
score, every fifth with a defect of 24x24 pixels. The memory is the peak of each command.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, DEFECT, TILE = 2048, 24, 256


def draw(path: Path, seed: list[int], defect: bool) -> None:
    """Write one picture."""
    rng = np.random.default_rng(seed)
    waves = np.sin(np.arange(SIDE) * 2 * np.pi / 64 + rng.uniform(0, 2 * np.pi))
    noise = Image.fromarray(rng.normal(0, 12, (SIDE // 2, SIDE // 2)).astype(np.float32))
    pixels = 128 + 30 * waves + np.asarray(noise.resize((SIDE, SIDE)))
    if defect:
        y, x = rng.integers(0, SIDE - DEFECT, size=2)
        pixels[y : y + DEFECT, x : x + DEFECT] += 60
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def megabytes(command: list[str]) -> float:
    """Run a command in a process of its own, and return its peak memory."""
    code = "import resource, runpy, sys; sys.argv = sys.argv[1:]\n"
    code += "try: runpy.run_module('skmmrr', run_name='__main__')\n"
    code += "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    run = [sys.executable, "-c", code, "skmmrr", *command, "--quiet"]
    result = subprocess.run(run, capture_output=True, text=True, check=True)
    return int(result.stderr.split()[-1]) / 1024


def measure(n_pictures: int, detector: str) -> None:
    """Print a row."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for folder, n in (("good", n_pictures), ("new", n_pictures // 4)):
            (home / folder).mkdir()
            for i in range(n):
                bad = folder == "new" and i % 5 == 0
                file = home / folder / f"{i:04}{'_bad' if bad else ''}.jpg"
                draw(file, [folder == "new", i], bad)
        model, table, page = (str(home / n) for n in ("model", "scores.csv", "report.html"))
        fit = ["fit", str(home / "good"), "--out", model, "--tile", str(TILE), "--grey"]
        fitting = megabytes([*fit, "--detector", detector])
        score = ["score", model, str(home / "new"), "--csv", table, "--report", page]
        scoring = megabytes(score)
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
        bad = [row["abnormal"] == "1" for row in rows if "_bad" in row["path"]]
        good = [row["abnormal"] == "1" for row in rows if "_bad" not in row["path"]]
        print(
            f"{n_pictures} learned: fit {fitting:.0f} MB, score {scoring:.0f} MB, report "
            f"{Path(page).stat().st_size / 2**20:.1f} MB; found {sum(bad)} of {len(bad)}, false "
            f"{sum(good)} of {len(good)}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--detector", default="mmrr-8-nodes")
    arguments = parser.parse_args()
    for number in arguments.pictures:
        measure(number, arguments.detector)
