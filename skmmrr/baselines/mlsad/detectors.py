"""The patch detectors (section 3.2): a network a level, and the loss that trains it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of leaky ReLUs
TERMS = ("structure_loss", "position_loss")  # of loss (3), besides that of normal windows

_LARGEST_KERNEL = 4  # of the first convolution; 3x3 ones follow
_STEM_CHANNELS = {1: (64,), 2: (64,), 4: (128,)}  # as the discriminators' (table 6)
_DEEP_CHANNELS = (64, 128, 256)  # of higher levels; the last one again and again
_HEAD_FEATURES = {1: 128, 2: 128, 4: 256}
_MOST_FEATURES = 512  # of the heads of higher levels
_MOST_INNER_FEATURES = 256  # of residual blocks


class PatchDetector(nn.Module):
    r"""Logits of abnormality of all windows of one size, from their pixels and their place.

    Convolutions without padding see :math:`r \times r` pixels. Where a window lies joins them
    after that, and all layers from there on look at single windows: so a false place cannot be
    told by what its neighbours say.

    Parameters
    ----------
    shape : tuple (channels, height, width)
        Of the images.
    level : int
        Side :math:`r` of the windows.
    width : int
        Most features of a layer; 512 leaves all layers as wide as the paper's.
    n_blocks : int
        Residual blocks after the place has joined.
    stride : int, default=1
        Pixels from one window to the next.
    dropout : float, default=0.0
        Share of features that a residual block drops in training.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        level: int,
        width: int,
        n_blocks: int,
        stride: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        features, *sides = shape
        self.level, self.stride = level, stride
        self.rows, self.columns = ((side - level) // stride + 1 for side in sides)
        layers: list[nn.Module] = []
        kernel, step = min(level, _LARGEST_KERNEL), stride
        for channels in stem_channels(level, stride):
            convolution = nn.Conv2d(features, min(channels, width), kernel, step)
            layers += [convolution, nn.LeakyReLU(SLOPE)]
            features, kernel, step = convolution.out_channels, 3, 1
        self.stem = nn.Sequential(*layers)
        head = min(_HEAD_FEATURES.get(level, _MOST_FEATURES), width)
        self.join = nn.Conv1d(features + 2, head, 1)
        self.blocks = nn.Sequential(*(ResidualBlock(head, dropout) for _ in range(n_blocks)))
        self.output = nn.Conv1d(head, 1, 1)

    @property
    def n_windows(self) -> int:
        """Of an image."""
        return self.rows * self.columns

    def features(self, x: Tensor) -> Tensor:
        """What the convolutions see in every window, (n, features, n_windows)."""
        seen: Tensor = self.stem(x)
        return seen.flatten(2)

    def places(self, windows: Tensor) -> Tensor:
        """Where windows (n, k) of some numbers lie among all of an image: (n, 2, k) in [-1, 1]."""
        numbers = windows // self.columns, windows % self.columns
        lengths = self.rows, self.columns
        axes = [2 * i / max(1, n - 1) - 1 for i, n in zip(numbers, lengths, strict=True)]
        return torch.stack(axes, dim=1)

    def judge(self, features: Tensor, places: Tensor) -> Tensor:
        """Logits of windows, (n, k), from their features (n, f, k) and places (n, 2, k)."""
        joined = self.join(torch.cat([features, places.to(features.dtype)], dim=1))
        logits: Tensor = self.output(F.leaky_relu(self.blocks(joined), SLOPE))
        return logits.squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of all windows of images, each at its place: (n, rows, columns)."""
        windows = torch.arange(self.n_windows, device=x.device).expand(len(x), -1)
        logits = self.judge(self.features(x), self.places(windows))
        return logits.unflatten(1, (self.rows, self.columns))


class ResidualBlock(nn.Module):
    """Two layers of single windows, an activation before each, and their sum with the input."""

    def __init__(self, features: int, dropout: float = 0.0) -> None:
        super().__init__()
        inner = min(features, _MOST_INNER_FEATURES)
        self.first, self.second = nn.Conv1d(features, inner, 1), nn.Conv1d(inner, features, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Features (n, f, k) of windows, changed."""
        inner = F.leaky_relu(self.first(F.leaky_relu(x, SLOPE)), SLOPE)
        changed: Tensor = self.second(self.dropout(inner))
        return x + changed


def stem_channels(level: int, stride: int) -> tuple[int, ...]:
    """Features of the convolutions: one, and a 3x3 one for each ring of pixels around it."""
    if level in _STEM_CHANNELS:
        return _STEM_CHANNELS[level]
    n_rings = (level - _LARGEST_KERNEL) // (2 * stride)
    return (*_DEEP_CHANNELS, *(_DEEP_CHANNELS[-1],) * n_rings)[: n_rings + 1]


def suits(level: int, stride: int) -> bool:
    """Whether convolutions of :func:`stem_channels` see exactly the windows of a level."""
    if level <= _LARGEST_KERNEL:
        return level in _STEM_CHANNELS
    return (level - _LARGEST_KERNEL) % (2 * stride) == 0


@dataclass(frozen=True)
class Contrast:
    """Loss (3): normal windows at their place, against two kinds of abnormal ones.

    Attributes
    ----------
    structure_weight, position_weight : float
        Of windows of fakes, and of normal ones at a false place: alpha and beta. What has no weight
        is not computed.
    noise : float
        Deviation of what is added to all pixels.
    n_windows : int or None
        So many windows of each image, drawn at random, stand for all of them; None takes all.
    """

    structure_weight: float
    position_weight: float
    noise: float = 0.0
    n_windows: int | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms that are computed, in their order."""
        weights = self.structure_weight, self.position_weight
        return tuple(name for name, weight in zip(TERMS, weights, strict=True) if weight)

    def __call__(
        self, detector: PatchDetector, x: Tensor, fake: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Loss of each image, (n,), from normal images and fakes (n, channels, height, width)."""
        return self._windows(detector, x, fake, generator)[0].mean(dim=1)

    def with_terms(
        self, detector: PatchDetector, x: Tensor, fake: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Loss of each image and its terms without their weights, (n, 1 + n_terms)."""
        each = self._windows(detector, x, fake, generator)
        return torch.stack([windows.mean(dim=1) for windows in each], dim=1)

    def _windows(
        self, detector: PatchDetector, x: Tensor, fake: Tensor, generator: torch.Generator
    ) -> list[Tensor]:
        """Loss of each window, (n, n_windows), and its terms."""
        features, windows = self._seen(detector, x, fake, generator)
        normal, structure = features.split(len(x)) if self.structure_weight else (features, None)
        false = torch.randint(
            detector.n_windows, windows.shape, generator=generator, device=x.device
        )
        abnormal = [
            (self.structure_weight, structure, windows),
            (self.position_weight, normal, false),
        ]
        parts = [(1.0, normal, windows), *(part for part in abnormal if part[0])]
        weights, seen, places = zip(*parts, strict=True)
        logits = detector.judge(torch.cat(seen), detector.places(torch.cat(places)))
        first, *others = logits.to(x.dtype).split(len(x))
        loss = F.softplus(first)  # -log(1 - S)
        terms = [F.softplus(-each) for each in others]  # -log S
        for weight, term in zip(weights[1:], terms, strict=True):
            loss = loss + weight * term
        return [loss, *terms]

    def _seen(
        self, detector: PatchDetector, x: Tensor, fake: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Features of the chosen windows of all images, and the numbers of the windows."""
        images = torch.cat([x, fake]) if self.structure_weight else x
        if self.noise:
            drawn = torch.randn(images.shape, generator=generator, device=x.device, dtype=x.dtype)
            images = images + self.noise * drawn
        features, total = detector.features(images), detector.n_windows
        if self.n_windows is None or self.n_windows >= total:
            return features, torch.arange(total, device=x.device).expand(len(x), -1)
        shape = (len(x), self.n_windows)
        windows = torch.randint(total, shape, generator=generator, device=x.device)
        index = windows.repeat(len(images) // len(x), 1)[:, None]
        return features.gather(2, index.expand(-1, features.shape[1], -1)), windows
