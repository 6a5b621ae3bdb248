"""Whether trimming helps where anomalies are among the training samples: ADBench's sets."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _measuring import Row, add_out, numbers_row, write_table
from pyod.models.ocsvm import OCSVM
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skmmrr.baselines import DeepKNNDetector, KDEDetector, OCSVMDetector
from skmmrr.datasets import load_adbench

_DETECTORS: dict[str, Any] = {
    "OC-SVM": OCSVMDetector(),
    "KDE": KDEDetector(),
    "2-NN": DeepKNNDetector(),
}
_COLUMNS = (
    "anomalies",
    "PyOD OCSVM",
    "n/10-NN",
    *(f"{name}{trimmed}" for name in _DETECTORS for trimmed in ("", ", trimmed")),
)
_SHARE = 0.3


def main() -> None:
    """Measure the files named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="of ADBench, or their names")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add_out(parser, "contaminated.csv")
    arguments = parser.parse_args()
    write_table(arguments.out, measure_trimming(arguments.files, arguments.seeds))


def measure_trimming(files: list[Path], seeds: list[int]) -> Iterator[Row]:
    """Rows of AUROC, means over the seeds: of all training samples, and of those that are kept."""
    for file in files:
        numbers = np.mean([_measure(file, seed) for seed in seeds], axis=0)
        yield numbers_row("data", file.stem, _COLUMNS, numbers)


def _measure(file: Path, seed: int) -> list[float]:
    table = load_adbench(file)
    train, test, y_train, y = train_test_split(
        table.data, table.target, test_size=0.4, random_state=seed
    )
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    far = DeepKNNDetector(n_neighbors=len(train) // 10, contamination=_SHARE, random_state=seed)
    kept = train[far.fit_predict(train) == 1]
    found = [
        float(np.mean(y_train == -1)),
        roc_auc_score(y, -OCSVM().fit(train).decision_function(test)),
        roc_auc_score(y, far.score_samples(test)),
    ]
    for detector in _DETECTORS.values():
        for samples in (train, kept):
            fitted = clone(detector).set_params(random_state=seed).fit(samples)
            found.append(roc_auc_score(y, fitted.score_samples(test)))
    return found


if __name__ == "__main__":
    main()
