"""What copies of training samples among the test samples do to nearest neighbours on ADBench.

The public code of Livernoche et al. (2024) draws sets of fewer than 1,000 samples with replacement
up to that number, and splits them then: test samples have copies that train. It takes the normal
samples in the order of the file, too. The protocol `adbench-novelty` does neither.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _measuring import Row, add_out, numbers_row, write_table
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skmmrr.benchmark import find_tasks
from skmmrr.benchmark.tasks import Split
from skmmrr.datasets import load_adbench

_LEAST = 1000  # samples of a set, as that code wants them
_N_NEIGHBORS = 5


def main() -> None:
    """Measure all sets that are there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--data-home", type=Path, help="folder with the data; else SKMMRR_DATA")
    add_out(parser, "duplicates.csv")
    arguments = parser.parse_args()
    write_table(arguments.out, measure_duplicates(arguments.seeds, arguments.data_home))


def measure_duplicates(seeds: list[int], data_home: Path | None) -> Iterator[Row]:
    """Rows of AUROC of the fifth neighbour's distance, means over seeds, and their mean."""
    columns, found = ("copies drawn first", "adbench-novelty"), []
    for task in find_tasks("adbench", protocol="adbench-novelty", data_home=data_home):
        name = task.dataset.removeprefix("adbench:")
        table = load_adbench(name, data_home=data_home)
        means = [
            np.mean([_auroc(with_copies(table.data, table.target, seed)) for seed in seeds]),
            np.mean([_auroc(task.load(seed)) for seed in seeds]),
        ]
        found.append(means)
        yield {**numbers_row("data", name, columns, means), "samples": str(len(table.target))}
    yield {**numbers_row("data", "mean", columns, np.mean(found, axis=0)), "samples": ""}


def with_copies(X: NDArray[np.float64], y: NDArray[np.int64], seed: int) -> Split:
    """The split of that code: the first half of the normal samples trains."""
    if len(y) < _LEAST:
        drawn = np.random.default_rng(seed).integers(len(y), size=_LEAST)
        X, y = X[drawn], y[drawn]
    normal, half = np.flatnonzero(y == 1), round((y == 1).sum() / 2)
    test = np.concatenate([normal[half:], np.flatnonzero(y == -1)])
    scaler = StandardScaler().fit(X[normal[:half]])
    return Split(scaler.transform(X[normal[:half]]), scaler.transform(X[test]), y[test])


def _auroc(split: Split) -> float:
    neighbors = NearestNeighbors(n_neighbors=_N_NEIGHBORS).fit(split.train)
    distances, _ = neighbors.kneighbors(split.test)
    return float(roc_auc_score(split.y_test == -1, distances[:, -1]))


if __name__ == "__main__":
    main()
