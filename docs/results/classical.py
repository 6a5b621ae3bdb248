"""OC-SVM and KDE on MNIST and CIFAR-10, without labels and with a look at some of them."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from _measuring import FOLDER, Row, add_classes, numbers_row, write_table
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.svm import OneClassSVM

from skmmrr.baselines import KDEDetector, OCSVMDetector
from skmmrr.baselines._kde import BANDWIDTHS
from skmmrr.benchmark.published import published_classes
from skmmrr.datasets import load_cifar10, load_mnist, one_vs_all

_LOADERS = {"mnist": load_mnist, "cifar10": load_cifar10}
_PUBLISHED = {"mnist": "MNIST", "cifar10": "CIFAR10"}
# Ruff et al. 2018, for pixels in [0, 1]: those in [-1, 1] have four times the squared distances.
_GAMMAS, _NUS = 2.0 ** np.arange(-10, 0) / 4, (0.01, 0.1)

Array = NDArray[Any]


def main() -> None:
    """Measure some classes of a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=_LOADERS)
    add_classes(parser, range(10))
    parser.add_argument(
        "--out", type=Path, help="CSV file (default classical_DATA.csv, the page's)"
    )
    arguments = parser.parse_args()
    out = arguments.out or FOLDER / f"classical_{arguments.data}.csv"
    write_table(out, measure_classical(arguments.data, arguments.classes, arguments.data_home))


def measure_classical(name: str, classes: list[int], data_home: Path | None) -> Iterator[Row]:
    """Rows of AUROC: ours, the label-peeking protocol's, the published.

    "peeking" chooses gamma and nu, or the bandwidth, by AUROC on a random tenth of the labelled
    test set, and is measured on the other nine. It is what some published figures rest on.
    """
    train, test = (_LOADERS[name](part, data_home=data_home) for part in ("train", "test"))
    printed = {
        "OC-SVM": published_classes("MMRR", _PUBLISHED[name], "OC-SVM"),
        "KDE": published_classes("MMRR", _PUBLISHED[name], "KDE"),
    }
    heads = [f"{m}{kind}" for m in printed for kind in ("", " peeking", " published")]
    rows = []
    for label in classes:
        X, X_test, y = one_vs_all(train.data, train.target, test.data, test.target, label)
        ours = _measure(X, X_test, y)
        rows.append([v for m in printed for v in (*ours[m], printed[m][label])])
        yield numbers_row("class", train.target_names[label], heads, rows[-1])
    yield numbers_row("class", "mean", heads, np.mean(rows, axis=0))


def _measure(X: Array, X_test: Array, y: Array) -> dict[str, tuple[float, float]]:
    """AUROC of both detectors: label-free on the whole test set, peeking on nine tenths of it."""
    shape = {784: (28, 28), 3072: (32, 32, 3)}[X.shape[1]]
    svm = OCSVMDetector(image_shape=shape, random_state=0).fit(X)
    kde = KDEDetector(image_shape=shape, random_state=0).fit(X)
    Z, T = svm.components(X), svm.components(X_test)
    within, across = (euclidean_distances(part, Z, squared=True) for part in (Z, T))
    bandwidths = np.sqrt(Z.var(axis=0).sum()) * BANDWIDTHS
    svms = [partial(_svm_scores, within, nu=nu, gamma=g) for nu, g in product(_NUS, _GAMMAS)]
    kdes = [partial(_kde_scores, bandwidth=bandwidth) for bandwidth in bandwidths]
    return {
        "OC-SVM": (roc_auc_score(y, svm.score_samples(X_test)), _peek(svms, across, y)),
        "KDE": (roc_auc_score(y, kde.score_samples(X_test)), _peek(kdes, across, y)),
    }


def _peek(settings: Sequence[Callable[[Array], Array]], across: Array, y: Array) -> float:
    """AUROC on nine tenths of the test set, of the setting that is best on the other."""
    order = np.random.default_rng(0).permutation(len(y))
    tenth, rest = np.split(order, [len(y) // 10])
    best = max(settings, key=lambda scores: roc_auc_score(y[tenth], scores(across[tenth])))
    return roc_auc_score(y[rest], best(across[rest]))


def _svm_scores(within: Array, across: Array, nu: float, gamma: float) -> Array:
    machine = OneClassSVM(kernel="precomputed", nu=nu).fit(np.exp(-gamma * within))
    return machine.score_samples(np.exp(-gamma * across))


def _kde_scores(across: Array, bandwidth: float) -> Array:
    return logsumexp(-across / (2 * bandwidth**2), axis=1)


if __name__ == "__main__":
    main()
