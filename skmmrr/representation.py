"""What is restored: from the user's array to scaled tensors, and back to the user's shape.

Vectors have a range for each feature or for each of its bins, images one for all their pixels, and
maps of features one for each channel. Nothing here holds more than the rows it is asked for.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches
from torch import Tensor
from torch.nn import functional as F

from skmmrr.core.kinds import IMAGE_SHAPE, SMALLEST, Array, Integer, Maybe, Real, require, stored

# Values this far beyond the training range say all they can say, and their squares stay finite.
LARGEST = 1e6

_DEVIATIONS = 5.0  # of a channel of features, at which it is clipped
_BLOCK = 256  # samples whose maps are in memory at a time

ImageShape = tuple[int, int, int]


@stored(
    image_shape=Maybe(IMAGE_SHAPE),
    centre=Array("f8", (0, 1)),
    half_range=Array("f8", (0, 1), low=SMALLEST),
    downsample=Integer(1),
    limit=Real(1, LARGEST),
    bins=Maybe(Array("i8", 1, low=1)),
)
@dataclass(frozen=True, eq=False)
class Representation:
    """Samples as networks take them.

    Attributes
    ----------
    image_shape : tuple (height, width, channels) or None
        Of the user's images or maps; None for vectors.
    centre, half_range : ndarray of float64
        Affine map of the training range to [-1, 1]; values beyond the range stay beyond it. Of
        shape (n_features,) for vectors, or (n_elements,), those of all bins; () for images,
        (channels,) for maps.
    downsample : int
        Side of the squares of pixels of which the networks see the means.
    limit : float
        Scaled values are clipped at this and its negative.
    bins : ndarray of int64 of shape (n_features,), or None
        Of each feature of vectors. Each bin is an element that the networks see: -1 below it, 1
        above it and linear inside; the outer ones go on beyond the training range. None: each
        feature is one.
    """

    image_shape: ImageShape | None
    centre: NDArray[np.float64] = field(repr=False)
    half_range: NDArray[np.float64] = field(repr=False)
    downsample: int = 1
    limit: float = LARGEST
    bins: NDArray[np.int64] | None = field(default=None, repr=False)

    @classmethod
    def fit(
        cls,
        X: NDArray[Any],
        image_shape: ImageShape | None,
        downsample: int = 1,
    ) -> "Representation":
        """Learn the range of training samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows of images are flattened, channels last. Vectors may have NaN.
        image_shape : tuple (height, width, channels) or None
        downsample : int, default=1
        """
        axis = 0 if image_shape is None else None
        low = np.asarray(np.fmin.reduce(X, axis=axis), dtype=np.float64)  # which pass over NaN
        high = np.asarray(np.fmax.reduce(X, axis=axis), dtype=np.float64)
        half_range = high / 2 - low / 2
        centre = np.asarray(low + half_range)
        return cls(image_shape, centre, np.where(half_range > 0, half_range, 1.0), downsample)

    @classmethod
    def in_bins(cls, X: NDArray[Any], n_bins: int) -> "Representation":
        """Learn bins of each feature of vectors that have the same number of training samples.

        This is the piecewise linear encoding of Gorishniy et al. [1]_, on [-1, 1].

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            May have NaN.
        n_bins : int
            At most: where many samples have the same value there are fewer.

        References
        ----------
        .. [1] Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical Features in
           Tabular Deep Learning", NeurIPS 2022.
        """
        edges = [_edges(np.asarray(column, dtype=np.float64), n_bins) for column in X.T]
        low, high = (np.concatenate([e[which] for e in edges]) for which in (_LOWER, _UPPER))
        half_range = high / 2 - low / 2
        bins = np.array([len(e) - 1 for e in edges])
        return cls(None, low + half_range, half_range, bins=bins)

    @classmethod
    def of_photographs(cls, X: NDArray[Any], image_shape: ImageShape | None) -> "Representation":
        """Scale pictures as pretrained networks saw them: bytes by 255, floats in [0, 1] by 1.

        Dark pictures stay dark. Others, and vectors, have the range of the training samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        image_shape : tuple (height, width, channels) or None
        """
        high = 255 if X.dtype == np.uint8 else 1
        if image_shape is None or X.min() < 0 or X.max() > high:
            return cls.fit(X, image_shape)
        middle = np.asarray(high / 2)
        return cls(image_shape, middle, middle)

    @classmethod
    def standardise(cls, X: NDArray[Any], map_shape: ImageShape | None) -> "Representation":
        """Learn mean and standard deviation of each channel of features, block by block.

        Five standard deviations are 1, where values are clipped: some channels are zero nearly
        everywhere, and would outweigh all others where they are not.

        Parameters
        ----------
        X : ndarray of shape (n_samples, height * width * channels)
        map_shape : tuple (height, width, channels) or None
            None for rows of features.
        """
        n_channels = X.shape[1] if map_shape is None else map_shape[2]
        scaler = StandardScaler()
        for block in gen_batches(len(X), _BLOCK):
            scaler.partial_fit(X[block].reshape(-1, n_channels).astype(np.float64))
        return cls(map_shape, scaler.mean_, _DEVIATIONS * scaler.scale_, limit=1.0)

    def check_stored(self) -> None:
        """Refuse what cannot be of one fit: vectors have a range for each feature."""
        same = self.centre.shape == self.half_range.shape
        require(same, f"ranges have the shapes {self.centre.shape} and {self.half_range.shape}")
        if self.image_shape is None:
            fits = self.centre.ndim == 1 and self.downsample == 1
            fits = fits and (self.bins is None or self.bins.sum() == len(self.centre))
        else:
            channels = (self.image_shape[2],)
            fits = self.centre.shape in ((), channels)
            fits = fits and self.downsample <= min(self.image_shape[:2]) and self.bins is None
        require(fits, "the ranges or 'downsample' do not suit the shape of the samples")

    @property
    def n_features(self) -> int:
        """Of a row of X."""
        if self.image_shape is not None:
            return math.prod(self.image_shape)
        return len(self.centre if self.bins is None else self.bins)

    def typical_rows(self) -> NDArray[np.float64]:
        """Two samples in the training range: its middle, and half way up to its end."""
        steps = np.array([[0.0], [0.5]])
        centre, half_range = self.centre, self.half_range
        if self.bins is not None:  # of the first bin of each feature
            centre, half_range = centre[self.first_elements], half_range[self.first_elements]
        each = np.resize(centre, self.n_features), np.resize(half_range, self.n_features)
        return each[0] + steps * each[1]

    @property
    def every_pixel(self) -> "Representation":
        """The same without averaging."""
        return replace(self, downsample=1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample as networks take it: (channels, height, width), or (n_elements,)."""
        if self.image_shape is None:
            return self.centre.shape
        height, width, channels = self.image_shape
        return channels, -(-height // self.downsample), -(-width // self.downsample)

    def scale(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Scale rows."""
        return self.scaled(torch.from_numpy(X.astype(np.float64))).numpy()

    def tensor(self, X: NDArray[Any], dtype: torch.dtype = torch.float32) -> Tensor:
        """Rows as network input of shape (n, *shape); images are channels last in memory."""
        return self.as_input(self.scaled(torch.from_numpy(X.astype(np.float64))).to(dtype))

    def scaled(self, rows: Tensor) -> Tensor:
        """Rows of float64 scaled in that, so that large offsets cost no precision, as float32."""
        values = rows
        if self.centre.ndim and self.image_shape is not None:  # a range for each channel
            values = rows.unflatten(1, (-1, len(self.centre)))
        elif self.bins is not None:
            values = rows[:, torch.from_numpy(self._feature_of_element)]
        scaled = (values - torch.from_numpy(self.centre)) / torch.from_numpy(self.half_range)
        scaled = scaled.clamp(-self.limit, self.limit)
        if self.bins is not None:
            scaled = scaled.clamp(*map(torch.from_numpy, self._bounds))
        return scaled.float().flatten(1)

    @cached_property
    def first_elements(self) -> NDArray[np.int64]:
        """Of the bins of each feature, of shape (n_features,)."""
        assert self.bins is not None
        return np.cumsum(self.bins) - self.bins

    @cached_property
    def _feature_of_element(self) -> NDArray[np.int64]:
        assert self.bins is not None
        return np.repeat(np.arange(len(self.bins)), self.bins)

    @cached_property
    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Between which each bin's element lies; the outer ones are open."""
        assert self.bins is not None
        low, high = np.full(len(self.centre), -1.0), np.full(len(self.centre), 1.0)
        low[self.first_elements], high[self.first_elements + self.bins - 1] = -np.inf, np.inf
        return low, high

    @cached_property
    def _elements_of_feature(self) -> NDArray[np.int64]:
        """Of shape (n_features, most bins), filled up with the number of all elements."""
        assert self.bins is not None
        places = np.arange(self.bins.max())
        elements = self.first_elements[:, None] + places
        return np.where(places < self.bins[:, None], elements, self.bins.sum())

    def as_input(self, scaled: Tensor) -> Tensor:
        """Scaled rows as network input of shape (n, *shape)."""
        if self.image_shape is None:
            return scaled
        images = scaled.unflatten(1, self.image_shape).permute(0, 3, 1, 2)
        return average_squares(images, self.downsample)

    def features_last(self, x: Tensor) -> Tensor:
        """Network tensors of shape (..., *shape) flattened in the order of the features of X."""
        if self.image_shape is not None:
            x = x.movedim(-3, -1)
        return x.flatten(-len(self.shape))

    def to_user(self, x: Tensor) -> NDArray[Any]:
        """Network tensors of shape (..., *shape) as the user has them: channels last, if any."""
        if self.image_shape is not None:
            x = x.movedim(-3, -1)
            x = x.squeeze(-1) if self.shape[0] == 1 else x
        return x.cpu().numpy()

    def to_grid(self, errors: Tensor) -> Tensor:
        """Errors in the order of the features as means over the channels, one for each position.

        Returns
        -------
        grid : Tensor of shape (n, height, width), as the networks see samples, or (n, n_features)
            Of vectors in bins, a feature's mean counts by how many bins it has, so that the mean
            of the grid is that of the errors.
        """
        if self.image_shape is None:
            if self.bins is None:
                return errors
            share = len(self.bins) * self.bins / len(self.centre)
            return self.means_of_bins(errors) * torch.from_numpy(share)
        channels, *sides = self.shape
        return errors.unflatten(1, (*sides, channels)).mean(dim=3)

    def means_of_bins(self, elements: Tensor) -> Tensor:
        """Means of (n, n_elements) over the bins of each feature, of shape (n, n_features)."""
        assert self.bins is not None
        table, bins = torch.from_numpy(self._elements_of_feature), torch.from_numpy(self.bins)
        return F.pad(elements, (0, 1))[:, table].sum(dim=2) / bins

    def to_maps(self, grid: Tensor) -> Tensor:
        """Means of :meth:`to_grid` at the size of the user's images.

        Returns
        -------
        maps : Tensor of shape (n, height, width) or (n, n_features)
            Pixels of a square have the same value.
        """
        if self.image_shape is None:
            return grid
        maps, (height, width, _) = grid, self.image_shape
        for axis in (1, 2):
            maps = maps.repeat_interleave(self.downsample, dim=axis)
        return maps[:, :height, :width]


@dataclass(frozen=True)
class Samples:
    """The user's array, handed out batch by batch as network input.

    Attributes
    ----------
    X : ndarray or memmap of shape (n_samples, n_features)
    representation : Representation
    dtype : torch.dtype
        Of the batches.
    """

    X: NDArray[Any]
    representation: Representation
    dtype: torch.dtype = torch.float32

    @property
    def size(self) -> int:
        """Elements of a sample of a batch."""
        return math.prod(self.representation.shape)

    @cached_property
    def missing(self) -> bool:
        """Whether values are missing; those of vectors may be, and are NaN in batches too."""
        vectors = self.representation.image_shape is None and self.X.dtype.kind == "f"
        return vectors and bool(np.isnan(self.X.min()))

    def __len__(self) -> int:
        return len(self.X)

    def batch(self, index: NDArray[np.intp] | slice) -> Tensor:
        """Samples by index, of shape (n, *shape)."""
        return self.representation.tensor(self.X[index], self.dtype)


_NARROWEST = 1e-6  # bin relative to the range of a feature: less is rounding
_LOWER, _UPPER = slice(None, -1), slice(1, None)


def _edges(column: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Quantiles, from the minimum to the maximum; a constant is in the middle of its bin."""
    edges = np.unique(np.nanquantile(column, np.linspace(0, 1, n_bins + 1)))
    narrow = np.diff(edges) <= _NARROWEST * (edges[-1] - edges[0])
    edges = edges[np.append(True, ~narrow)]
    return edges if len(edges) > 1 else edges + np.array([-1.0, 1.0])


def average_squares(images: Tensor, side: int) -> Tensor:
    """Images of (n, channels, height, width) with the mean of every square of pixels as a pixel.

    Where the sides are not multiples, the squares at the lower and right edges are cut off.
    """
    if side == 1:
        return images
    return F.avg_pool2d(images, side, ceil_mode=True, count_include_pad=False)
