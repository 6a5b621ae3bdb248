"""Measurements of skmmrr; each prints a Markdown table."""

import argparse
from pathlib import Path

from skmmrr.benchmark.levels import measure_levels
from skmmrr.benchmark.mask import measure_mask
from skmmrr.benchmark.vectors import measure_vectors


def main() -> None:
    """Parse the command line and run a measurement."""
    parser = argparse.ArgumentParser(prog="python -m skmmrr.benchmark", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    mask = commands.add_parser(
        "mask", help="accuracy and speed of level_mask against LML's bracketing and bisection"
    )
    mask.add_argument("--rows", type=int, default=64, help="samples in the batch (default 64)")
    mask.add_argument("--elements", type=int, default=3072, help="logits a row (default 3072)")
    mask.add_argument("--repeats", type=int, default=9, help="timings a number (default 9)")
    mask.set_defaults(run=lambda a: measure_mask(a.rows, a.elements, a.repeats))

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

    arguments = parser.parse_args()
    print(arguments.run(arguments))


if __name__ == "__main__":
    main()
