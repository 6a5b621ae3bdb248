"""Where samples are abnormal, over the samples."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmmrr.plot import _checks
from skmmrr.plot._pyplot import as_picture, pyplot


class AnomalyMapDisplay:
    """Images above, the same images under their anomaly maps below, on one colour scale.

    Parameters
    ----------
    images : ndarray of shape (n_samples, height, width[, channels]) or (n_samples, n_features)
        Of the size of the maps, in the units of the detector, where the training range is [-1, 1].
    maps : ndarray of shape (n_samples, height, width) or (n_samples, n_features)
        As returned by :meth:`skmmrr.MMRRDetector.anomaly_map`.
    titles : list of str, default=None
        One a sample.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes of shape (2, n_samples)
    """

    def __init__(
        self, *, images: NDArray[Any], maps: NDArray[Any], titles: list[str] | None = None
    ) -> None:
        self.images = images
        self.maps = maps
        self.titles = titles

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, *, titles: list[str] | None = None
    ) -> Self:
        """Map a few samples with a fitted detector and draw them.

        Parameters
        ----------
        estimator : MMRRDetector or another detector with anomaly maps
            Fitted.
        X : array-like
            A few samples in any of the forms that its ``fit`` takes.
        titles : list of str, default=None
            One a sample; None writes the anomaly scores.

        Returns
        -------
        display : AnomalyMapDisplay
        """
        _checks.able(estimator, "anomaly_map", cls.__name__)
        maps = estimator.anomaly_map(X)
        extractor = getattr(estimator, "extractor_", None)  # of features, which are not a picture
        fitted = estimator.spec_ if extractor is None else extractor
        representation = fitted.representation
        images = representation.scale(estimator._validate_X(X, reset=False))
        if estimator.image_shape_ is not None:
            images = images.reshape(len(images), *estimator.image_shape_)
        elif representation.bins is not None:  # a value is as high as the bins below it
            images = np.add.reduceat(images, representation.first_elements, axis=1)
            images = images / representation.bins
        if titles is None:
            titles = [f"score {-score:.3g}" for score in estimator.score_samples(X)]
        return cls(images=images, maps=maps, titles=titles).plot()

    def plot(self) -> Self:
        """Draw images, maps and the colour bar.

        Returns
        -------
        display : AnomalyMapDisplay
        """
        images, maps = self._checked()
        plt, n = pyplot(type(self).__name__), len(images)
        strips = images.ndim == 2
        self.figure_, self.axes_ = plt.subplots(
            2,
            n,
            figsize=(1.5 * n + 1, 1.9 if strips else 3.3),
            squeeze=False,
            layout="constrained" if strips else "compressed",  # images keep their aspect
        )
        aspect, highest = "auto" if strips else "equal", float(np.max(maps))
        for i, (top, bottom) in enumerate(self.axes_.T):
            picture = as_picture(images[i])
            for ax in (top, bottom):
                ax.imshow(picture, cmap="gray", vmin=-1, vmax=1, aspect=aspect)
                ax.set(xticks=[], yticks=[])
            share = 1.0 if strips else 0.7
            overlay = bottom.imshow(
                np.atleast_2d(maps[i]),
                cmap="inferno",
                vmin=0,
                vmax=highest,
                alpha=share,
                aspect=aspect,
            )
            if self.titles is not None:
                top.set_title(self.titles[i], fontsize=10)
        bar = self.figure_.colorbar(overlay, ax=self.axes_.ravel().tolist())
        bar.set_label("anomaly map", fontsize=10)
        bar.ax.tick_params(labelsize=9)
        return self

    def _checked(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Images and maps, of one size."""
        owner = type(self).__name__
        shapes = "(n, height, width[, channels]) or (n, n_features)"
        images = _checks.numbers("images", self.images, owner, shapes, (2, 3, 4))
        size = images.shape[:3]
        maps = _checks.numbers("maps", self.maps, owner, str(size), (len(size),))
        if maps.shape != size:
            raise ValueError(
                f"The parameter 'maps' of {owner} must have the shape {size} of the images. Got "
                f"{maps.shape}."
            )
        _checks.titles(self.titles, len(images), owner)
        return images, maps
