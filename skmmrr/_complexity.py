"""How complex images are, and how much of their errors that explains.

A busy image is restored worse than a plain one, be it normal or not. Serra et al. take the
complexity off the likelihood of generative models ("Input complexity and out-of-distribution
detection with likelihood-based generative models", ICLR 2020); here normal images say how much.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import theilslopes
from torch import Tensor

from skmmrr._data import Samples, Scaler, evenly_spaced
from skmmrr._device import resolve_device
from skmmrr._scoring import sample_chunks

_MOST_IMAGES, _MOST_ELEMENTS = 500, 2**27  # that say what errors are usual
_FEWEST_IMAGES = 5  # of which an interval for a slope can be told

_Array = TypeVar("_Array", NDArray[np.float64], Tensor)

# Luminance and two differences of red, green and blue (ITU-R BT.601, as in JPEG files).
_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))

_PLAIN = 1e-3  # of half the training range: an image that varies less is as plain as one can be


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, down and to the right.

    Parameters
    ----------
    images : Tensor of shape (n, channels, height, width)
        Three channels are taken for red, green and blue, and compared as luminance and colours.

    Returns
    -------
    variation : Tensor of float32 of shape (n,)
        Positive.
    """
    images = images.double()  # rounded in the end, so that no order of summation shows
    if images.shape[1] == len(_YCBCR):
        matrix = torch.tensor(_YCBCR, dtype=images.dtype, device=images.device)
        images = torch.einsum("dc,nchw->ndhw", matrix, images)
    down, right = (images.diff(dim=dim).abs().sum(dim=(1, 2, 3)) for dim in (2, 3))
    return ((down + right) / images[0].numel() + _PLAIN).float()


@dataclass(frozen=True)
class Adjustment:
    """Errors of normal images as a power of their total variation.

    Attributes
    ----------
    slope : float
        The power; 0 where the images do not say that it is another.
    usual, least, most : float
        Median, minimum and maximum of the variation. Beyond the extremes nothing is extrapolated.
    """

    slope: float
    usual: float
    least: float
    most: float

    @classmethod
    def fit(cls, variation: NDArray[np.float64], errors: NDArray[np.float64]) -> "Adjustment":
        """Learn from normal images.

        The slope of the logarithms is Theil and Sen's, which odd images and copies, whose errors
        are next to nothing, do not move. It is 0 if that lies in its interval of 95% confidence.

        Parameters
        ----------
        variation, errors : ndarray of float64 of shape (n,)
        """
        x, y = np.log(variation), np.log(np.maximum(errors, np.finfo(np.float64).tiny))
        slope = 0.0
        if len(np.unique(x)) >= _FEWEST_IMAGES:
            found = theilslopes(y, x)
            slope = found.slope if found.low_slope > 0 or found.high_slope < 0 else 0.0
        usual, least, most = np.median(variation), variation.min(), variation.max()
        return cls(float(slope), float(usual), float(least), float(most))

    def factor(self, variation: _Array) -> _Array:
        """What turns the errors of images into those they would have, were they as busy as usual.

        Parameters
        ----------
        variation : ndarray or Tensor of shape (n,)
        """
        return (self.usual / variation.clip(self.least, self.most)) ** self.slope


class AdjustingMixin:
    """For detectors of images whose errors are adjusted for how busy an image is.

    Notes
    -----
    The detector has the parameter `adjust`, and sets ``adjustments_`` in its fit, of one kind of
    errors or of several.
    """

    adjust: bool
    device: str | torch.device
    scaler_: Scaler
    image_shape_: tuple[int, int, int] | None
    adjustments_: dict[str, Adjustment]

    def _adjusts(self) -> bool:
        return self.adjust and self.image_shape_ is not None

    def _some_of(self, n_samples: int) -> NDArray[np.intp]:
        """Which training images say what errors are usual."""
        fitting = _MOST_ELEMENTS // math.prod(self.image_shape_ or ())
        return evenly_spaced(n_samples, min(_MOST_IMAGES, max(2, fitting)))

    def _learned_adjustments(
        self, X: NDArray[Any], errors: Mapping[str, NDArray[np.float64]]
    ) -> dict[str, Adjustment]:
        """Of each kind of errors of these normal images."""
        variation = self._variation(X)
        return {kind: Adjustment.fit(variation, error) for kind, error in errors.items()}

    def _adjustment(self, kind: str) -> Adjustment | None:
        """That of a kind of errors; None where they stay as they are."""
        if not self._adjusts():
            return None
        if not self.adjustments_:
            raise ValueError(
                f"The parameter 'adjust' of {type(self).__name__} is True, but it was fitted with "
                "adjust=False and does not know which errors are usual. Fit again, or set "
                "adjust=False."
            )
        return self.adjustments_[kind]

    def _factors(self, X: NDArray[Any], kind: str) -> NDArray[np.float64]:
        """What adjusts an error of each sample."""
        adjustment = self._adjustment(kind)
        return np.ones(len(X)) if adjustment is None else adjustment.factor(self._variation(X))

    def _variation(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Total variation of images, of all their pixels."""
        samples = Samples(X, self.scaler_, self.image_shape_)
        device = resolve_device(self.device, type(self).__name__)
        found = np.empty(len(X))
        for kept, x in sample_chunks(samples, X.shape[1], device):
            found[kept] = total_variation(x)[: kept.stop - kept.start].cpu().numpy()
        return found
