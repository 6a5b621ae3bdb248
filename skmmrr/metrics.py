"""What scikit-learn's metrics lack for anomaly detection; the anomaly is the positive class.

AUROC and average precision are scikit-learn's own: :func:`make_anomaly_scorer` and
:data:`SCORERS` only see to it that labels and scores of any convention go in the right way round.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from skmmrr.core.labels import is_anomaly
from skmmrr.core.validation import check_integer, check_real, shown

__all__ = [
    "SCORERS",
    "anomaly_score",
    "aupro_score",
    "best_f1_score",
    "make_anomaly_scorer",
    "pixel_roc_auc_score",
    "precision_at_n",
]

Images = ArrayLike | Sequence[ArrayLike]


def best_f1_score(y_true: ArrayLike, y_score: ArrayLike, *, anomaly_label: Any = None) -> float:
    """Highest F1 that any threshold reaches.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 and -1 (anomaly), 0 and 1 (anomaly), or booleans that are True for anomalies.
    y_score : array-like of shape (n_samples,)
        Anomaly scores: higher for the more abnormal.
    anomaly_label : object, default=None
        The label of anomalies, where `y_true` follows no such convention.

    Returns
    -------
    f1 : float
        In [0, 1]. The threshold is chosen with the labels in hand: it says what is possible, not
        what to expect.

    Raises
    ------
    ValueError
        If labels follow no convention, shapes differ, or scores are not finite.

    Examples
    --------
    >>> from skmmrr.metrics import best_f1_score
    >>> best_f1_score([1, 1, -1, -1], [0.1, 0.4, 0.3, 0.9])
    0.8
    """
    anomalous, scores = _labels_and_scores(y_true, y_score, anomaly_label)
    precision, recall, _ = precision_recall_curve(anomalous, scores)
    total = precision + recall
    return float(np.max(2 * precision * recall / np.where(total > 0, total, 1)))


def precision_at_n(
    y_true: ArrayLike,
    y_score: ArrayLike,
    n: int | None = None,
    *,
    anomaly_label: Any = None,
) -> float:
    """Share of anomalies among the samples of the n highest scores.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        As in :func:`best_f1_score`.
    y_score : array-like of shape (n_samples,)
        Anomaly scores: higher for the more abnormal.
    n : int, default=None
        How many samples are looked at; None takes the number of anomalies.
    anomaly_label : object, default=None
        The label of anomalies, where `y_true` follows no convention.

    Returns
    -------
    precision : float
        In [0, 1]. Of equal scores at the n-th place as many count as there are places left, in the
        proportion of anomalies among them.

    Raises
    ------
    TypeError, ValueError
        If labels follow no convention, shapes differ, scores are not finite, or n is not between 1
        and the number of samples.

    Examples
    --------
    >>> from skmmrr.metrics import precision_at_n
    >>> precision_at_n([1, 1, -1, -1], [0.1, 0.4, 0.3, 0.9])
    0.5
    """
    anomalous, scores = _labels_and_scores(y_true, y_score, anomaly_label)
    if n is None and not anomalous.any():
        raise ValueError("precision_at_n finds no anomaly in y_true to count. Pass n.")
    n = int(anomalous.sum()) if n is None else check_integer("n", n, "precision_at_n", 1)
    if not 1 <= n <= len(scores):
        raise ValueError(
            f"precision_at_n looks at 1 to {len(scores)} samples, as many as there are. Got n={n}."
        )
    last = np.sort(scores)[-n]
    above, level = scores > last, scores == last
    return float((anomalous[above].sum() + (n - above.sum()) * anomalous[level].mean()) / n)


def pixel_roc_auc_score(masks: Images, maps: Images) -> float:
    """Area under the ROC curve over the pixels of all images.

    Parameters
    ----------
    masks : array-like of shape (n_images, height, width), or sequence of (height, width)
        Nonzero where an image is abnormal.
    maps : array-like of the masks' shape
        Anomaly scores of the pixels, comparable between images.

    Returns
    -------
    auroc : float
        In [0, 1].

    Raises
    ------
    ValueError
        If there is no abnormal or no normal pixel, or masks and maps differ in shape.

    Examples
    --------
    >>> from skmmrr.metrics import pixel_roc_auc_score
    >>> pixel_roc_auc_score([[[0, 0], [0, 1]]], [[[0.1, 0.2], [0.1, 0.9]]])
    1.0
    """
    pixels, scores = _pixels(masks, maps)
    return float(roc_auc_score(pixels, scores))


def aupro_score(masks: Images, maps: Images, *, max_fpr: float = 0.3) -> float:
    """Area under the per-region overlap curve (AUPRO).

    At each threshold the overlap is the share of a region's pixels with scores not below it,
    averaged over all regions, so that small ones count like large ones; it is integrated over the
    rate of false positive pixels, up to `max_fpr` [1]_.

    Parameters
    ----------
    masks : array-like of shape (n_images, height, width), or sequence of (height, width)
        Nonzero where an image is abnormal. Pixels that touch, be it at a corner, are one region.
    maps : array-like of the masks' shape
        Anomaly scores of the pixels, comparable between images.
    max_fpr : float, default=0.3
        End of the integral, in (0, 1]; the area is divided by it.

    Returns
    -------
    aupro : float
        In [0, 1]. Exact: every score is a threshold, ties are one.

    Raises
    ------
    ValueError
        If there is no abnormal or no normal pixel, or masks and maps differ in shape.

    References
    ----------
    .. [1] P. Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr.metrics import aupro_score
    >>> masks = np.zeros((1, 4, 4))
    >>> masks[0, 0, 0] = masks[0, 2:, 2:] = 1
    >>> aupro_score(masks, masks + 0.5)
    1.0
    """
    check_real("max_fpr", max_fpr, "aupro_score", 0, 1, bounds="(]")
    pixels, scores = _pixels(masks, maps)
    overlap, n_regions = [], 0
    for mask in masks:  # type: ignore[union-attr]
        labels, found = ndimage.label(np.asarray(mask) != 0, structure=np.ones((3, 3)))
        sizes = np.bincount(labels.ravel(), minlength=found + 1).astype(float)
        overlap.append(np.where(labels > 0, 1 / sizes[labels], 0).ravel())
        n_regions += found
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of runs of equal scores
    fpr = np.append(0, np.cumsum(~pixels[order])[ends] / np.sum(~pixels))
    pro = np.append(0, np.cumsum(np.concatenate(overlap)[order])[ends] / n_regions)
    inside = fpr <= max_fpr
    at_end = np.interp(max_fpr, fpr, pro)
    area = np.trapezoid(np.append(pro[inside], at_end), np.append(fpr[inside], max_fpr))
    return float(area / max_fpr)


def anomaly_score(estimator: Any, X: ArrayLike) -> NDArray[np.float64]:
    """Anomaly scores of a fitted detector of any dialect: higher for the more abnormal.

    Parameters
    ----------
    estimator : estimator
        With scikit-learn's ``score_samples`` or ``decision_function``, higher for normal samples,
        be it in a pipeline; or a PyOD detector, whose ``decision_function`` is the other way round.
    X : array-like
        Samples.

    Returns
    -------
    anomaly_score : ndarray of float64 of shape (n_samples,)

    Raises
    ------
    TypeError
        If the estimator has neither ``score_samples`` nor ``decision_function``.

    Examples
    --------
    >>> from skmmrr.baselines import KDEDetector
    >>> from skmmrr.metrics import anomaly_score
    >>> detector = KDEDetector().fit([[0.0], [0.1], [0.3]])
    >>> near, far = anomaly_score(detector, [[0.1], [9.0]])
    >>> bool(near < far)
    True
    """
    if isinstance(estimator, type) or not (
        hasattr(estimator, "score_samples") or hasattr(estimator, "decision_function")
    ):
        raise TypeError(
            "The estimator must be a fitted detector with score_samples or decision_function. Got "
            f"{shown(estimator)} of type {type(estimator).__name__}."
        )
    if hasattr(_innermost(estimator), "decision_scores_"):  # what fitted PyOD detectors have
        return np.asarray(estimator.decision_function(X), dtype=np.float64)
    method = "score_samples" if hasattr(estimator, "score_samples") else "decision_function"
    return -np.asarray(getattr(estimator, method)(X), dtype=np.float64)


def _innermost(estimator: Any) -> Any:
    """The detector in pipelines and searches."""
    while True:
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def make_anomaly_scorer(
    metric: Callable[[NDArray[np.bool], NDArray[np.float64]], float], anomaly_label: Any = None
) -> Callable[[Any, ArrayLike, ArrayLike], float]:
    """Scorer for ``GridSearchCV`` and ``cross_val_score`` from a metric of anomaly scores.

    Parameters
    ----------
    metric : callable (anomalous, anomaly_score) -> float
        Gets booleans that are True for anomalies, and scores that are higher for them, whatever
        the convention of labels and detector.
    anomaly_label : object, default=None
        The label of anomalies, where labels follow no convention of :func:`best_f1_score`.

    Returns
    -------
    scorer : callable (estimator, X, y) -> float

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.metrics import average_precision_score
    >>> from sklearn.svm import OneClassSVM
    >>> from skmmrr.metrics import make_anomaly_scorer
    >>> scorer = make_anomaly_scorer(average_precision_score)
    >>> detector = OneClassSVM().fit([[0.0], [0.1], [0.2]])
    >>> scorer(detector, [[0.1], [5.0]], [0, 1])
    1.0
    """
    if not callable(metric):
        raise TypeError(
            "The parameter 'metric' of make_anomaly_scorer must be callable as metric(anomalous, "
            f"anomaly_score). Got {shown(metric)}. SCORERS has those that have a name."
        )
    return partial(_score, metric, anomaly_label)


def _score(metric: Any, anomaly_label: Any, estimator: Any, X: ArrayLike, y: ArrayLike) -> float:
    return float(metric(is_anomaly(y, anomaly_label), anomaly_score(estimator, X)))


SCORERS = {
    "roc_auc": make_anomaly_scorer(roc_auc_score),
    "average_precision": make_anomaly_scorer(average_precision_score),
    "best_f1": make_anomaly_scorer(best_f1_score),
    "precision_at_n": make_anomaly_scorer(precision_at_n),
}
"""Scorers by name, for ``scoring=SCORERS["roc_auc"]``, or all of them for ``cross_validate``."""


def _pixels(masks: Images, maps: Images) -> tuple[NDArray[np.bool], NDArray[np.float64]]:
    """All pixels in a row: whether they are abnormal, and their scores."""
    shapes = [_shapes(*stack) for stack in (("masks", masks), ("maps", maps))]
    if shapes[0] != shapes[1] or not all(len(shape) == 2 for shape in shapes[0]):
        raise ValueError(
            "masks and maps must be stacks of images of the same (height, width). "
            f"Got {len(shapes[0])} masks of {sorted(set(shapes[0]))} and {len(shapes[1])} maps of "
            f"{sorted(set(shapes[1]))}."
        )
    pixels = np.concatenate([np.ravel(mask) != 0 for mask in masks])  # type: ignore[union-attr]
    scores = np.concatenate([np.ravel(m).astype(float) for m in maps])  # type: ignore[union-attr]
    if pixels.all() or not pixels.any():
        kind = "normal" if pixels.all() else "abnormal"
        raise ValueError(f"The masks have no {kind} pixel: there is nothing to tell apart.")
    if not np.isfinite(scores).all():
        raise ValueError("maps must be finite. Got NaN or infinity.")
    return pixels, scores


def _shapes(name: str, stack: Any) -> list[tuple[int, ...]]:
    if not isinstance(stack, list | tuple) and getattr(stack, "ndim", 0) == 0:
        raise ValueError(
            f"{name} must be a stack of images of (height, width). Got {shown(stack)}."
        )
    return [np.shape(image) for image in stack]


def _labels_and_scores(
    y_true: ArrayLike, y_score: ArrayLike, anomaly_label: Any
) -> tuple[NDArray[np.bool], NDArray[np.float64]]:
    """Booleans that are True for anomalies, and finite scores, one for each."""
    anomalous = is_anomaly(y_true, anomaly_label)
    try:
        scores = np.asarray(y_score, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"y_score must be numbers, one a sample: {error}.") from error
    if anomalous.ndim != 1 or anomalous.shape != scores.shape:
        raise ValueError(
            "y_true and y_score must have one label and one score for each sample. Got the shapes "
            f"{anomalous.shape} and {scores.shape}."
        )
    if np.ma.is_masked(y_score) or not np.isfinite(scores).all():
        raise ValueError("y_score must be finite. Got NaN, infinity or masked elements.")
    return anomalous, scores
