"""Deep nearest neighbours on CIFAR-10, with the packaged backbone, beside the published ResNet."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _measuring import Row, add_classes, add_out, numbers_row, write_table
from sklearn.metrics import roc_auc_score

from skmmrr.baselines import DeepKNNDetector
from skmmrr.benchmark.published import published_classes
from skmmrr.datasets import load_cifar10, one_vs_all

_COLUMNS = ("unit length", "as they are", "published, ResNet")


def main() -> None:
    """Measure some classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--train", type=int, default=2000, help="images of the class (default 2000)"
    )
    parser.add_argument("--test", type=int, default=2000, help="test images (default 2000)")
    add_classes(parser, range(4))
    add_out(parser, "dn2.csv")
    arguments = parser.parse_args()
    sizes = (arguments.train, arguments.test)
    write_table(arguments.out, measure_dn2(arguments.classes, *sizes, arguments.data_home))


def measure_dn2(
    classes: list[int], n_train: int, n_test: int, data_home: Path | None
) -> Iterator[Row]:
    """Rows of AUROC: features of unit length, and as they are."""
    train, test = (load_cifar10(part, data_home=data_home) for part in ("train", "test"))
    printed = published_classes("DN2", "CIFAR10", "DN2")
    rows = []
    for label in classes:
        X, X_test, y = one_vs_all(train.images, train.target, test.images, test.target, label)
        values = []
        for normalize in (True, False):
            detector = DeepKNNDetector("efficientnet-lite0", normalize=normalize, random_state=0)
            scores = detector.fit(X[:n_train]).score_samples(X_test[:n_test])
            values.append(roc_auc_score(y[:n_test], scores))
        rows.append([*values, printed[label]])
        yield numbers_row("class", train.target_names[label], _COLUMNS, rows[-1])
    yield numbers_row("class", "mean", _COLUMNS, np.mean(rows, axis=0))


if __name__ == "__main__":
    main()
