"""Whether the conformal threshold keeps its rate: all of scikit-learn's digits normal."""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from skmmrr import MMRRDetector
from skmmrr.baselines import DeepKNNDetector, KDEDetector, OCSVMDetector
from skmmrr.benchmark._markdown import table_row


def measure_conformal(rate: float, n_calibration: int, n_splits: int) -> str:
    """Markdown table of false-positive rates: mean, least and highest over random splits.

    60% of the digits, all ten, are fitted once; of the others some calibrate and the rest is
    tested, anew in each split. The last column is the rate of the threshold that the fit set.
    """
    images = np.random.default_rng(0).permutation(load_digits().images)
    train, rest = np.split(images, [int(0.6 * len(images))])
    detectors: dict[str, Any] = {
        "MMRR, 8 nodes": MMRRDetector(8, level_rule="gauss-legendre", random_state=0),
        "OC-SVM": OCSVMDetector(random_state=0),
        "KDE": KDEDetector(random_state=0),
        "2-NN": DeepKNNDetector(random_state=0),
    }
    lines = ["| detector | mean | least | highest | after fit |", "|---|" + "---:|" * 4]
    for name, detector in detectors.items():
        after_fit = np.mean(detector.fit(train).predict(rest) == -1)
        rates = []
        for split in range(n_splits):
            order = np.random.default_rng(split).permutation(len(rest))
            calibration, test = np.split(rest[order], [n_calibration])
            detector.calibrate(calibration, false_positive_rate=rate)
            rates.append(np.mean(detector.predict(test) == -1))
        lines.append(table_row(name, [np.mean(rates), min(rates), max(rates), after_fit]))
    return "\n".join(lines)
