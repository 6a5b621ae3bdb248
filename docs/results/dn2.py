"""Deep nearest neighbours on all classes of a data set, with the packaged backbone.

Features of all images are computed once.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import FOLDER, Row, add_classes, numbers_row, write_table
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from skmmrr.baselines import DeepKNNDetector
from skmmrr.benchmark.published import published_mean
from skmmrr.datasets import load_cifar10, load_fashion_mnist, one_vs_all
from skmmrr.features import FeatureExtractor

_LOADERS = {"cifar10": load_cifar10, "fashion-mnist": load_fashion_mnist}
_PUBLISHED = {"cifar10": "CIFAR10", "fashion-mnist": "FMNIST"}
_COLUMNS = ("unit length", "as they are")


def main() -> None:
    """Measure some classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=_LOADERS, default="cifar10")
    add_classes(parser, range(10))
    parser.add_argument("--out", type=Path, help="CSV file (default that of the page)")
    arguments = parser.parse_args()
    out = arguments.out or FOLDER / f"dn2_{arguments.data}.csv"
    write_table(out, measure_dn2(arguments.data, arguments.classes, arguments.data_home))


def measure_dn2(data: str, classes: list[int], data_home: Path | None) -> Iterator[Row]:
    """Rows of AUROC: features of unit length, and as they are; all images of the files."""
    train, test = (_LOADERS[data](part, data_home=data_home) for part in ("train", "test"))
    parts = pretrained_features(train.images), train.target, pretrained_features(test.images)
    rows = []
    for label in classes:
        X, X_test, y = one_vs_all(*parts, test.target, label)
        detectors = (DeepKNNDetector(_as_they_are, normalize=unit) for unit in (True, False))
        rows.append([roc_auc_score(y, d.fit(X).score_samples(X_test)) for d in detectors])
        yield numbers_row("class", train.target_names[label], _COLUMNS, rows[-1])
    yield numbers_row("class", "mean", _COLUMNS, np.mean(rows, axis=0))
    printed = published_mean("DN2", _PUBLISHED[data], "DN2")
    yield numbers_row("class", "published mean of ten, ResNet", _COLUMNS[:1], [printed])


def pretrained_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows of features, as ``DeepKNNDetector("efficientnet-lite0")`` has them."""
    rows, shape = images.reshape(len(images), -1), (*images.shape[1:], 1)[:3]
    extractor = FeatureExtractor.fit(
        rows, shape, "efficientnet-lite0", None, maps=False, unit_length=False, owner="DN2"
    )
    found: NDArray[np.float32] = extractor.rows(rows, torch.device("cpu"), "auto", verbose=1)
    return found


def _as_they_are(rows: NDArray[Any]) -> NDArray[Any]:
    return rows


if __name__ == "__main__":
    main()
