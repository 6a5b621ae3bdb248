"""Ways to make an anomaly detection task of a labelled data set."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedKFold

from skmmrr.core.labels import is_anomaly
from skmmrr.core.seeds import draw_seed, numpy_generator, random_state_of
from skmmrr.core.validation import check_bool, check_integer, check_real, shown

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
    _check_class("normal", normal, y_train)
    return X_train[y_train == normal], X_test, np.where(y_test == normal, 1, -1)


def one_anomalous(
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    anomalous: Any,
    balance: bool = False,
) -> Split:
    """One class is abnormal, all others are normal, on the set's own training and test files.

    One test sample of ten is abnormal in a balanced set of ten classes. The rotation autoencoder's
    thesis pools the files instead: :func:`one_anomalous_pooled`.

    Parameters
    ----------
    X_train, X_test : array-like of shape (n_samples, ...)
    y_train, y_test : array-like of shape (n_samples,)
        Classes.
    anomalous : object
        The abnormal class.
    balance : bool, default=False
        Whether to cut every class to the size of the smallest, in training and in test; the first
        samples of each are kept.

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
    _check_class("anomalous", anomalous, y_train)
    if check_bool("balance", balance, "one_anomalous"):
        train, test = _balanced(y_train), _balanced(y_test)
        X_train, y_train, X_test, y_test = (
            X_train[train],
            y_train[train],
            X_test[test],
            y_test[test],
        )
    return X_train[y_train != anomalous], X_test, np.where(y_test == anomalous, -1, 1)


def one_anomalous_pooled(
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    anomalous: Any,
    *,
    train_size: float = 0.8,
    balance: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Split:
    """One class is abnormal, of training and test files pooled: the rotation autoencoder's thesis.

    Part of the normal samples train; the others and *all* samples of the abnormal class test. Of
    ten classes of one size that makes 36% of the test samples abnormal, where the files' own split
    (:func:`one_anomalous`) has 10%.

    Parameters
    ----------
    X_train, X_test : array-like of shape (n_samples, ...)
    y_train, y_test : array-like of shape (n_samples,)
        Classes.
    anomalous : object
        The abnormal class.
    train_size : float, default=0.8
        Share of the normal samples that train, in (0, 1).
    balance : bool, default=False
        Whether to cut every class to the size of the smallest; the first samples of each are
        kept. The thesis does so for MNIST.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw of normal samples.

    Returns
    -------
    train : ndarray
        Normal samples.
    test : ndarray
        The other normal samples, then the anomalies.
    labels : ndarray of int64 of shape (n_test,)
        +1 for normal test samples, -1 for anomalies.

    Raises
    ------
    ValueError
        If there is no such class, or no normal sample is left to train or to test.

    Notes
    -----
    The thesis [1]_ prints no split: it "replicates the configuration" of EGBAD [2]_ and
    GANomaly [3]_. Both have public code that splits like this: MNIST in EGBAD, MNIST and CIFAR-10
    in GANomaly. (There EGBAD draws the split anew for its test, so that most of its normal test
    samples have been trained on; GANomaly and this function draw once.)

    References
    ----------
    .. [1] W. Kim, "Self-supervised auto-encoder for anomaly detection", Master's thesis, Pohang
       University of Science and Technology, 2019, section 4.2.
    .. [2] H. Zenati et al., "Efficient GAN-Based Anomaly Detection", 2018.
    .. [3] S. Akcay et al., "GANomaly", ACCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr.datasets import one_anomalous_pooled
    >>> y_train, y_test = np.repeat(np.arange(10), 60), np.repeat(np.arange(10), 10)
    >>> X_train, X_test = y_train[:, None], y_test[:, None]
    >>> train, test, labels = one_anomalous_pooled(
    ...     X_train, y_train, X_test, y_test, anomalous=7, random_state=0
    ... )
    >>> len(train), len(test), round(float(np.mean(labels == -1)), 3)
    (504, 196, 0.357)
    """
    X_train, y_train, X_test, y_test = _arrays(X_train, y_train, X_test, y_test)
    check_real("train_size", train_size, "one_anomalous_pooled", 0, 1)
    X, y = np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test])
    _check_class("anomalous", anomalous, y_train)
    if check_bool("balance", balance, "one_anomalous_pooled"):
        kept = _balanced(y)
        X, y = X[kept], y[kept]
    generator = numpy_generator(draw_seed(random_state), "pooled")
    normal, abnormal = generator.permutation(np.flatnonzero(y != anomalous)), y == anomalous
    n_train = int(train_size * len(normal))
    if not 0 < n_train < len(normal):
        raise ValueError(
            f"one_anomalous_pooled needs normal samples to train and to test. Got {len(normal)}, "
            f"of which train_size={train_size:g} would train {n_train}. Give more samples."
        )
    test = np.concatenate([np.sort(normal[n_train:]), np.flatnonzero(abnormal)])
    return X[np.sort(normal[:n_train])], X[test], np.where(abnormal[test], -1, 1)


def _arrays(
    X_train: ArrayLike, y_train: ArrayLike, X_test: ArrayLike, y_test: ArrayLike
) -> tuple[NDArray[Any], ...]:
    """Samples and classes as arrays, a class for each sample, all samples of one shape."""
    named = {"X_train": X_train, "y_train": y_train, "X_test": X_test, "y_test": y_test}
    arrays = {name: np.asarray(values) for name, values in named.items()}
    for part in ("train", "test"):
        X, y = arrays[f"X_{part}"], arrays[f"y_{part}"]
        if X.ndim == 0 or y.shape != X.shape[:1]:
            raise ValueError(
                f"X_{part} and y_{part} must have a class for each sample. Got the shapes {X.shape}"
                f" and {y.shape}."
            )
    if arrays["X_train"].shape[1:] != arrays["X_test"].shape[1:]:
        raise ValueError(
            "X_train and X_test must have samples of one shape. Got "
            f"{arrays['X_train'].shape[1:]} and {arrays['X_test'].shape[1:]}."
        )
    return tuple(arrays.values())


def _check_class(name: str, value: Any, y: NDArray[Any]) -> None:
    if np.ndim(value):
        raise ValueError(f"The parameter {name!r} must be one class. Got {shown(value)}.")
    if value not in y:
        raise ValueError(
            f"There is no class {shown(value)} in y_train. It has {np.unique(y).tolist()}."
        )


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
        remedy = "Cross-validation needs two."
        check_integer("n_splits", self.n_splits, type(self).__name__, 2, remedy)
        anomalous = is_anomaly(y, self.anomaly_label)
        counts = np.bincount(anomalous, minlength=2)
        if counts.min() < self.n_splits:
            raise ValueError(
                "NoveltySplit needs a normal sample and an anomaly for each of its "
                f"{self.n_splits} folds. Got {counts[0]} normal samples and {counts[1]} anomalies; "
                "take fewer folds."
            )
        generator = random_state_of(self.random_state)
        folds = StratifiedKFold(self.n_splits, shuffle=True, random_state=generator)
        for train, test in folds.split(anomalous, anomalous):
            yield train[~anomalous[train]], test
