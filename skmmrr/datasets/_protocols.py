"""Ways to make an anomaly detection task of a labelled data set."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedKFold

from skmmrr.core.labels import is_anomaly

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


class NoveltySplit:
    """Cross-validation that trains on normal samples and tests on normal ones and anomalies.

    For ``GridSearchCV`` and ``cross_val_score``, where a detector must not see the anomalies it is
    measured with. Every sample is tested once.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    anomaly_label : object, default=None
        The label of anomalies. None takes y of +1 and -1 (anomaly), 0 and 1 (anomaly), or booleans
        that are True for anomalies.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.svm import OneClassSVM
    >>> from skmmrr.datasets import NoveltySplit
    >>> from skmmrr.metrics import SCORERS
    >>> X, y = np.r_[np.linspace(0, 1, 30), 5, 6, 7][:, None], np.repeat([1, -1], [30, 3])
    >>> cv = NoveltySplit(3, random_state=0)
    >>> cross_val_score(OneClassSVM(), X, y, cv=cv, scoring=SCORERS["roc_auc"])
    array([1., 1., 1.])
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        anomaly_label: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.anomaly_label = anomaly_label
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self.n_splits

    def split(
        self, X: Any, y: ArrayLike, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Generate indices of training and test samples.

        Parameters
        ----------
        X : Ignored
        y : array-like of shape (n_samples,)
            Labels.
        groups : Ignored

        Yields
        ------
        train : ndarray of int
            Normal samples of the other folds.
        test : ndarray of int
            All samples of the fold.

        Raises
        ------
        ValueError
            If there are fewer anomalies or normal samples than folds, or y follows no convention.
        """
        anomalous = is_anomaly(y, self.anomaly_label)
        counts = np.bincount(anomalous, minlength=2)
        if counts.min() < self.n_splits:
            raise ValueError(
                "NoveltySplit needs a normal sample and an anomaly for each of its "
                f"{self.n_splits} folds. Got {counts[0]} normal samples and {counts[1]} anomalies; "
                "take fewer folds."
            )
        folds = StratifiedKFold(self.n_splits, shuffle=True, random_state=self.random_state)
        for train, test in folds.split(anomalous, anomalous):
            yield train[~anomalous[train]], test
