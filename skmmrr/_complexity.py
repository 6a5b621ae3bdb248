"""How complex images are, and what that says of their errors.

A busy image is restored worse than a plain one, be it normal or not. Serra et al. take the
complexity off the likelihood of generative models ("Input complexity and out-of-distribution
detection with likelihood-based generative models", ICLR 2020); here normal images say how much,
and how busy a normal image is: one far busier or plainer is abnormal for that.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import iqr, theilslopes
from torch import Tensor

from skmmrr._data import Samples, Scaler, evenly_spaced
from skmmrr._device import resolve_device
from skmmrr._scoring import sample_chunks

_MOST_IMAGES, _MOST_ELEMENTS = 500, 2**27  # that say what errors are usual
_FEWEST_IMAGES = 5  # of which an interval for a slope can be told

_COPY = 1e-6  # of the largest error: less has an image that was learned twice
_RARITY = 1 / 4  # weight of an unusual variation beside an unusual error
_ALIKE = 0.02  # standard deviation of logarithms up to which images are equally busy
_MOST_NORMAL = 5.0  # standard deviations that a normal image is off
_MOST_DEVIATIONS, _MOST_SPREAD = 10.0, 1.0  # that count: of variations, of errors

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
    """What errors are usual for an image of some total variation, and what variation is usual.

    Attributes
    ----------
    slope : float
        Errors of normal images are this power of their variation; 0 where the images do not say
        that it is another.
    rarity : float
        What the logarithm of the error gains, times the square of the number of standard deviations
        by which the logarithm of the variation is off; of ten at most.
    usual, least, most : float
        Median, minimum and maximum of the variation. Beyond the extremes no error is extrapolated.
    spread : float
        Standard deviation of the logarithm of the variation; more where a normal image would be off
        by more than five, and at least 0.02.
    """

    slope: float
    rarity: float
    usual: float
    least: float
    most: float
    spread: float

    @classmethod
    def fit(cls, variation: NDArray[np.float64], errors: NDArray[np.float64]) -> "Adjustment":
        """Learn from normal images.

        The slope of the logarithms is Theil and Sen's, which odd images do not move. It is 0 if
        that lies in its interval of 95% confidence.

        An unusual variation counts as a normal density has it: half the square of its standard
        deviations, in those of the errors beside the regression, times a weight; not at all where
        nearly all images are equally busy.

        Parameters
        ----------
        variation, errors : ndarray of float64 of shape (n,)
        """
        usual, least, most = np.median(variation), variation.min(), variation.max()
        off = np.log(variation / usual)
        spread = max(off.std(), np.abs(off).max() / _MOST_NORMAL, _ALIKE)
        original = errors > _COPY * errors.max()
        x, y = off[original], np.log(errors[original])
        slope = rarity = 0.0
        if len(np.unique(x)) >= _FEWEST_IMAGES:
            with np.errstate(invalid="ignore"):  # many ties: no interval, no slope
                found = theilslopes(y, x)
            slope = found.slope if found.low_slope > 0 or found.high_slope < 0 else 0.0
            if spread > _ALIKE:  # by the 68% in the middle, which odd images hardly move
                deviation = iqr(y - slope * x, rng=(16, 84), scale=2)
                rarity = _RARITY * min(deviation, _MOST_SPREAD) / 2
        return cls(*(float(number) for number in (slope, rarity, usual, least, most, spread)))

    def factor(self, variation: Tensor) -> Tensor:
        """What turns the errors of images into those they would have, were they as busy as usual.

        They are larger, the more unusual the variation is.

        Parameters
        ----------
        variation : Tensor of shape (n,)
        """
        usual_error = (variation.clamp(self.least, self.most) / self.usual) ** self.slope
        deviations = ((variation / self.usual).log() / self.spread).abs()
        return (self.rarity * deviations.clamp(max=_MOST_DEVIATIONS) ** 2).exp() / usual_error


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
        if adjustment is None:
            return np.ones(len(X))
        return adjustment.factor(torch.from_numpy(self._variation(X))).numpy()

    def _variation(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Total variation of images, of all their pixels."""
        samples = Samples(X, self.scaler_, self.image_shape_)
        device = resolve_device(self.device, type(self).__name__)
        found = np.empty(len(X))
        for kept, x in sample_chunks(samples, X.shape[1], device):
            found[kept] = total_variation(x)[: kept.stop - kept.start].cpu().numpy()
        return found
