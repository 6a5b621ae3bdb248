"""Few features: ADBench's sets with most of their columns left out, and blobs.

Columns are drawn at random. What they leave out makes some anomalies normal, for all detectors.
"""

import argparse
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _measuring import Row, add_out, numbers_row, write_table
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import roc_auc_score

from skmmrr import MMRRDetector
from skmmrr.baselines import DeepKNNDetector
from skmmrr.benchmark import find_tasks

Split = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool]]

_SETS = (
    *("4_breastw", "6_cardio", "14_glass", "23_mammography"),
    *("27_PageBlocks", "28_pendigits", "37_Stamps", "43_WDBC"),
)
_MMRR: dict[str, Any] = {"n_levels": 8, "level_rule": "gauss-legendre", "contamination": None}
_DETECTORS = {
    "MMRR": MMRRDetector(**_MMRR),
    "MMRR, no bins": MMRRDetector(**_MMRR, n_bins=1),
    "5-NN": DeepKNNDetector(n_neighbors=5),
}
_MOST_TRAINING = 3000


def main() -> None:
    """Measure the sets named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=_SETS)
    parser.add_argument("--features", type=int, nargs="+", default=[2, 3, 5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--data-home", type=Path, help="folder with the data; else SKMMRR_DATA")
    add_out(parser, "projections.csv")
    arguments = parser.parse_args()
    rows = measure(arguments.names, arguments.features, arguments.seeds, arguments.data_home)
    write_table(arguments.out, rows)


def measure(
    names: list[str], numbers: list[int], seeds: list[int], data_home: Path | None
) -> Iterator[Row]:
    """Rows of AUROC, means over the sets and the seeds of columns, split and detectors."""
    for n_features in numbers:
        splits = {
            "tables": [(s, _columns(n, n_features, s, data_home)) for n in names for s in seeds]
        }
        splits["blobs"] = [(s, _blobs(n, n_features, s)) for n in (300, 1200) for s in seeds]
        for data, some in splits.items():
            found = [[_auroc(name, *split, seed) for name in _DETECTORS] for seed, split in some]
            means = np.mean(found, axis=0)
            yield {"data": data, **numbers_row("features", str(n_features), [*_DETECTORS], means)}


def _auroc(name: str, train: Any, test: Any, anomalous: Any, seed: int) -> float:
    detector = clone(_DETECTORS[name])
    if "random_state" in detector.get_params():
        detector.set_params(random_state=seed)
    return float(roc_auc_score(anomalous, -detector.fit(train).score_samples(test)))


def _columns(name: str, n_features: int, seed: int, data_home: Path | None) -> Split:
    (task,) = find_tasks(f"adbench:{name}", protocol="adbench-novelty", data_home=data_home)
    split = task.load(seed)
    rng = np.random.default_rng(zlib.crc32(f"{name}{seed}{n_features}".encode()))
    some = rng.choice(split.train.shape[1], n_features, replace=False)
    return split.train[:_MOST_TRAINING, some], split.test[:, some], split.y_test == -1


def _blobs(n_train: int, n_features: int, seed: int) -> Split:
    """Five blobs, and anomalies that are uniform over their range."""
    X, _ = make_blobs(2 * n_train, n_features, centers=5, random_state=seed)
    rng = np.random.default_rng(seed)
    uniform = rng.uniform(X.min(axis=0) - 1, X.max(axis=0) + 1, (500, n_features))
    test = np.concatenate([X[n_train:], uniform])
    return X[:n_train], test, np.arange(len(test)) >= n_train


if __name__ == "__main__":
    main()
