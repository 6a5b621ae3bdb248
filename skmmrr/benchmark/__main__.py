"""Command line of the measurements."""

import argparse

from skmmrr.benchmark.levels import measure_levels
from skmmrr.benchmark.mask import measure_mask


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
    levels = commands.add_parser(
        "levels", help="8 Gauss-Legendre levels against 60 uniform ones, on scikit-learn's digits"
    )
    levels.add_argument("--digits", type=int, nargs="+", default=[3, 8, 9], choices=range(10))
    arguments = parser.parse_args()
    if arguments.command == "mask":
        print(measure_mask(arguments.rows, arguments.elements, arguments.repeats))
    else:
        print(measure_levels(arguments.digits))


if __name__ == "__main__":
    main()
