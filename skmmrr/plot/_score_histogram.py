"""How far normal samples and anomalies are apart."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmmrr.plot._pyplot import pyplot


class ScoreHistogramDisplay:
    """Histogram of anomaly scores with the decision threshold.

    Parameters
    ----------
    anomaly_score : ndarray of shape (n_samples,)
        Higher is more abnormal: the negative of ``score_samples``.
    threshold : float, default=None
        Scores above it are called anomalies.
    y : ndarray of shape (n_samples,), default=None
        +1 for normal samples, -1 for anomalies.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes
    """

    def __init__(
        self,
        *,
        anomaly_score: NDArray[np.float64],
        threshold: float | None = None,
        y: NDArray[Any] | None = None,
    ) -> None:
        self.anomaly_score = anomaly_score
        self.threshold = threshold
        self.y = y

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike | None = None, *, ax: Any = None
    ) -> Self:
        """Score samples with a fitted detector and draw the histogram.

        Parameters
        ----------
        estimator : estimator with ``score_samples`` and ``offset_``
            Fitted.
        X : array-like
            Samples.
        y : array-like of shape (n_samples,), default=None
            +1 for normal samples, -1 for anomalies.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ScoreHistogramDisplay
        """
        scores = -estimator.score_samples(X)
        return cls.from_predictions(scores, y, threshold=-estimator.offset_, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        anomaly_score: ArrayLike,
        y: ArrayLike | None = None,
        *,
        threshold: float | None = None,
        ax: Any = None,
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

        Returns
        -------
        display : ScoreHistogramDisplay
        """
        labels = None if y is None else np.asarray(y)
        if labels is not None and not np.isin(labels, (-1, 1)).all():
            raise ValueError(
                "ScoreHistogramDisplay takes y of +1 (normal) and -1 (anomaly). "
                f"Got the values {np.unique(labels)}. With 0/1 labels pass np.where(y == 0, 1, -1)."
            )
        scores = np.asarray(anomaly_score, dtype=np.float64)
        return cls(anomaly_score=scores, threshold=threshold, y=labels).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the histogram, normal samples and anomalies each to an area of 1.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ScoreHistogramDisplay
        """
        plt = pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        bins = np.histogram_bin_edges(self.anomaly_score, bins=40)
        groups = (
            {"samples": slice(None)}
            if self.y is None
            else {
                "normal": self.y == 1,
                "anomalies": self.y == -1,
            }
        )
        for name, group in groups.items():
            ax.hist(self.anomaly_score[group], bins=bins, density=True, alpha=0.6, label=name)
        if self.threshold is not None:
            ax.axvline(self.threshold, color="k", linestyle="--", label="threshold")
        ax.set(xlabel="anomaly score", ylabel="density")
        ax.legend()
        return self
