"""Missing values: masked by MMRR itself, or filled in before it.

Values are removed at random from three of ADBench's sets, from training and test samples alike.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _measuring import Row, add_out, numbers_row, write_table
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skmmrr import MMRRDetector
from skmmrr.benchmark import find_tasks
from skmmrr.benchmark.tasks import Split

_SHARES = (0.0, 0.1, 0.3)
_QUICK: dict[str, Any] = {"max_iter": 300, "contamination": None}


def main() -> None:
    """Measure the sets named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["6_cardio", "43_WDBC", "28_pendigits"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--data-home", type=Path, help="folder with the data; else SKMMRR_DATA")
    add_out(parser, "missing.csv")
    arguments = parser.parse_args()
    rows = measure_missing(arguments.names, arguments.seeds, arguments.data_home)
    write_table(arguments.out, rows)


def measure_missing(names: list[str], seeds: list[int], data_home: Path | None) -> Iterator[Row]:
    """Rows of AUROC, means over the seeds of split, removal and detectors."""
    for name in names:
        (task,) = find_tasks(f"adbench:{name}", protocol="adbench-novelty", data_home=data_home)
        for share in _SHARES:
            found = [_measure(task.load(seed), share, seed) for seed in seeds]
            means = {way: np.mean([one[way] for one in found]) for way in found[0]}
            yield {"data": name, **numbers_row("missing", f"{share:.0%}", [*means], means.values())}


def _measure(split: Split, share: float, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    train, test = (_without(X, share, rng) for X in (split.train, split.test))
    detector = MMRRDetector(**_QUICK, random_state=seed)
    ways = {"masked": detector}
    for strategy in ("mean", "median"):
        ways[strategy] = make_pipeline(SimpleImputer(strategy=strategy), detector)
    return {
        way: roc_auc_score(split.y_test, one.fit(train).score_samples(test))
        for way, one in ways.items()
    }


def _without(X: NDArray[np.float64], share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The samples without a share of their values, each with one at least."""
    missing = rng.random(X.shape) < share
    missing[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] = False
    return np.where(missing, np.nan, X)


if __name__ == "__main__":
    main()
