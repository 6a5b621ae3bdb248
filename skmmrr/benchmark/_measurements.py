"""The commands that measure a single claim; each prints a Markdown table."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skmmrr.benchmark.classical import measure_classical
from skmmrr.benchmark.conformal import measure_conformal
from skmmrr.benchmark.dn2 import measure_dn2
from skmmrr.benchmark.levels import measure_levels
from skmmrr.benchmark.mask import measure_mask
from skmmrr.benchmark.memory import measure_memory
from skmmrr.benchmark.minutes import measure_minutes
from skmmrr.benchmark.speed import measure_speed
from skmmrr.benchmark.thesis import measure_thesis
from skmmrr.benchmark.threads import measure_threads
from skmmrr.benchmark.vectors import measure_vectors


def add_measurements(commands: Any) -> None:
    """Add the measurements to a parser's commands."""
    mask = commands.add_parser(
        "mask", help="accuracy and speed of level_mask against LML's bracketing and bisection"
    )
    mask.add_argument("--rows", type=int, default=64, help="samples in the batch (default 64)")
    mask.add_argument("--elements", type=int, default=3072, help="logits a row (default 3072)")
    mask.add_argument("--repeats", type=int, default=9, help="timings a number (default 9)")
    mask.set_defaults(run=lambda a: measure_mask(a.rows, a.elements, a.repeats))

    speed = commands.add_parser(
        "speed", help="scoring and training beside the literal paper and the bare network passes"
    )
    speed.add_argument("--samples", type=int, default=64, help="images (default 64)")
    speed.add_argument("--side", type=int, default=32, help="pixels (default 32)")
    speed.add_argument("--channels", type=int, default=3, help="default 3")
    speed.add_argument("--width", type=int, default=32, help="of the networks (default 32)")
    speed.add_argument("--blocks", type=int, default=1, help="per resolution (default 1)")
    speed.add_argument("--repeats", type=int, default=3, help="timings a number (default 3)")
    speed.set_defaults(
        run=lambda a: measure_speed(a.samples, a.side, a.channels, a.width, a.blocks, a.repeats)
    )

    minutes = commands.add_parser(
        "minutes", help="AUROC against minutes of training, on two classes of the training files"
    )
    minutes.add_argument("--out", type=Path, default=Path("minutes.csv"), help="rows, resumable")
    minutes.add_argument("--picture", type=Path, default=Path("minutes.png"))
    minutes.add_argument("--data-home", type=Path, help="folder with the data; else SKMMRR_DATA")
    minutes.add_argument("--n-jobs", type=int, help="fits at a time (default 1)")
    minutes.set_defaults(run=lambda a: measure_minutes(a.out, a.picture, a.data_home, a.n_jobs))

    memory = commands.add_parser(
        "memory", help="memory of training on, and scoring, a large file of images"
    )
    memory.add_argument("--samples", type=int, default=1_000_000, help="default 1000000")
    memory.add_argument("--scored", type=int, default=10_000, help="of them (default 10000)")
    memory.add_argument("--levels", type=int, default=60, help="default 60")
    memory.add_argument("--steps", type=int, default=100, help="of each phase (default 100)")
    memory.set_defaults(run=lambda a: measure_memory(a.samples, a.scored, a.levels, a.steps))

    levels = commands.add_parser(
        "levels", help="8 Gauss-Legendre levels against 60 uniform ones, on scikit-learn's digits"
    )
    levels.add_argument("--digits", type=int, nargs="+", default=[3, 8, 9], choices=range(10))
    levels.set_defaults(run=lambda a: measure_levels(a.digits))

    vectors = commands.add_parser(
        "vectors", help="blobs, and ADBench .npz files, beside the isolation forest"
    )
    vectors.add_argument(
        "files", type=Path, nargs="*", help="files with arrays X and y (1: anomaly)"
    )
    vectors.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    vectors.set_defaults(run=lambda a: measure_vectors(a.files, a.seeds))

    classical = commands.add_parser(
        "classical", help="OC-SVM and KDE beside their published figures, label-free and not"
    )
    classical.add_argument("data", choices=("mnist", "cifar10"))
    _add_classes(classical, range(10))
    classical.set_defaults(run=lambda a: measure_classical(a.data, a.classes, a.data_home))

    dn2 = commands.add_parser("dn2", help="deep nearest neighbours on CIFAR-10")
    dn2.add_argument("--train", type=int, default=2000, help="images of the class (default 2000)")
    dn2.add_argument("--test", type=int, default=2000, help="test images (default 2000)")
    _add_classes(dn2, range(4))
    dn2.set_defaults(run=lambda a: measure_dn2(a.classes, a.train, a.test, a.data_home))

    conformal = commands.add_parser(
        "conformal", help="false-positive rates of the conformal threshold, on digits"
    )
    conformal.add_argument("--rate", type=float, default=0.05, help="asked for (default 0.05)")
    conformal.add_argument("--calibration", type=int, default=200, help="samples (default 200)")
    conformal.add_argument("--splits", type=int, default=20, help="default 20")
    conformal.set_defaults(run=lambda a: measure_conformal(a.rate, a.calibration, a.splits))

    thesis = commands.add_parser(
        "thesis", help="the rotation autoencoder on MNIST, one digit abnormal (hours)"
    )
    _add_classes(thesis, [0, 2, 6, 7])
    thesis.add_argument("--seeds", type=int, nargs="+", default=[0])
    thesis.add_argument("--out", type=Path, default=Path("thesis.csv"), help="CSV to append to")
    thesis.set_defaults(run=lambda a: measure_thesis(a.classes, a.seeds, a.data_home, a.out))

    threads = commands.add_parser(
        "threads", help="scores of refits on 1 and 2 threads, on one of scikit-learn's digits"
    )
    threads.add_argument("--digit", type=int, default=8, choices=range(10))
    threads.add_argument("--test", type=int, default=200, help="test images (default 200)")
    threads.set_defaults(run=lambda a: measure_threads(a.digit, a.test))


def _add_classes(parser: argparse.ArgumentParser, default: Sequence[int]) -> None:
    parser.add_argument("--classes", type=int, nargs="+", default=default, choices=range(10))
    parser.add_argument("--data-home", type=Path, help="folder with the data; else SKMMRR_DATA")
