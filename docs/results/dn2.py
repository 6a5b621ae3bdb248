"""Deep nearest neighbours on CIFAR-10, with the packaged backbone, beside the published ResNet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from skmmrr.baselines import DeepKNNDetector
from skmmrr.benchmark._markdown import table_row
from skmmrr.benchmark.published import published_classes
from skmmrr.datasets import load_cifar10, one_vs_all


def measure_dn2(
    classes: list[int], n_train: int, n_test: int, data_home: Path | None
) -> Iterator[str]:
    """Lines of a Markdown table of AUROC: features of unit length, and as they are."""
    train, test = (
        load_cifar10("train", data_home=data_home),
        load_cifar10("test", data_home=data_home),
    )
    printed = published_classes("DN2", "CIFAR10", "DN2")
    yield "| class | unit length | as they are | published, ResNet |"
    yield "|---|---:|---:|---:|"
    rows = []
    for label in classes:
        X, X_test, y = one_vs_all(train.images, train.target, test.images, test.target, label)
        values = []
        for normalize in (True, False):
            detector = DeepKNNDetector("efficientnet-lite0", normalize=normalize, random_state=0)
            scores = detector.fit(X[:n_train]).score_samples(X_test[:n_test])
            values.append(roc_auc_score(y[:n_test], scores))
        rows.append([*values, printed[label]])
        yield table_row(train.target_names[label], rows[-1])
    yield table_row("mean", np.mean(rows, axis=0))
