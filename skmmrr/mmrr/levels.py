"""The masking levels that a score is made of, and their weights."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmmrr.core.validation import check_integer, check_option, shown

LEVEL_RULES = ("uniform", "gauss-legendre")
_CLOSED_LEVELS = 60  # of the grid whose mean the quadrature approximates


def level_quadrature(
    level_rule: str, n_levels: int, owner: str = "level_quadrature"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Levels in [0, 1] and the weights of the losses there, which sum to 1.

    Parameters
    ----------
    level_rule : {"uniform", "gauss-legendre"}
        - "uniform": the paper's grid (section 3.4), ``mu_k = k / (n_levels - 1)``, equal weights.
        - "gauss-legendre": `n_levels` Gauss-Legendre nodes inside (0, 1) plus the two ends. The
          paper's sum is a Riemann sum of an integral over the level; with node weights
          :math:`w_i` the mean over a closed grid of L = 60 levels is close to

          .. math:: \frac{1}{L} \Big[(L - 1) \sum_i w_i l(\mu_i) + \frac{l(0) + l(1)}{2}\Big]

    n_levels : int
        At least 2 for "uniform", at least 1 for "gauss-legendre".
    owner : str
        Whose parameters these are, for error messages.

    Returns
    -------
    levels, weights : ndarray of float64
        Of length `n_levels`, or `n_levels` + 2 for "gauss-legendre"; the levels rise.

    Raises
    ------
    TypeError, ValueError
        If `n_levels` is not an int or too small, or the rule does not exist.

    Examples
    --------
    >>> from skmmrr.mmrr.levels import level_quadrature
    >>> level_quadrature("uniform", 3)
    (array([0. , 0.5, 1. ]), array([0.33333333, 0.33333333, 0.33333333]))
    """
    check_option("level_rule", level_rule, owner, LEVEL_RULES)
    if level_rule == "uniform":
        remedy = "The uniform grid has both ends; 60 are the default."
        n_levels = check_integer("n_levels", n_levels, owner, minimum=2, remedy=remedy)
        return np.arange(n_levels) / (n_levels - 1), np.full(n_levels, 1 / n_levels)
    remedy = "It counts the nodes between the two ends; 8 rank like 60 uniform levels."
    n_levels = check_integer("n_levels", n_levels, owner, minimum=1, remedy=remedy)
    nodes, weights = np.polynomial.legendre.leggauss(n_levels)
    end = 0.5 / _CLOSED_LEVELS
    inner = weights / 2 * (_CLOSED_LEVELS - 1) / _CLOSED_LEVELS
    return np.r_[0.0, (nodes + 1) / 2, 1.0], np.r_[end, inner, end]


def check_levels(levels: ArrayLike, owner: str) -> NDArray[np.float64]:
    """Check for masking levels of the user's own: numbers in [0, 1], at least one."""
    try:
        found = np.asarray(levels, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0)
    if len(found) == 0 or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(
            f"The parameter 'levels' of {owner} must be numbers in [0, 1], at least one. Got "
            f"{shown(levels)}."
        )
    return found
