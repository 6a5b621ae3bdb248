"""From the user's array to scaled batches of tensors, never the whole array at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# Values this far beyond the training range say all they can say, and their squares stay finite.
LARGEST = 1e6


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
    """

    X: NDArray[Any]
    scaler: Scaler
    image_shape: tuple[int, int, int] | None
    dtype: torch.dtype = torch.float32

    def __len__(self) -> int:
        return len(self.X)

    def batch(self, index: NDArray[np.intp] | slice) -> torch.Tensor:
        """Samples by index: (n, channels, height, width), channels last in memory, or (n, d)."""
        x = torch.from_numpy(self.scaler(self.X[index])).to(self.dtype)
        if self.image_shape is None:
            return x
        return x.view(-1, *self.image_shape).permute(0, 3, 1, 2)
