"""Whether thresholds keep their promise: shares of new normal samples that are flagged."""

import argparse
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from _measuring import Row, add_out, numbers_row, write_table
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import LocalOutlierFactor

from skmmrr import MMRRDetector
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    MLSADDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)

Halves = tuple[NDArray[np.float64], NDArray[np.float64]]

_MOST_NEW = 1500
_DETECTORS: dict[str, Any] = {
    "IForest": IsolationForest(),
    "LOF": LocalOutlierFactor(novelty=True),
    "MMRR": MMRRDetector(),
    "OC-SVM": OCSVMDetector(),
    "KDE": KDEDetector(),
    "2-NN": DeepKNNDetector(),
    "RotationAE": RotationAutoencoderDetector(image_shape=(8, 8)),
    "MLSAD": MLSADDetector(image_shape=(8, 8)),
}
_RULES = (0.1, "auto")
_COLUMNS = ("0.1", "least", "highest", "auto", "least of auto", "highest of auto")


def main() -> None:
    """Measure all detectors on three sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--detectors", nargs="+", default=list(_DETECTORS), choices=_DETECTORS)
    add_out(parser, "thresholds.csv")
    arguments = parser.parse_args()
    write_table(arguments.out, measure_thresholds(arguments.detectors, arguments.seeds))


def measure_thresholds(detectors: list[str], seeds: list[int]) -> Iterator[Row]:
    """Rows of the share of new samples flagged, by both rules: mean, least, highest over seeds."""
    for data in ("Gaussian, 500 x 10", "breast cancer (benign), 178 x 30", "digits, 898 x 64"):
        for name in detectors:
            images = "image_shape" in vars(_DETECTORS[name]) and _DETECTORS[name].image_shape
            if images and not data.startswith("digits"):
                continue
            numbers: list[float] = []
            for rule in _RULES:
                shares = [_flagged(clone(_DETECTORS[name]), rule, data, seed) for seed in seeds]
                numbers += [float(np.mean(shares)), min(shares), max(shares)]
            yield {"data": data, **numbers_row("detector", name, _COLUMNS, numbers)}


def _flagged(detector: Any, rule: float | str, data: str, seed: int) -> float:
    train, new = _halves(data, seed)
    detector.set_params(contamination=rule)
    if "random_state" in detector.get_params():
        detector.set_params(random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = detector.fit(train).predict(new)
    return float(np.mean(labels == -1))


def _halves(data: str, seed: int) -> Halves:
    """Samples to fit and new ones, all of one distribution."""
    rng = np.random.default_rng(seed)
    if data.startswith("Gaussian"):
        return rng.normal(size=(500, 10)), rng.normal(size=(_MOST_NEW, 10))
    if data.startswith("breast"):
        X, y = load_breast_cancer(return_X_y=True)
        X = rng.permutation(X[y == 1])
        return X[:178], X[178:]
    X = rng.permutation(load_digits().data)
    return X[:898], X[898:]


if __name__ == "__main__":
    main()
