"""Whether a refit with another number of threads scores the same: one of scikit-learn's digits."""

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from _measuring import Row, add_out, digit_split, write_table
from threadpoolctl import threadpool_limits

from skmmrr import MMRRDetector
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)

_DETECTORS: dict[str, Any] = {
    "OC-SVM": OCSVMDetector(),
    "KDE": KDEDetector(),
    "2-NN": DeepKNNDetector(),
    "rotation autoencoder": RotationAutoencoderDetector(),
    "rotation autoencoder, float64": RotationAutoencoderDetector(precision="float64"),
    "MMRR": MMRRDetector(),
    "MMRR, float64": MMRRDetector(precision="float64"),
}


def main() -> None:
    """Measure all detectors that images may have."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digit", type=int, default=8, choices=range(10))
    parser.add_argument("--test", type=int, default=200, help="test images (default 200)")
    add_out(parser, "threads.csv")
    arguments = parser.parse_args()
    write_table(arguments.out, measure_threads(arguments.digit, arguments.test))


def measure_threads(digit: int, n_test: int) -> Iterator[Row]:
    """Rows of the largest difference of scores, relative to the highest, and of seconds."""
    train, test, _ = digit_split(digit)
    before = torch.get_num_threads()
    for name, detector in _DETECTORS.items():
        scores, seconds = [], []
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            with threadpool_limits(n_threads):
                start = time.perf_counter()
                detector.set_params(random_state=0).fit(train)
                scores.append(detector.score_samples(test[:n_test]))
                seconds.append(time.perf_counter() - start)
        difference = np.abs(scores[0] - scores[1]).max() / np.abs(scores[0]).max()
        yield {
            "detector": name,
            "difference": f"{difference:.1e}",
            "s, 1 thread": f"{seconds[0]:.1f}",
            "s, 2 threads": f"{seconds[1]:.1f}",
        }
    torch.set_num_threads(before)


if __name__ == "__main__":
    main()
