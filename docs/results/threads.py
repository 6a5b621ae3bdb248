"""Whether a refit with another number of threads scores the same: one of scikit-learn's digits."""

import time
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from skmmrr import MMRRDetector
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)
from skmmrr.benchmark.digits import one_vs_all

_DETECTORS: dict[str, Any] = {
    "OC-SVM": OCSVMDetector(),
    "KDE": KDEDetector(),
    "2-NN": DeepKNNDetector(),
    "rotation autoencoder": RotationAutoencoderDetector(),
    "rotation autoencoder, float64": RotationAutoencoderDetector(precision="float64"),
    "MMRR": MMRRDetector(),
    "MMRR, float64": MMRRDetector(precision="float64"),
}


def measure_threads(digit: int, n_test: int) -> str:
    """Markdown table: largest difference of scores, relative to the highest, and seconds."""
    train, test, _ = one_vs_all(digit)
    lines = ["| detector | difference | s, 1 thread | s, 2 threads |", "|---|---:|---:|---:|"]
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
        lines.append(f"| {name} | {difference:.1e} | {seconds[0]:.1f} | {seconds[1]:.1f} |")
    torch.set_num_threads(before)
    return "\n".join(lines)
