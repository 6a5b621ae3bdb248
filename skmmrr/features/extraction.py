"""From the user's samples to rows of features, block by block."""

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from skmmrr.core.alignment import lie_alike
from skmmrr.core.chunks import evenly_spaced, padded_chunks, rows_per_chunk, sample_chunks
from skmmrr.core.devices import autocast, module_on_device, resolve_precision
from skmmrr.core.kinds import Flag, Integer, Items, Maybe, Real, Text, record, require, stored
from skmmrr.core.validation import shown
from skmmrr.features.networks import NAMES, FeatureNetwork, Stages, load_network
from skmmrr.features.registration import STRIDE, Registration, unregister
from skmmrr.options import FeatureMaps
from skmmrr.representation import ImageShape, Representation, Samples

Features = str | nn.Module | Callable[[NDArray[Any]], ArrayLike]

_NAME = r"efficientnet-lite0|timm:[A-Za-z0-9_.]{1,100}"  # in files: of no hub
_CALLABLE_ROWS = 64
_NARROWS_BY = 16  # the maps of a feature network soon have fewer elements than its input
_LEAST_SIZE = 512  # elements: small images go through a network 64 at a time on a CPU
_IN_MEMORY = 2**30  # bytes of features; more of them are kept in a temporary file
_TURNS = range(4)  # quarters, by which copies of training pictures are turned
_ALIGNMENT_PICTURES = 100  # that are looked at
_LARGEST_HALF = float(np.finfo(np.float16).max)
_SMOOTHING = 1 / 64  # standard deviation over the picture's shorter side: PatchCore's 4 of 256


