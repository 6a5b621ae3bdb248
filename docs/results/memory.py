"""Memory and time of training on, and scoring, a large file of images."""

import argparse
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _measuring import Row, add_out, write_table

from skmmrr import MMRRDetector

_SHAPE = (32, 32, 3)
_ROWS_AT_A_TIME = 10_000
_SECONDS_BETWEEN_LOOKS = 0.02


def main() -> None:
    """Measure a fit and two sizes of scoring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000, help="default 1000000")
    parser.add_argument("--scored", type=int, default=20_000, help="of them (default 20000)")
    parser.add_argument("--levels", type=int, default=5, help="default 5")
    parser.add_argument("--steps", type=int, default=100, help="of each phase (default 100)")
    add_out(parser, "memory.csv")
    arguments = parser.parse_args()
    sizes = (arguments.samples, arguments.scored, arguments.levels, arguments.steps)
    write_table(arguments.out, measure_memory(*sizes))


@dataclass
class Anonymous:
    """Resident memory of this process without mapped files, in MB: before a block, and its peak."""

    before: float
    peak: float


def measure_memory(n_samples: int, n_scored: int, n_levels: int, max_iter: int) -> Iterator[Row]:
    """Rows of what fitting and scoring a file of uint8 images take."""
    with TemporaryDirectory() as folder:
        X = _images(Path(folder) / "images", n_samples)
        detector = MMRRDetector(n_levels, max_iter=max_iter, random_state=0)
        n_scored = min(n_scored, n_samples)
        calls = [("fit", n_samples), ("score_samples", n_scored // 2), ("score_samples", n_scored)]
        for name, n in calls:
            start = time.perf_counter()
            with anonymous_memory() as memory:
                getattr(detector, name)(X[:n])
            seconds, rise = time.perf_counter() - start, memory.peak - memory.before
            yield {
                "call": name,
                "images": f"{n:,}",
                "s": f"{seconds:.0f}",
                "resident memory rises by": f"{rise:.0f} MB",
            }


def _images(path: Path, n: int) -> np.memmap:
    """Random bytes in a file, mapped for reading."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, n, _ROWS_AT_A_TIME):
            rows = min(_ROWS_AT_A_TIME, n - start)
            file.write(rng.bytes(rows * int(np.prod(_SHAPE))))
    return np.memmap(path, np.uint8, "r", shape=(n, *_SHAPE))


@contextmanager
def anonymous_memory() -> Iterator[Anonymous]:
    """Look at the process's memory many times a second; Linux only.

    Pages of mapped files are not counted: the system drops them when it needs the memory.
    """
    memory, done = Anonymous(_anonymous(), 0.0), threading.Event()

    def look() -> None:
        while not done.wait(_SECONDS_BETWEEN_LOOKS):
            memory.peak = max(memory.peak, _anonymous())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        done.set()
        watcher.join()
        memory.peak = max(memory.peak, _anonymous())


def _anonymous() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
