"""The losses of each training phase."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skmmrr.plot import _checks
from skmmrr.plot._pyplot import pyplot


class LearningCurveDisplay:
    """Training and validation loss over the steps, one panel a phase.

    Parameters
    ----------
    history : dict of str to dict of str to ndarray
        The ``history_`` of a fitted detector: phase, then ``step``, ``train_loss``,
        ``validation_loss``.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes of shape (n_phases,)
    """

    def __init__(self, *, history: dict[str, dict[str, NDArray[np.float64]]]) -> None:
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Draw the losses of a fitted detector.

        Parameters
        ----------
        estimator : MMRRDetector
            Fitted.

        Returns
        -------
        display : LearningCurveDisplay
        """
        _checks.able(estimator, "history_", cls.__name__)
        return cls(history=estimator.history_).plot()

    def plot(self) -> Self:
        """Draw the losses on a logarithmic scale and mark the weights that were kept.

        Returns
        -------
        display : LearningCurveDisplay
        """
        owner, columns = type(self).__name__, ("step", "train_loss", "validation_loss")
        _checks.mapping("history", self.history, owner, (), "the history_ of a detector")
        for phase, log in self.history.items():
            source = "a phase of the history_ of a detector"
            _checks.mapping(f"history[{phase!r}]", log, owner, columns, source)
        plt, n = pyplot(type(self).__name__), len(self.history)
        self.figure_, axes = plt.subplots(
            1, n, figsize=(4.2 * n, 3.2), squeeze=False, layout="constrained"
        )
        self.axes_ = axes[0]
        for ax, (phase, log) in zip(self.axes_, self.history.items(), strict=True):
            losses = np.asarray(log["validation_loss"], dtype=np.float64)
            best = len(losses) - 1 if np.isnan(losses).all() else int(np.nanargmin(losses))
            ax.plot(log["step"], log["train_loss"], label="training")
            ax.plot(log["step"], log["validation_loss"], label="validation")
            ax.plot(log["step"][best], losses[best], "ko", label="kept")
            ax.set(xlabel="optimiser step", yscale="log", title=phase)
            ax.grid(alpha=0.3, which="both")
        self.axes_[0].set_ylabel("loss")
        self.axes_[-1].legend()
        return self
