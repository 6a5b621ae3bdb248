"""Memory and time of training on, and scoring, a large file of images."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skmmrr import MMRRDetector

_SHAPE = (32, 32, 3)
_ROWS_AT_A_TIME = 10_000
_SECONDS_BETWEEN_LOOKS = 0.02


@dataclass
class Anonymous:
    """Resident memory of this process without mapped files, in MB: before a block, and its peak."""

    before: float
    peak: float


def measure_memory(n_samples: int, n_scored: int, n_levels: int, max_iter: int) -> str:
    """Markdown table: what fitting and scoring a file of uint8 images take."""
    lines = ["| call | images | s | resident memory rises by |", "|---|---:|---:|---:|"]
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
            lines.append(f"| {name} | {n:,} | {seconds:.0f} | {rise:.0f} MB |")
    size = n_samples * np.prod(_SHAPE) / 1e9
    return "\n".join([f"{n_samples:,} images, {size:.1f} GB; {n_levels} levels", "", *lines])


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
