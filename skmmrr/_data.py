"""From the user's array to scaled batches of tensors, never the whole array at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

# Values this far beyond the training range say all they can say, and their squares stay finite.
LARGEST = 1e6

_ALIGNMENT_SAMPLES, _ALIGNMENT_ELEMENTS = 1000, 2**24  # at most


@dataclass(frozen=True)
class Scaler:
    """Affine map of the training range to [-1, 1]; values beyond the range stay beyond it.

    Attributes
    ----------
    centre, half_range : ndarray of float64
        Of shape (n_features,) for vectors, () for images, which share one range.
    """

    centre: NDArray[np.float64]
    half_range: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[Any], per_feature: bool) -> "Scaler":
        """Learn the range of each feature, or the one of all pixels."""
        axis = 0 if per_feature else None
        low = np.asarray(X.min(axis=axis), dtype=np.float64)
        high = np.asarray(X.max(axis=axis), dtype=np.float64)
        half_range = high / 2 - low / 2
        return cls(low + half_range, np.where(half_range > 0, half_range, 1.0))

    def __call__(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Scale rows; computed in float64, so that large offsets cost no precision."""
        scaled = (X.astype(np.float64) - self.centre) / self.half_range
        return np.clip(scaled, -LARGEST, LARGEST).astype(np.float32)


@dataclass(frozen=True)
class Samples:
    """Flattened samples of any real dtype, handed out as network input.

    Attributes
    ----------
    X : ndarray or memmap of shape (n_samples, n_features)
    scaler : Scaler
    image_shape : tuple (height, width, channels) or None
        None for vectors.
    dtype : torch.dtype
        Of the batches.
    downsample : int, default=1
        Side of the squares of pixels of which a batch has the means.
    """

    X: NDArray[Any]
    scaler: Scaler
    image_shape: tuple[int, int, int] | None
    dtype: torch.dtype = torch.float32
    downsample: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample of a batch."""
        if self.image_shape is None:
            return self.X.shape[1:]
        height, width, channels = downsampled(self.image_shape, self.downsample)
        return channels, height, width

    def __len__(self) -> int:
        return len(self.X)

    def batch(self, index: NDArray[np.intp] | slice) -> torch.Tensor:
        """Samples by index: (n, channels, height, width), channels last in memory, or (n, d)."""
        x = torch.from_numpy(self.scaler(self.X[index])).to(self.dtype)
        if self.image_shape is None:
            return x
        images = x.view(-1, *self.image_shape).permute(0, 3, 1, 2)
        return average_squares(images, self.downsample)


def share_of_mean_image(samples: Samples) -> float:
    """How well images are aligned: the share of the pixels' variance that their mean explains.

    Adjusted for the number of images, so that noise has 0; pictures that all show the same have 1.
    Of many images a thousand are looked at, of large ones less.
    """
    n = max(2, min(_ALIGNMENT_SAMPLES, _ALIGNMENT_ELEMENTS // samples.X.shape[1]))
    x = samples.batch(evenly_spaced(len(samples), n)).double()
    total = x.var(dim=(0, 2, 3)).mean()  # about the mean colour
    within = x.var(dim=0).mean()  # about the mean image
    return float(1 - within / total) if total > 0 else 0.0


def evenly_spaced(n: int, most: int) -> NDArray[np.intp]:
    """At most so many indices from 0 to n - 1, the two included."""
    return np.unique(np.linspace(0, n - 1, most).astype(np.intp))


def downsampled(image_shape: tuple[int, int, int], side: int) -> tuple[int, int, int]:
    """Shape (height, width, channels) of images after :func:`average_squares`."""
    height, width, channels = image_shape
    return -(-height // side), -(-width // side), channels


def average_squares(images: torch.Tensor, side: int) -> torch.Tensor:
    """Images of (n, channels, height, width) with the mean of every square of pixels as a pixel.

    Where the sides are no multiples, the squares at the lower and right edges are cut off.
    """
    if side == 1:
        return images
    return F.avg_pool2d(images, side, ceil_mode=True, count_include_pad=False)


def repeat_squares(
    maps: NDArray[np.float64], shape: tuple[int, int, int], side: int
) -> NDArray[np.float64]:
    """Maps of (n, rows, columns), a value a square, as maps of (n, height, width)."""
    return maps.repeat(side, axis=1).repeat(side, axis=2)[:, : shape[0], : shape[1]]
