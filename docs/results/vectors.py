"""Vectors: blobs with uniform outliers, and ADBench files, beside the isolation forest."""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import make_blobs
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from skmmrr import MMRRDetector
from skmmrr.datasets import load_adbench

Split = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def measure_vectors(files: list[Path], seeds: list[int]) -> str:
    """Markdown table of AUROC, mean over the seeds of split and detectors."""
    lines = [
        f"60% of the normal samples to train, the rest and all anomalies to test; seeds {seeds}",
        "",
        "| data | MMRR | MMRR w/o refinement | IForest | fit s |",
        "|---|---:|---:|---:|---:|",
    ]
    for file in [None, *files]:
        rows = [_measure(_blobs(s) if file is None else _adbench(file, s), s) for s in seeds]
        cells = " | ".join(f"{number:.3f}" for number in np.mean(rows, axis=0))
        lines.append(f"| {'blobs' if file is None else file.stem} | {cells} |")
    return "\n".join(lines)


def _measure(split: Split, seed: int) -> tuple[float, ...]:
    train, test, y = split
    start = time.perf_counter()
    detector = MMRRDetector(random_state=seed).fit(train)
    seconds = time.perf_counter() - start
    forest = IsolationForest(random_state=seed).fit(train)
    refined = roc_auc_score(y, detector.score_samples(test))
    restored = roc_auc_score(y, detector.set_params(refine=False).score_samples(test))
    return refined, restored, roc_auc_score(y, forest.score_samples(test)), seconds


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