@stored(
    features=Maybe(Text(_NAME)),
    maps=Flag(),
    input_size=Maybe(Integer(1)),
    stages=Maybe(Items(Integer(0, 100), 100, least=1)),
    grid=Maybe(Integer(1, 2**12)),
    unit_length=Flag(),
    smoothing=Real(0, 1e4),
    rotate=Maybe(Flag()),
    shape=Items(Integer(1, 2**31), 3, least=1),
    representation=record(Representation),
    digest=Maybe(Text(r"[0-9a-f]{64}")),
    registration=Maybe(record(Registration)),
)
@dataclass(eq=False)
class FeatureExtractor:
    """Where features come from, as it was at the fit.

    Attributes
    ----------
    features : None, str, nn.Module or callable
        None has the scaled samples themselves.
    maps : bool
        Whether features keep their place.
    input_size : int or None
        Height and width to which pictures are resized for a network.
    stages : tuple of int or None
    grid : int or None
        Height and width of the maps; None is the last stage's.
    unit_length : bool
        Whether rows of features are scaled to unit length; maps are not.
    smoothing : float
        Standard deviation of the Gaussian that smooths anomaly maps, in pixels of the picture.
    rotate : bool or None
        Whether training pictures are learned rotated too. None until :meth:`learned_rows` has
        chosen, and for rows.
    shape : tuple
        Of one sample's features: (height, width, channels) of maps, else (n_features,).
    representation : Representation
        Of the pictures or vectors that features are made of.
    digest : str or None
        Of a network's weights.
    registration : Registration or None
        By which pictures are turned and shifted before a network sees them.
    align : bool or None
        Whether there is to be one; None lets :meth:`learned_rows` choose.
    network : FeatureNetwork or None
        On the CPU; loaded by its name.
    """

    features: Features | None
    maps: bool
    input_size: int | None
    stages: Stages | None
    grid: int | None
    unit_length: bool
    smoothing: float
    rotate: bool | None
    shape: tuple[int, ...]
    representation: Representation
    digest: str | None
    registration: Registration | None = None
    align: bool | None = field(default=None, repr=False)
    network: FeatureNetwork | None = field(default=None, repr=False)

    @classmethod
    def fit(
        cls,
        X: NDArray[Any],
        image_shape: ImageShape | None,
        features: Features | None,
        options: FeatureMaps | None,
        maps: bool,
        unit_length: bool,
        owner: str,
    ) -> "FeatureExtractor":
        """Load the network, and learn the range of the samples.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Validated; images are flattened.
        image_shape : tuple (height, width, channels) or None
        features : None, str, nn.Module or callable
            Checked by :func:`check_features`.
        options : FeatureMaps or None
        maps, unit_length : bool
        owner : str
            The detector, for error messages.

        Raises
        ------
        ValueError
            If the features cannot be those of such samples.
        """
        options = options or FeatureMaps()
        network, places = None, maps and options.grid != 1
        if options.grid is not None and not isinstance(features, str | nn.Module):
            raise ValueError(
                f"The parameter 'feature_maps.grid' of {owner} brings maps of a network to a "
                f"grid. Got {options.grid} for features={shown(features)}: return such maps from "
                "the callable, and set grid=None."
            )
        if isinstance(features, str | nn.Module):
            if isinstance(features, str):
                _check_pictures(features, image_shape, X.shape[1], owner)
            network = load_network(features, options.input_size, options.stages, places, owner)
        seen = Representation.fit if network is None else Representation.of_photographs
        smoothing = options.smoothing
        if smoothing is None:
            smoothing = _SMOOTHING * min(image_shape[:2]) if image_shape is not None else 0.0
        made = cls(
            features=features,
            maps=maps,
            input_size=options.input_size if network is None else network.input_size,
            stages=options.stages,
            grid=options.grid,
            unit_length=unit_length,
            smoothing=float(smoothing),
            rotate=options.rotate,
            shape=(),
            representation=seen(X, image_shape),
            digest=network.digest() if isinstance(features, str) and network else None,
            align=options.align,
            network=network,
        )
        try:
            made.shape = made._found_shape(X[:1], owner)
        except RuntimeError as error:  # of torch
            raise ValueError(
                f"The network of {owner} cannot take pictures of this size. Set "
                f"feature_maps.input_size. {error}"
            ) from error
        made._check_turns(owner)
        return made

    def _check_turns(self, owner: str) -> None:
        for name in ("rotate", "align"):
            if getattr(self, name) and self.map_shape is not None and not self._is_square:
                raise ValueError(
                    f"The parameter 'feature_maps.{name}' of {owner} needs square pictures. Got "
                    f"{self.representation.image_shape}. Resize or pad them, or set {name}=False."
                )
        if self.align and self.rotate:
            raise ValueError(
                f"The parameters 'feature_maps.align' and 'feature_maps.rotate' of {owner} are "
                "both True, but aligned parts lie at one angle. Set one of them to False."
            )
        if self.align and (self.network is None or self.map_shape is None):
            raise ValueError(
                f"The parameter 'feature_maps.align' of {owner} needs feature maps of a network. "
                "Align the pictures before, or set align=False."
            )

    def _found_shape(self, X: NDArray[Any], owner: str) -> tuple[int, ...]:
        found = next(self._chunks(X, torch.device("cpu"), "float32", 0))[1]
        shape = tuple(found.shape[1:])
        if self.maps and len(shape) not in (1, 3):
            raise ValueError(
                f"The parameter 'features' of {owner} must return maps of shape (n, height, width, "
                f"channels), or rows. Got a shape of {found.shape}."
            )
        return shape if self.maps else (math.prod(shape),)

    @property
    def _is_square(self) -> bool:
        shape = self.representation.image_shape
        return shape is not None and shape[0] == shape[1]

    @property
    def map_shape(self) -> ImageShape | None:
        """Height, width and channels of maps; None for rows."""
        return None if len(self.shape) != 3 else (self.shape[0], self.shape[1], self.shape[2])

    def check_stored(self) -> None:
        """Refuse what no fit has."""
        require((self.digest is None) == (self.features is None), "features lack their digest")
        require(len(self.shape) in ((1, 3) if self.maps else (1,)), "features lack their shape")
        require(self.representation.downsample == 1, "features are of pictures as they are")
        if self.registration is not None:
            maps = self._is_square and self.map_shape is not None
            seen = maps and self.features is not None and self.input_size is not None
            require(seen, "only square pictures that a network sees are registered")
            most = 2 * max(self.input_size or 0, STRIDE) ** 2
            require(math.prod(self.registration.size) <= most, "its frame is too large")

    def load(self, owner: str) -> None:
        """Load the network that a file names."""
        if isinstance(self.features, str) and self.network is None:
            places = self.maps and self.grid != 1
            network = load_network(self.features, self.input_size, self.stages, places, owner)
            if network.digest() != self.digest:
                raise ValueError(
                    f"The weights of {self.features!r} are not those that this {owner} was fitted "
                    "with. Install the version of the package that it was fitted with, or fit anew."
                )
            self.network = network

    def learned_rows(
        self, X: NDArray[Any], device: torch.device, precision: str, verbose: int = 0
    ) -> NDArray[Any]:
        """Learn how to align parts that lie anywhere; features of training samples.

        Where :attr:`rotate` says so, also those of their rotated copies.

        Returns
        -------
        rows : ndarray of shape (n_turns * n_samples, prod(shape))
            As :meth:`rows` has them; all samples, then all of them turned by 90 degrees, and so on.
        """
        if self.map_shape is not None:
            some = X[evenly_spaced(len(X), _ALIGNMENT_PICTURES)]
            self._choose_turns(some, lambda: self.rows(some, device, precision, verbose))
        turns = _TURNS if self.rotate and self.map_shape is not None else _TURNS[:1]
        return self.rows(X, device, precision, verbose, turns)

    def _choose_turns(self, X: NDArray[Any], rows: Callable[[], NDArray[Any]]) -> None:
        """Align what lies anywhere, where that makes it lie alike, and rotate it else."""
        if self.align:
            self._align(X)
            if self.registration is None:
                raise ValueError(
                    "feature_maps.align is True, but the training pictures do not each show a part "
                    "that stands out from the border, is longer than wide, and fits the picture at "
                    "any angle. Set align=False."
                )
        elif (
            self._is_square and len(X) > 1 and not self.rotate and None in (self.rotate, self.align)
        ):
            shape, anywhere = self.shape, not self._lie_alike(rows())
            if anywhere and self.align is None and self.network is not None:
                self._align(X)
                if self.registration is not None and not self._lie_alike(rows()):
                    self.registration, self.shape = None, shape
            if self.rotate is None:
                self.rotate = anywhere and self.registration is None
        self.rotate, self.align = bool(self.rotate), self.registration is not None

    def _align(self, X: NDArray[Any]) -> None:
        network, shape = self.network, self.representation.image_shape
        assert network is not None
        assert shape is not None
        pictures = (x[:n] for n, x in self._pictures(X))
        side = network.input_size or shape[0]
        self.registration = Registration.fit(pictures, side, network.square)
        if self.registration is not None:
            self.shape = self._found_shape(X[:1], "")

    def _lie_alike(self, rows: NDArray[Any]) -> bool:
        return lie_alike(Samples(rows, Representation.standardise(rows, self.map_shape)))

    def rows(
        self,
        X: NDArray[Any],
        device: torch.device,
        precision: str,
        verbose: int = 0,
        turns: range = _TURNS[:1],
    ) -> NDArray[Any]:
        """Features of samples, in chunks of one constant shape.

        Returns
        -------
        rows : ndarray of shape (len(turns) * n_samples, prod(shape))
            Float32; maps are float16, channels last. More than a gigabyte lies in a temporary file.
        """
        dtype = np.float16 if self.map_shape is not None else np.float32
        rows = _room((len(turns) * len(X), math.prod(self.shape)), dtype)
        for turn, turned in zip(turns, np.split(rows, len(turns)), strict=True):
            for kept, found in self._chunks(X, device, precision, verbose, turn):
                if not np.isfinite(found).all():
                    raise ValueError(
                        f"Features must be finite. Got NaN or infinity from {self.features!r}."
                    )
                turned[kept] = self._stored(found.reshape(len(found), -1))
        return rows

    def _stored(self, found: NDArray[np.float32]) -> NDArray[Any]:
        if self.map_shape is not None:
            return found.clip(-_LARGEST_HALF, _LARGEST_HALF)
        if not self.unit_length:
            return found
        length = np.sqrt(np.square(found, dtype=np.float64).sum(axis=1, keepdims=True))
        return found / np.where(length > 0, length, 1)

    def maps_of(self, grid: Tensor, X: NDArray[Any]) -> Tensor:
        """Anomaly maps of samples, of shape (n, height, width), from those of their features."""
        return self.to_pictures(grid, self._poses(X))

    def _poses(self, X: NDArray[Any]) -> Tensor | None:
        if self.registration is None:
            return None
        return torch.cat([self.registration.poses(x)[:n] for n, x in self._pictures(X)])

    def _pictures(self, X: NDArray[Any]) -> Iterator[tuple[int, Tensor]]:
        """Chunks of one constant shape: pictures, and how many of them count."""
        device = torch.device("cpu")
        rows, samples = self._rows_per_chunk(X, device), Samples(X, self.representation)
        for kept, x in sample_chunks(samples, rows, device):
            yield kept.stop - kept.start, x

    def to_pictures(self, grid: Tensor, poses: Tensor | None) -> Tensor:
        """Anomaly maps of a grid, of shape (n, h, w), at the size of the pictures, smoothed.

        `poses` are those of the registration, if there is one.
        """
        assert self.representation.image_shape is not None
        size = self.representation.image_shape[:2]
        maps = grid if poses is None else unregister(grid, poses, size)
        return smooth_maps(maps, size, self.smoothing)

    def _chunks(
        self, X: NDArray[Any], device: torch.device, precision: str, verbose: int, turn: int = 0
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        if self.network is not None:
            return self._by_network(self.network, X, device, precision, verbose, turn)
        if callable(self.features):
            return self._by_callable(self.features, X, turn)
        return iter([(slice(None), self.representation.scale(X))])

    @torch.no_grad()
    def _by_network(
        self,
        network: FeatureNetwork,
        X: NDArray[Any],
        device: torch.device,
        precision: str,
        verbose: int,
        turn: int,
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        network = module_on_device(network, device)
        samples = Samples(X, self.representation)
        precision = "float32" if precision == "float64" else precision
        dtype = resolve_precision(precision, device, self.representation.image_shape is not None)
        rows = self._rows_per_chunk(X, device)
        for kept, x in sample_chunks(samples, rows, device, verbose):
            x = self.seen(network, x)
            x = torch.rot90(x, turn, (2, 3)) if turn else x
            with autocast(dtype, device):
                found = self.of_batch(network, x)
            yield kept, found[: kept.stop - kept.start].cpu().numpy()

    def _rows_per_chunk(self, X: NDArray[Any], device: torch.device) -> int:
        assert self.network is not None
        size = 3 * self.network.input_size**2 if self.network.input_size else X.shape[1]
        return rows_per_chunk(max(_LEAST_SIZE, size // _NARROWS_BY), device)

    def seen(self, network: Any, x: Tensor) -> Tensor:
        """Pictures or vectors as the network sees them: registered, or resized."""
        return network.resized(x) if self.registration is None else self.registration.register(x)

    def of_batch(self, network: Any, x: Tensor) -> Tensor:
        """Features of what the network sees, of shape ``(n, *shape)``."""
        if not self.maps or self.grid == 1:
            return network.pooled(x)
        return network.maps(x, self.grid).movedim(1, -1)

    def _by_callable(
        self, function: Callable[[NDArray[Any]], ArrayLike], X: NDArray[Any], turn: int
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        image_shape = self.representation.image_shape
        for kept, index in padded_chunks(len(X), _CALLABLE_ROWS):
            samples = X[index]
            if image_shape is not None:
                samples = samples.reshape(-1, *image_shape[: 2 if image_shape[2] == 1 else 3])
            if turn:
                samples = np.ascontiguousarray(np.rot90(samples, turn, (1, 2)))
            found = np.asarray(function(samples), dtype=np.float32)
            if found.ndim == 0 or len(found) != len(samples):
                raise ValueError(
                    "The callable 'features' must return numbers, one row for each of the "
                    f"{len(samples)} samples it gets. Got an array of shape {found.shape}."
                )
            found = found.reshape(len(found), -1) if found.ndim == 1 else found
            yield kept, found[: kept.stop - kept.start]


def check_features(features: Any, owner: str) -> None:
    """Raise TypeError or ValueError unless `features` is as documented."""
    if isinstance(features, str):
        name = features.startswith("timm:") and len(features) > len("timm:")
        if not name and features not in NAMES[:-1]:
            raise ValueError(
                f"The parameter 'features' of {owner} must be one of {NAMES}. Got "
                f"{shown(features)}. A torch module or a callable gives features of another kind."
            )
    elif features is not None and not callable(features):
        raise TypeError(
            f"The parameter 'features' of {owner} must be None, one of {NAMES}, a torch module or "
            f"a callable. Got {shown(features)}."
        )


def smooth_maps(maps: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Anomaly maps at another size: bilinear, then a Gaussian, as PatchCore does.

    Parameters
    ----------
    maps : Tensor of shape (n, h, w)
    size : tuple (height, width)
    sigma : float
        Standard deviation of the Gaussian, in pixels of that size; 0 leaves it out.

    Returns
    -------
    smooth : Tensor of shape (n, height, width)
    """
    for n_in, n_out in zip(maps.shape[1:], size, strict=True):  # axis by axis: it is separable
        matrix = _resizing(n_in, n_out, sigma).to(maps.device, maps.dtype)
        maps = (matrix @ maps).mT
    return maps


def _resizing(n_in: int, n_out: int, sigma: float) -> Tensor:
    """Matrix of float64 that resizes and smooths an axis; no torch, which exports would trace."""
    at = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    resized = [np.interp(at, np.arange(n_in), row) for row in np.eye(n_in)]
    return torch.from_numpy(gaussian_filter(resized, (0, sigma), mode="nearest").T.copy())


def _check_pictures(
    features: str, image_shape: ImageShape | None, n_features: int, owner: str
) -> None:
    if image_shape is None:
        raise ValueError(
            f"features={features!r} of {owner} needs images of shape (n, height, width[, "
            f"channels]). Got vectors of {n_features} features. Give image_shape if the rows are "
            "flattened images, or features=None."
        )
    if image_shape[2] not in (1, 3):
        raise ValueError(
            f"features={features!r} of {owner} needs grey or colour images. Got {image_shape[2]} "
            "channels; choose 1 or 3 of them."
        )


def _room(shape: tuple[int, int], dtype: type[Any]) -> NDArray[Any]:
    """An array in memory or, where it is large, in a file that goes when it does."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= _IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:  # it is gone when the array is
        return np.memmap(file, dtype, "w+", shape=shape)
