"""The papers' two ways to make an anomaly detection task of a labelled data set."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Split = tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]


def one_vs_all(
    X_train: ArrayLike, y_train: ArrayLike, X_test: ArrayLike, y_test: ArrayLike, normal: Any
) -> Split:
    """One class is normal, all others are abnormal: the protocol of MMRR, MLSAD and DN2.

    Parameters
    ----------
    X_train, X_test : array-like of shape (n_samples, ...)
    y_train, y_test : array-like of shape (n_samples,)
        Classes.
    normal : object
        The normal class.

    Returns
    -------
    train : ndarray
        Its training samples.
    test : ndarray
        All test samples.
    labels : ndarray of int64 of shape (n_test,)
        +1 for normal test samples, -1 for anomalies.

    Examples
    --------
    >>> from skmmrr.datasets import one_vs_all
    >>> X_train, y_train, X_test, y_test = [[0], [1], [2]], [7, 8, 7], [[3], [4]], [7, 8]
    >>> train, test, labels = one_vs_all(X_train, y_train, X_test, y_test, normal=7)
    >>> train.ravel(), test.ravel(), labels
    (array([0, 2]), array([3, 4]), array([ 1, -1]))
    """
    X_train, y_train, X_test, y_test = _arrays(X_train, y_train, X_test, y_test)
    _check_class(normal, y_train)
    return X_train[y_train == normal], X_test, np.where(y_test == normal, 1, -1)


def one_anomalous(
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    anomalous: Any,
    balance: bool = False,
) -> Split:
    """One class is abnormal, all others are normal: the protocol of the rotation autoencoder.

    Parameters
    ----------
    X_train, X_test : array-like of shape (n_samples, ...)
    y_train, y_test : array-like of shape (n_samples,)
        Classes.
    anomalous : object
        The abnormal class.
    balance : bool, default=False
        Whether to cut every class to the size of the smallest, in training and in test; the first
        samples of each are kept. The thesis does so for MNIST.

    Returns
    -------
    train : ndarray
        Training samples of all other classes.
    test : ndarray
        Test samples.
    labels : ndarray of int64 of shape (n_test,)
        +1 for normal test samples, -1 for anomalies.

    Examples
    --------
    >>> from skmmrr.datasets import one_anomalous
    >>> X_train, y_train, X_test, y_test = [[0], [1], [2]], [7, 8, 7], [[3], [4]], [7, 8]
    >>> train, test, labels = one_anomalous(X_train, y_train, X_test, y_test, anomalous=7)
    >>> train.ravel(), test.ravel(), labels
    (array([1]), array([3, 4]), array([-1,  1]))
    """
    X_train, y_train, X_test, y_test = _arrays(X_train, y_train, X_test, y_test)
    _check_class(anomalous, y_train)
    if balance:
        train, test = _balanced(y_train), _balanced(y_test)
        X_train, y_train, X_test, y_test = (
            X_train[train],
            y_train[train],
            X_test[test],
            y_test[test],
        )
    return X_train[y_train != anomalous], X_test, np.where(y_test == anomalous, -1, 1)


def _arrays(*values: ArrayLike) -> tuple[NDArray[Any], ...]:
    return tuple(np.asarray(v) for v in values)


def _check_class(name: Any, y: NDArray[Any]) -> None:
    if name not in y:
        raise ValueError(f"There is no class {name!r} in y_train. It has {np.unique(y).tolist()}.")


def _balanced(y: NDArray[Any]) -> NDArray[np.intp]:
    classes, counts = np.unique(y, return_counts=True)
    return np.sort(np.concatenate([np.flatnonzero(y == c)[: counts.min()] for c in classes]))
