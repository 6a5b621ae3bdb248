"""What the scripts of this folder share: the CSV files that their pages show."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import SupportsFloat

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmmrr.benchmark import find_tasks

FOLDER = Path(__file__).parent

Row = dict[str, str]


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Print rows as they come, and write them to a CSV file when all are there."""
    done = []
    for row in rows:
        print(", ".join(f"{name}: {value}" for name, value in row.items()), flush=True)
        done.append(row)
    pd.DataFrame(done).to_csv(path, index=False)


def numbers_row(
    key: str, name: str, columns: Sequence[str], numbers: Iterable[SupportsFloat]
) -> Row:
    """Row of a name and of numbers with three decimals."""
    cells = (f"{float(number):.3f}" for number in numbers)
    return {key: name, **dict(zip(columns, cells, strict=True))}


def add_out(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the option of the CSV file, by default that of the page."""
    parser.add_argument(
        "--out", type=Path, default=FOLDER / name, help="CSV file (default that of the page)"
    )


def add_classes(parser: argparse.ArgumentParser, default: Sequence[int]) -> None:
    """Add the options of a data set's classes, and of where it lies."""
    parser.add_argument("--classes", type=int, nargs="+", default=default, choices=range(10))
    parser.add_argument("--data-home", type=Path, help="folder with the data; else SKMMRR_DATA")


def digit_split(
    digit: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Training images, test images and labels of one of scikit-learn's digits against all."""
    (task,) = find_tasks("digits", classes=[str(digit)])
    split = task.load(0)
    return split.train, split.test, split.y_test
