"""Whether few quadrature levels rank like many uniform ones, on the same fitted networks."""

import argparse
import time
from collections.abc import Iterator

import numpy as np
from _measuring import Row, add_out, digit_split, write_table
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from skmmrr import MMRRDetector


def main() -> None:
    """Measure some of scikit-learn's digits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", type=int, nargs="+", default=range(10), choices=range(10))
    add_out(parser, "levels.csv")
    arguments = parser.parse_args()
    write_table(arguments.out, measure_levels(arguments.digits))


def measure_levels(digits: list[int]) -> Iterator[Row]:
    """Rows of rank correlation with 60 uniform levels, AUROC and time.

    The yardstick is the correlation between two noise seeds of the 60 levels.
    """
    for digit in digits:
        train, test, y = digit_split(digit)
        detector = MMRRDetector(random_state=0).fit(train)
        start = time.perf_counter()
        uniform = detector.score_samples(test)
        middle = time.perf_counter()
        other = -detector.level_losses(test, noise_seed=1).mean(axis=1)
        detector.set_params(level_rule="gauss-legendre", n_levels=8)
        resume = time.perf_counter()
        few = detector.score_samples(test)
        ratio = (middle - start) / (time.perf_counter() - resume)
        numbers = {
            "Spearman, other noise seed": _spearman(uniform, other),
            "Spearman, 8 nodes": _spearman(uniform, few),
            "AUROC, 60": roc_auc_score(y, uniform),
            "AUROC, other seed": roc_auc_score(y, other),
            "AUROC, 8 nodes": roc_auc_score(y, few),
        }
        cells = {name: f"{number:.4f}" for name, number in numbers.items()}
        yield {"digit": str(digit), **cells, "time 60 / time 8": f"{ratio:.1f}"}


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(spearmanr(a, b).statistic)


if __name__ == "__main__":
    main()
