"""The protocol of the README's table: one digit normal, all others abnormal."""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits


def one_vs_all(
    digit: int, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Split scikit-learn's digits: 60% of one digit to train, the rest and all others to test.

    Parameters
    ----------
    digit : int
        The normal one, 0 to 9.
    seed : int, default=0
        Of the order in which its images are split.

    Returns
    -------
    train : ndarray of shape (n_train, 8, 8)
        Normal images.
    test : ndarray of shape (n_test, 8, 8)
    y_test : ndarray of shape (n_test,)
        +1 for the digit, -1 for all others.

    Examples
    --------
    >>> from skmmrr.benchmark.digits import one_vs_all
    >>> train, test, y_test = one_vs_all(8)
    >>> len(train), len(test), int((y_test == 1).sum())
    (104, 1693, 70)
    """
    digits = load_digits()
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(digits.target == digit))
    n_train = int(0.6 * len(normal))
    test = np.concatenate([normal[n_train:], np.flatnonzero(digits.target != digit)])
    y_test = np.where(digits.target[test] == digit, 1, -1)
    return digits.images[normal[:n_train]], digits.images[test], y_test
