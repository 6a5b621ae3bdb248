"""How complex images are, and what that says of their errors.

A complex image is restored worse than a plain one, whether it is normal or not. Serra et al.
subtract the complexity from the likelihood of generative models ("Input complexity and
out-of-distribution detection with likelihood-based generative models", ICLR 2020). Here normal
images determine how much, and which complexity is typical: unusual complexity raises the score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import iqr, theilslopes
from torch import Tensor

from skmmrr.core.chunks import evenly_spaced, rows_per_chunk, sample_chunks
from skmmrr.core.kinds import SMALLEST, Real, Table, record, require, stored
from skmmrr.representation import ImageShape, Representation, Samples

LearnedT = TypeVar("LearnedT")

_MOST_IMAGES, _MOST_ELEMENTS = 500, 2**27  # that say what errors are usual
_FEWEST_IMAGES = 5  # of which an interval for a slope can be told

_COPY = 1e-6  # of the largest error: less has an image that was learned twice
_RARITY_WEIGHT = 1 / 4  # weight of an unusual variation relative to an unusual error
_ALIKE = 0.02  # standard deviation of logarithms up to which images are equally complex
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


@stored(
    slope=Real(),
    rarity_weight=Real(0, 1),
    usual=Real(SMALLEST),
    least=Real(SMALLEST),
    most=Real(SMALLEST),
    spread=Real(_ALIKE),
)
@dataclass(frozen=True)
class Adjustment:
    """What errors are usual for an image of some total variation, and what variation is usual.

    Attributes
    ----------
    slope : float
        Errors of normal images grow as this power of their variation; 0 unless it differs
        significantly from 0.
    rarity_weight : float
        What the logarithm of the error gains, times the square of the number of standard deviations
        by which the logarithm of the variation is off; of ten at most.
    usual, least, most : float
        Median, minimum and maximum of the variation. Beyond the extremes no error is extrapolated.
    spread : float
        Standard deviation of the logarithm of the variation; more where a normal image would be off
        by more than five, and at least 0.02.
    """

    slope: float
    rarity_weight: float
    usual: float
    least: float
    most: float
    spread: float

    @classmethod
    def fit(cls, variation: NDArray[np.float64], errors: NDArray[np.float64]) -> "Adjustment":
        """Learn from normal images.

        The slope of the logarithms is the Theil-Sen estimate, which is robust to odd images. It is
        0 if 0 lies in its 95% confidence interval.

        An unusual variation counts by its negative log-likelihood under a normal density: half its
        squared standard score, in units of the regression's residual deviation, times a weight. It
        does not count if nearly all images are equally complex.

        Parameters
        ----------
        variation, errors : ndarray of float64 of shape (n,)
        """
        usual, least, most = np.median(variation), variation.min(), variation.max()
        off = np.log(variation / usual)
        spread = max(off.std(), np.abs(off).max() / _MOST_NORMAL, _ALIKE)
        original = errors > _COPY * errors.max()
        x, y = off[original], np.log(errors[original])
        slope = rarity_weight = 0.0
        if len(np.unique(x)) >= _FEWEST_IMAGES:
            with np.errstate(invalid="ignore"):  # many ties: no interval, no slope
                found = theilslopes(y, x)
            slope = found.slope if found.low_slope > 0 or found.high_slope < 0 else 0.0
            if spread > _ALIKE:  # by the 68% in the middle, which odd images hardly move
                deviation = iqr(y - slope * x, rng=(16, 84), scale=2)
                rarity_weight = _RARITY_WEIGHT * min(deviation, _MOST_SPREAD) / 2
        return cls(
            *(float(number) for number in (slope, rarity_weight, usual, least, most, spread))
        )

    def check_stored(self) -> None:
        """Refuse what no images have: an order that is none, or factors that are not finite."""
        require(
            self.least <= self.usual <= self.most, "an adjustment's variations are not in order"
        )
        extremes = self.factor(torch.tensor([self.least, self.most], dtype=torch.float64))
        sound = bool((extremes.isfinite() & (extremes > 0)).all())
        require(sound, "an adjustment's factors are not finite")

    def factor(self, variation: Tensor) -> Tensor:
        """What rescales the errors of images to typical complexity.

        It is larger, the more unusual the variation is.

        Parameters
        ----------
        variation : Tensor of shape (n,)
        """
        usual_error = (variation.clamp(self.least, self.most) / self.usual) ** self.slope
        deviations = ((variation / self.usual).log() / self.spread).abs()
        return (
            self.rarity_weight * deviations.clamp(max=_MOST_DEVIATIONS) ** 2
        ).exp() / usual_error


@stored(representation=record(Representation), by_kind=Table(record(Adjustment)))
@dataclass(frozen=True, eq=False)
class ErrorAdjustment:
    """Errors of images relative to those of normal images of similar complexity.

    Attributes
    ----------
    representation : Representation
        Of the images, every pixel of which counts.
    by_kind : dict of str to Adjustment
        What is usual for each kind of errors.
    """

    representation: Representation
    by_kind: dict[str, Adjustment]

    @classmethod
    def fit(
        cls,
        X: NDArray[Any],
        errors: Mapping[str, NDArray[np.float64]],
        representation: Representation,
        device: torch.device,
    ) -> "ErrorAdjustment":
        """Learn from normal images and their errors of each kind."""
        variation = variation_of(X, representation.every_pixel, device)
        by_kind = {kind: Adjustment.fit(variation, error) for kind, error in errors.items()}
        return cls(representation.every_pixel, by_kind)

    def check_stored_for(self, image_shape: ImageShape | None, kinds: tuple[str, ...]) -> None:
        """Refuse what is not of these images, or lacks a kind of errors."""
        mine = self.representation.image_shape == image_shape is not None
        require(mine and self.representation.downsample == 1, "the adjustment is of other images")
        require(set(self.by_kind) == set(kinds), f"the adjustment must be of {kinds}")

    def factors(self, X: NDArray[Any], kind: str, device: torch.device) -> NDArray[np.float64]:
        """What adjusts an error of each image, of shape (n_samples,)."""
        variation = variation_of(X, self.representation, device)
        return self.by_kind[kind].factor(torch.from_numpy(variation)).numpy()


def learning_images(n_samples: int, n_features: int) -> NDArray[np.intp]:
    """Which training images tell what errors are usual."""
    return evenly_spaced(n_samples, min(_MOST_IMAGES, max(2, _MOST_ELEMENTS // n_features)))


def variation_of(
    X: NDArray[Any], representation: Representation, device: torch.device
) -> NDArray[np.float64]:
    """Total variation of images, of shape (n_samples,)."""
    samples, found = Samples(X, representation), np.empty(len(X))
    for kept, x in sample_chunks(samples, rows_per_chunk(samples.size, device), device):
        found[kept] = total_variation(x)[: kept.stop - kept.start].cpu().numpy()
    return found


def require_adjustment(adjustment: LearnedT | None, owner: str) -> LearnedT:
    """That of a fitted detector whose parameter `adjust` is True."""
    if adjustment is None:
        raise ValueError(
            f"The parameter 'adjust' of {owner} is True, but it was fitted with adjust=False and "
            "does not know which errors are usual. Refit, or set adjust=False."
        )
    return adjustment
