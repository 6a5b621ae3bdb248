"""Which detector suits the data at hand, in one call."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skmmrr._extras import import_pandas
from skmmrr.benchmark.detectors import as_candidates
from skmmrr.benchmark.results import Row
from skmmrr.benchmark.runner import Cell, measure_all
from skmmrr.benchmark.tasks import array_tasks
from skmmrr.core.validation import check_integer

DEFAULT = ("MMRR", "OC-SVM", "KDE", "2-NN", "IForest")
"""Detectors that are compared where none are named."""

_MEANS = (
    "auroc",
    "aupr",
    "precision_at_n",
    "false_positive_rate",
    "true_positive_rate",
    "fit_seconds",
    "score_seconds",
)


def compare(
    X: ArrayLike,
    y: ArrayLike | None = None,
    detectors: Any = DEFAULT,
    *,
    n_splits: int = 3,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Any:
    """Compare detectors on samples of one's own, by cross-validation that trains on normals alone.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
        Vectors or images.
    y : array-like of shape (n_samples,), default=None
        +1 and -1 (anomaly), 0 and 1 (anomaly), or booleans that are True for anomalies. None takes
        all samples for normal: nothing can tell then which detector finds more anomalies.
    detectors : sequence or dict
        As in :func:`skmmrr.benchmark.run`.
    n_splits : int, default=3
        Folds, at least 2. Every sample is tested once.
    random_state : int, default=0
        Seed of folds and detectors.
    n_jobs : int, default=None
        Number of simultaneous fits, as in joblib.
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    table : pandas.DataFrame
        A row a detector, means over folds. With labels ``auroc``, ``auroc_std`` (over folds),
        ``aupr``, ``precision_at_n``, the rates at the detector's own threshold, and seconds, the
        highest AUROC first. Without, the false-positive rate, seconds, and ``agreement``: the
        mean Spearman correlation of the scores with those of the other detectors. ``error`` has the
        last line of a failed fit's traceback.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If labels follow no convention, or are too few for the folds.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.svm import OneClassSVM
    >>> from skmmrr.benchmark import compare
    >>> X, y = load_breast_cancer(return_X_y=True)  # 1 is benign
    >>> table = compare(X, y == 0, ["KDE", OneClassSVM()])
    >>> table.index.tolist(), table.columns[:2].tolist()
    (['KDE', 'OneClassSVM'], ['auroc', 'auroc_std'])
    """
    pd = import_pandas("compare")
    check_integer("n_splits", n_splits, "compare", minimum=2)
    candidates = as_candidates(detectors)
    tasks = array_tasks(X, y, n_splits)
    cells = [Cell(task, candidate, random_state) for task in tasks for candidate in candidates]
    rows: list[Row] = []
    scores: dict[str, dict[str, Any]] = {task.label: {} for task in tasks}
    for found, arrays in measure_all(cells, n_jobs, verbose):
        rows += found
        scores[found[0]["class"]] |= {name: array[1] for name, array in arrays.items()}
    frame = pd.DataFrame(rows)
    names = [name for candidate in candidates for name in candidate.names]
    columns = [column for column in _MEANS if column in frame]
    numbers = frame[columns].apply(pd.to_numeric).groupby(frame["detector"])
    table = numbers.mean().reindex(names)
    if y is None:
        table.insert(0, "agreement", _agreement([pd.DataFrame(fold) for fold in scores.values()]))
    elif "auroc" in table:
        table.insert(1, "auroc_std", numbers["auroc"].std())
        table = table.sort_values("auroc", ascending=False)
    errors = frame["error"].str.strip().str.split("\n").str[-1].groupby(frame["detector"])
    return table.assign(error=errors.max().fillna(""))


def _agreement(folds: Sequence[Any]) -> Any:
    """Mean rank correlation of each detector's scores with the others', over folds."""
    found = [fold.corr("spearman") for fold in folds]
    others = [ranks.where(~np.eye(len(ranks), dtype=bool)).mean() for ranks in found]
    return import_pandas("compare").concat(others).groupby(level=0).mean()
