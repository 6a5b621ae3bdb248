"""Detectors by their ranks over data sets: Friedman's test, and Nemenyi's critical difference.

J. Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range

Frame = Any  # pandas.DataFrame

_TASK = ["dataset", "protocol", "class", "subset"]
_ALPHA = 0.05


@dataclass(frozen=True)
class Ranks:
    """Detectors over data sets, the best first.

    Attributes
    ----------
    detectors : list of str
    means, ranks : ndarray of float of shape (n_detectors,)
        Mean of the metric, and mean rank, 1 for the best; equal figures share the mean of their
        ranks.
    n_sets : int
        Data sets that all detectors were measured on.
    critical_difference : float
        Mean ranks that are farther apart differ at the level of 5% (Nemenyi).
    p_value : float
        Of Friedman's test that all detectors are alike; NaN of fewer than three detectors.
    """

    detectors: list[str]
    means: NDArray[np.float64]
    ranks: NDArray[np.float64]
    n_sets: int
    critical_difference: float
    p_value: float

    def alike(self) -> list[tuple[int, int]]:
        """First and last detector of the longest groups within the critical difference."""
        groups: list[tuple[int, int]] = []
        for first, rank in enumerate(self.ranks):
            (within,) = np.nonzero(self.ranks - rank <= self.critical_difference)
            last = int(within[-1])
            if last > first and (not groups or last > groups[-1][1]):
                groups.append((first, last))
        return groups


def rank_detectors(frame: Frame, metric: str = "auroc") -> Ranks:
    """Rank detectors by means over seeds, on the data sets that all of them were measured on.

    Parameters
    ----------
    frame : DataFrame
        From :func:`skmmrr.benchmark.report.read_results`.
    metric : str, default="auroc"
        Higher is better.

    Raises
    ------
    ValueError
        If there are fewer than two detectors, or fewer than two data sets that all have.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmmrr.benchmark.ranks import rank_detectors
    >>> tasks = {"protocol": "novelty", "class": "", "subset": "all", "seed": 0}
    >>> rows = [("a", "KDE", 0.9), ("a", "LOF", 0.8), ("b", "KDE", 0.7), ("b", "LOF", 0.6)]
    >>> frame = pd.DataFrame(rows, columns=["dataset", "detector", "auroc"]).assign(**tasks)
    >>> ranks = rank_detectors(frame)
    >>> ranks.detectors, ranks.ranks, round(ranks.critical_difference, 3)
    (['KDE', 'LOF'], array([1., 2.]), 1.386)
    """
    cells = frame.pivot_table(metric, _TASK, "detector", sort=False).dropna()
    n_sets, n_detectors = cells.shape
    if min(n_sets, n_detectors) < 2:
        raise ValueError(
            "Ranks need at least two detectors, and two data sets that all were measured on. Got "
            f"{n_detectors} and {n_sets}. Select detectors that were measured on every data set."
        )
    each = rankdata(-cells.to_numpy(), axis=1)
    order = np.argsort(each.mean(axis=0), kind="stable")
    quantile = studentized_range.ppf(1 - _ALPHA, n_detectors, np.inf) / np.sqrt(2)
    spread = np.sqrt(n_detectors * (n_detectors + 1) / (6 * n_sets))
    friedman = friedmanchisquare(*cells.to_numpy().T).pvalue if n_detectors > 2 else np.nan
    return Ranks(
        detectors=[str(name) for name in cells.columns[order]],
        means=cells.to_numpy().mean(axis=0)[order],
        ranks=each.mean(axis=0)[order],
        n_sets=n_sets,
        critical_difference=float(quantile * spread),
        p_value=float(friedman),
    )
