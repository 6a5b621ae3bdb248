"""Whether the conformal threshold keeps its rate: all of scikit-learn's digits normal."""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from _measuring import Row, add_out, numbers_row, write_table
from sklearn.datasets import load_digits

from skmmrr import MMRRDetector
from skmmrr.baselines import DeepKNNDetector, KDEDetector, OCSVMDetector

_COLUMNS = ("mean", "least", "highest")


def main() -> None:
    """Measure four detectors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=0.05, help="asked for (default 0.05)")
    parser.add_argument("--calibration", type=int, default=200, help="samples (default 200)")
    parser.add_argument("--splits", type=int, default=20, help="default 20")
    add_out(parser, "conformal.csv")
    arguments = parser.parse_args()
    found = measure_conformal(arguments.rate, arguments.calibration, arguments.splits)
    write_table(arguments.out, found)


def measure_conformal(rate: float, n_calibration: int, n_splits: int) -> Iterator[Row]:
    """Rows of false-positive rates: mean, least and highest over random splits.

    60% of the digits, all ten, are fitted once; of the others some calibrate and the rest is
    tested, anew in each split.
    """
    images = np.random.default_rng(0).permutation(load_digits().images)
    train, rest = np.split(images, [int(0.6 * len(images))])
    detectors: dict[str, Any] = {
        "MMRR, 8 nodes": MMRRDetector(8, level_rule="gauss-legendre", random_state=0),
        "OC-SVM": OCSVMDetector(random_state=0),
        "KDE": KDEDetector(random_state=0),
        "2-NN": DeepKNNDetector(random_state=0),
    }
    for name, detector in detectors.items():
        detector.fit(train)
        rates = []
        for split in range(n_splits):
            order = np.random.default_rng(split).permutation(len(rest))
            calibration, test = np.split(rest[order], [n_calibration])
            detector.calibrate(calibration, false_positive_rate=rate)
            rates.append(np.mean(detector.predict(test) == -1))
        numbers = (np.mean(rates), min(rates), max(rates))
        yield numbers_row("detector", name, _COLUMNS, numbers)


if __name__ == "__main__":
    main()
