"""What the networks keep, restore and refine at some levels: the paper's figure 3."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmmrr.plot import _checks
from skmmrr.plot._pyplot import as_picture, pyplot


class MaskingLevelsDisplay:
    """Samples, embeddings, masks, restored and refined samples over masking levels.

    Parameters
    ----------
    stages : Bunch
        As returned by :meth:`skmmrr.MMRRDetector.explain`.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes of shape (3 * n_samples, 1 + n_levels)

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmmrr import MMRRDetector
    >>> from skmmrr.plot import MaskingLevelsDisplay
    >>> images, digits = load_digits(return_X_y=True)
    >>> detector = MMRRDetector(image_shape=(8, 8), max_iter=5, random_state=0)
    >>> detector = detector.fit(images[digits == 8])
    >>> display = MaskingLevelsDisplay.from_estimator(detector, images[:1], levels=(0, 0.5, 1))
    >>> display.axes_.shape
    (3, 4)
    """

    def __init__(self, *, stages: Any) -> None:
        self.stages = stages

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, *, levels: ArrayLike = (0, 0.02, 0.1, 0.3, 0.6, 1)
    ) -> Self:
        """Pass a few samples through a fitted detector and draw them.

        Parameters
        ----------
        estimator : MMRRDetector
            Fitted.
        X : array-like
            A few samples in any of the forms that its ``fit`` takes.
        levels : array-like of float
            Masking levels in [0, 1].

        Returns
        -------
        display : MaskingLevelsDisplay
        """
        _checks.able(estimator, "explain", cls.__name__)
        return cls(stages=estimator.explain(X, levels=levels)).plot()

    def plot(self) -> Self:
        """Draw three rows a sample: mask, restored and refined over the levels.

        Returns
        -------
        display : MaskingLevelsDisplay
        """
        needed = ("x", "embedding", "mask", "restored", "refined", "levels")
        source = "what MMRRDetector.explain returns"
        _checks.mapping("stages", self.stages, type(self).__name__, needed, source)
        plt, stages = pyplot(type(self).__name__), self.stages
        n_samples, n_levels = len(stages.x), len(stages.levels)
        strips = stages.x.ndim == 2
        height = 0.5 if strips else 1.15
        self.figure_, self.axes_ = plt.subplots(
            3 * n_samples,
            1 + n_levels,
            figsize=(1.15 * (1 + n_levels) + 1, 3 * n_samples * height + 0.5),
            squeeze=False,
            layout="constrained",
        )
        for i in range(n_samples):
            block = self.axes_[3 * i : 3 * i + 3]
            left = (stages.x[i], stages.embedding[i], None)
            rows = ("mask", "restored", "refined")
            names = ("sample", "embedding", "")
            for ax, sample, name in zip(block[:, 0], left, names, strict=True):
                _draw(ax, sample, (-1, 1), strips)
                ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
            for axes, name in zip(block[:, 1:], rows, strict=True):
                for ax, sample in zip(axes, stages[name][i], strict=True):
                    _draw(ax, sample, (0, 1) if name == "mask" else (-1, 1), strips, name == "mask")
                axes[-1].yaxis.set_label_position("right")
                axes[-1].set_ylabel(name, rotation=0, ha="left", va="center", fontsize=9)
        for ax, level in zip(self.axes_[0, 1:], stages.levels, strict=True):
            ax.set_title(f"level {level:.3g}", fontsize=9)
        return self


def _draw(
    ax: Any,
    sample: NDArray[Any] | None,
    limits: tuple[float, float],
    strip: bool,
    mask: bool = False,
) -> None:
    ax.set(xticks=[], yticks=[])
    if sample is None:
        ax.set_frame_on(False)
        return
    picture = sample.mean(axis=2) if mask and sample.ndim == 3 else as_picture(np.asarray(sample))
    colours = "viridis" if mask else "gray"
    aspect = "auto" if strip else "equal"
    ax.imshow(picture, cmap=colours, vmin=limits[0], vmax=limits[1], aspect=aspect)
