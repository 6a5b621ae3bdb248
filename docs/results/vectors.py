"""Vectors: blobs with uniform outliers, and ADBench files, beside the isolation forest."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _measuring import Row, add_out, numbers_row, write_table
from numpy.typing import NDArray
from sklearn.datasets import make_blobs
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from skmmrr import MMRRDetector
from skmmrr.datasets import load_adbench

Split = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]

_COLUMNS = ("MMRR", "MMRR w/o refinement", "MMRR, no bins", "IForest", "fit s")


def main() -> None:
    """Measure blobs and the files named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files", type=Path, nargs="*", help="files with arrays X and y (1: anomaly), or their names"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add_out(parser, "vectors.csv")
    arguments = parser.parse_args()
    write_table(arguments.out, measure_vectors(arguments.files, arguments.seeds))


def measure_vectors(files: list[Path], seeds: list[int]) -> Iterator[Row]:
    """Rows of AUROC and of seconds, means over the seeds of split and detectors."""
    for file in [None, *files]:
        rows = [_measure(_blobs(s) if file is None else _adbench(file, s), s) for s in seeds]
        name = "blobs" if file is None else file.stem
        yield numbers_row("data", name, _COLUMNS, np.mean(rows, axis=0))


def _measure(split: Split, seed: int) -> tuple[float, ...]:
    train, test, y = split
    start = time.perf_counter()
    detector = MMRRDetector(random_state=seed).fit(train)
    seconds = time.perf_counter() - start
    forest = IsolationForest(random_state=seed).fit(train)
    refined = roc_auc_score(y, detector.score_samples(test))
    restored = roc_auc_score(y, detector.set_params(refine=False).score_samples(test))
    features = MMRRDetector(n_bins=1, contamination=None, random_state=seed).fit(train)
    others = (roc_auc_score(y, one.score_samples(test)) for one in (features, forest))
    return refined, restored, *others, seconds


def _blobs(seed: int) -> Split:
    X, _ = make_blobs(500, centers=[[0, 0], [4, 4], [-3, 5]], cluster_std=0.6, random_state=seed)
    outliers = np.random.default_rng(seed).uniform([-8, -6], [9, 11], size=(200, 2))
    return X[:300], np.concatenate([X[300:], outliers]), np.repeat([1, -1], 200)


def _adbench(file: Path, seed: int) -> Split:
    table = load_adbench(file)
    X, y = table.data, table.target
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 1))
    n_train = int(0.6 * len(normal))
    test = np.concatenate([normal[n_train:], np.flatnonzero(y == -1)])
    return X[normal[:n_train]], X[test], y[test]


if __name__ == "__main__":
    main()
