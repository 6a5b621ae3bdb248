"""What another thread does: to the scores of a refit, and to the seconds of a training step."""

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from _measuring import FOLDER, Row, add_out, digit_split, write_table
from threadpoolctl import threadpool_limits

from skmmrr import MMRRDetector
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)
from skmmrr.core import training
from skmmrr.core.training import (
    Phase,
    TrainingData,
    flops_of_step,
    optimizer_of,
    stepper,
    worthwhile_threads,
)
from skmmrr.mmrr.phases import training_phases

_DETECTORS: dict[str, Any] = {
    "OC-SVM": OCSVMDetector(),
    "KDE": KDEDetector(),
    "2-NN": DeepKNNDetector(),
    "rotation autoencoder": RotationAutoencoderDetector(),
    "rotation autoencoder, float64": RotationAutoencoderDetector(precision="float64"),
    "MMRR": MMRRDetector(),
    "MMRR, float64": MMRRDetector(precision="float64"),
}
_STEPS = {  # shapes of samples, and the backbone
    "table of 10 features": ((10,), "mlp"),
    "8x8, perceptron": ((8, 8), "mlp"),
    "28x28, perceptron": ((28, 28), "mlp"),
    "64x64x3, perceptron": ((64, 64, 3), "mlp"),
    "128x128x3, perceptron": ((128, 128, 3), "mlp"),
    "28x28, two U-Nets": ((28, 28), "unet"),
    "32x32x3, two U-Nets": ((32, 32, 3), "unet"),
    "256x256x3, perceptron": ((256, 256, 3), "mlp"),
}
_IDLE, _BUSY = 5, 2  # repetitions; with busy cores a step may take a quarter of a minute


def main() -> None:
    """Measure refits of all detectors that images may have, and steps of MMRR."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digit", type=int, default=8, choices=range(10))
    parser.add_argument("--test", type=int, default=200, help="test images (default 200)")
    add_out(parser, "threads.csv")
    parser.add_argument("--steps", action="store_true", help="seconds of steps, not refits")
    arguments = parser.parse_args()
    if arguments.steps:
        write_table(FOLDER / "threads_steps.csv", measure_steps(_STEPS))
    else:
        write_table(arguments.out, measure_threads(arguments.digit, arguments.test))


def measure_threads(digit: int, n_test: int) -> Iterator[Row]:
    """Rows of the largest difference of scores, relative to the highest, and of seconds."""
    train, test, _ = digit_split(digit)
    before, per_thread = torch.get_num_threads(), training._FLOPS_PER_THREAD
    training._FLOPS_PER_THREAD = 1.0  # steps as small as these would have one thread in any case
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
    training._FLOPS_PER_THREAD = per_thread


def measure_steps(steps: dict[str, tuple[tuple[int, ...], str]]) -> Iterator[Row]:
    """Rows of the milliseconds of a step of each phase on one and on two threads."""
    for name, (shape, backbone) in steps.items():
        X = np.random.default_rng(0).random((60, *shape))
        detector = MMRRDetector(backbone=backbone, max_iter=1, random_state=0).fit(X)
        models, spec = detector.spec_.initialised_models(), detector.spec_
        index, cpu = np.arange(len(X)), torch.device("cpu")
        samples, dtype = detector._samples(X.reshape(len(X), -1)), detector._dtype(cpu)
        data = TrainingData(samples, index, index, 0, cpu, dtype, verbose=0)
        phases = training_phases(models, spec)
        with busy_cores(0):
            idle = _milliseconds(phases, data, _IDLE)
        with busy_cores(multiprocessing.cpu_count()):
            busy = _milliseconds(phases, data, _BUSY)
        yield {
            "a step": name,
            "GFLOP": f"{max(flops_of_step(phase, data) for phase in phases) / 1e9:.1f}",
            "threads of a fit on two cores": str(min(2, worthwhile_threads(phases, data))),
            "ms, 1 thread": f"{idle[1]:.1f}",
            "ms, 2 threads": f"{idle[2]:.1f}",
            "ms, 1 thread, busy cores": f"{busy[1]:.1f}",
            "ms, 2 threads, busy cores": f"{busy[2]:.1f}",
        }


def _milliseconds(phases: list[Phase], data: TrainingData, repeats: int) -> dict[int, float]:
    """Medians of a step of all phases by the number of threads, measured in turns."""
    steps = []
    for phase in phases:
        optimizers = [optimizer_of(update, data.device) for update in phase.updates]
        x = data.batch(np.resize(data.train, phase.budget.batch_size))
        steps.append((phase.module, partial(stepper(phase, optimizers, data), x, 0)))
    found: dict[int, list[float]] = {1: [], 2: []}
    before = torch.get_num_threads()
    for _ in range(repeats):
        for n_threads, times in found.items():
            torch.set_num_threads(n_threads)
            for counted in (False, True):
                start = time.perf_counter()
                for module, step in steps:  # as in a fit, the weights of one phase move
                    module.requires_grad_(True)
                    step()
                    module.requires_grad_(False)
                if counted:
                    times.append(1e3 * (time.perf_counter() - start))
    torch.set_num_threads(before)
    return {n_threads: float(np.median(times)) for n_threads, times in found.items()}


@contextmanager
def busy_cores(n: int) -> Iterator[None]:
    """Context in which so many other processes compute."""
    others = [multiprocessing.Process(target=_compute, daemon=True) for _ in range(n)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.join()


def _compute() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
