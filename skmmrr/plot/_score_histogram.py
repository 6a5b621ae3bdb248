"""How far normal samples and anomalies are apart."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmmrr.plot import _checks
from skmmrr.plot._pyplot import pyplot


class ScoreHistogramDisplay:
    """Histogram of anomaly scores with the decision threshold.

    Parameters
    ----------
    anomaly_score : array-like of shape (n_samples,)
        Higher is more abnormal: the negative of ``score_samples``.
    threshold : float, default=None
        Scores above it are called anomalies.
    y : array-like of shape (n_samples,), default=None
        +1 for normal samples, -1 for anomalies.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
    """

    def __init__(
        self,
        *,
        anomaly_score: ArrayLike,
        threshold: float | None = None,
        y: ArrayLike | None = None,
    ) -> None:
        self.anomaly_score: Any = anomaly_score
        self.threshold = threshold
        self.y: Any = y

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        ax: Any = None,
        log_scale: bool = False,
    ) -> Self:
        """Score samples with a fitted detector and draw the histogram.

        Parameters
        ----------
        estimator : estimator with ``score_samples``
            Fitted. The threshold of its ``offset_`` is drawn, if there is one.
        X : array-like
            Samples.
        y : array-like of shape (n_samples,), default=None
            +1 for normal samples, -1 for anomalies.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.
        log_scale : bool, default=False
            Whether the axis of the scores is logarithmic, for scores above 0 with a long tail. The
            height of a bar is its share of the samples then, not a density.

        Returns
        -------
        display : ScoreHistogramDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If parameters that change the scores were set after the threshold.
        """
        _checks.able(estimator, "score_samples", cls.__name__)
        scores = -estimator.score_samples(X)
        threshold = -estimator.offset_ if hasattr(estimator, "offset_") else None
        if threshold is not None and hasattr(estimator, "_check_threshold"):
            estimator._check_threshold()
        return cls.from_predictions(scores, y, threshold=threshold, ax=ax, log_scale=log_scale)

    @classmethod
    def from_predictions(
        cls,
        anomaly_score: ArrayLike,
        y: ArrayLike | None = None,
        *,
        threshold: float | None = None,
        ax: Any = None,
        log_scale: bool = False,
    ) -> Self:
        """Draw the histogram of given anomaly scores.

        Parameters
        ----------
        anomaly_score : array-like of shape (n_samples,)
            Higher is more abnormal.
        y : array-like of shape (n_samples,), default=None
            +1 for normal samples, -1 for anomalies.
        threshold : float, default=None
            Where to draw the threshold.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.
        log_scale : bool, default=False
            Whether the axis of the scores is logarithmic, for scores above 0 with a long tail. The
            height of a bar is its share of the samples then, not a density.

        Returns
        -------
        display : ScoreHistogramDisplay
        """
        display = cls(anomaly_score=anomaly_score, threshold=threshold, y=y)
        return display.plot(ax=ax, log_scale=log_scale)

    def plot(self, *, ax: Any = None, log_scale: bool = False) -> Self:
        """Draw the histogram, normal samples and anomalies each to an area of 1.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.
        log_scale : bool, default=False
            Whether the axis of the scores is logarithmic, for scores above 0 with a long tail. The
            height of a bar is its share of the samples then, not a density.

        Returns
        -------
        display : ScoreHistogramDisplay
        """
        self._check(ax)
        if log_scale and not (self.anomaly_score > 0).all():
            raise ValueError(
                f"{type(self).__name__} draws scores above 0 on a logarithmic scale. Got "
                f"{self.anomaly_score.min():g}. Set log_scale=False."
            )
        plt = pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        bins = np.histogram_bin_edges(self.anomaly_score, bins=40)
        if log_scale:
            bins = np.geomspace(self.anomaly_score.min(), self.anomaly_score.max(), 41)
        groups = (
            {"samples": slice(None)}
            if self.y is None
            else {
                "normal": self.y == 1,
                "anomalies": self.y == -1,
            }
        )
        for name, group in groups.items():
            scores = self.anomaly_score[group]
            heights = {"weights": np.full(len(scores), 1 / max(1, len(scores)))}
            how: Any = heights if log_scale else {"density": True}
            ax.hist(scores, bins=bins, alpha=0.6, label=name, **how)
        if self.threshold is not None:
            ax.axvline(self.threshold, color="k", linestyle="--", label="threshold")
        ax.set(xlabel="anomaly score", ylabel="share of the samples" if log_scale else "density")
        if log_scale:
            ax.set_xscale("log")
        ax.legend()
        return self

    def _check(self, ax: Any) -> None:
        """Make arrays of scores and labels, and refuse what cannot be drawn."""
        owner = type(self).__name__
        scores = _checks.numbers("anomaly_score", self.anomaly_score, owner, "(n_samples,)", (1,))
        self.anomaly_score = scores
        if self.threshold is not None:
            self.threshold = float(_checks.numbers("threshold", self.threshold, owner, "()", (0,)))
        if self.y is not None:
            self.y = _checked_labels(self.y, len(scores), owner)
        if ax is not None and not hasattr(ax, "hist"):
            raise TypeError(
                f"The parameter 'ax' of {owner} must be None or matplotlib's Axes. Got "
                f"{type(ax).__name__}."
            )


def _checked_labels(y: ArrayLike, n: int, owner: str) -> NDArray[Any]:
    """Check for +1 and -1, one a score."""
    labels = np.asarray(y)
    if np.ma.is_masked(y) or labels.shape != (n,):
        raise ValueError(
            f"The parameter 'y' of {owner} must have a label for each of the {n} scores, none "
            f"masked. Got the shape {labels.shape}."
        )
    if not np.isin(labels, (-1, 1)).all():
        raise ValueError(
            f"{owner} takes y of +1 (normal) and -1 (anomaly). Got the values "
            f"{np.unique(labels)}. With 0/1 labels pass np.where(y == 0, 1, -1)."
        )
    return labels
