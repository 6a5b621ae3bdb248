"""Images that look normal through small windows and abnormal through larger ones (section 3.1)."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def noise(
    shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Level 0: every value from U(-1, 1)."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=dtype) * 2 - 1


def shuffled(pool: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Level 1: every pixel from a normal image of its own, at its place.

    Parameters
    ----------
    pool : Tensor of shape (n_pool, channels, height, width)
        Normal images.
    n : int
        How many fakes.
    generator : torch.Generator
    """
    shape = n, *pool.shape[2:]
    return _pixels(pool, torch.randint(len(pool), shape, generator=generator, device=pool.device))


def blended(pool: Tensor, mean: Tensor, n: int, tile: int, generator: torch.Generator) -> Tensor:
    """Tiles of normal images at their places, each from an image of its own, without seams.

    Tiles overlap, and where they do, deviations from the mean image are added with weights whose
    squares sum to 1: so blended pixels vary as much as others do [1]_. Every fake has a grid of
    its own.

    Parameters
    ----------
    pool : Tensor of shape (n_pool, channels, height, width)
        Normal images.
    mean : Tensor of shape (channels, height, width)
        Of all of them.
    n, tile : int
        How many fakes, and how many pixels from one tile to the next.
    generator : torch.Generator

    References
    ----------
    .. [1] E. Heitz and F. Neyret, "High-performance by-example noise using a histogram-preserving
       blending operator", Proc. ACM Comput. Graph. Interact. Tech. 1(2), 2018.
    """
    device, sides = pool.device, pool.shape[2:]
    n_tiles = [math.ceil(side / tile) + 2 for side in sides]
    sources = torch.randint(len(pool), (n, *n_tiles), generator=generator, device=device)
    corner = tile * torch.rand((2, n, 1), generator=generator, device=device)
    position = [
        (torch.arange(side, device=device) + offset) / tile
        for side, offset in zip(sides, corner, strict=True)
    ]
    (row, y), (column, x) = ((p.long(), p.frac()) for p in position)
    image = torch.arange(n, device=device)[:, None, None]
    total, squares = torch.zeros_like(pool[:1]), torch.zeros_like(mean[:1])
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (y if down else 1 - y)[:, :, None] * (x if right else 1 - x)[:, None, :]
        chosen = sources[image, (row + down)[:, :, None], (column + right)[:, None, :]]
        total = total + weight[:, None] * (_pixels(pool, chosen) - mean)
        squares = squares + weight.square()
    return (mean + total / squares.sqrt()[:, None]).clamp(-1, 1)


def _pixels(pool: Tensor, sources: Tensor) -> Tensor:
    """Pixels (n, channels, height, width), each at its place in the image that is named for it."""
    height, width = pool.shape[2:]
    place = torch.arange(height * width, device=pool.device).view(height, width)
    pixels = pool.movedim(1, 3).reshape(-1, pool.shape[1])  # no copy if channels are last in memory
    return F.embedding(sources * (height * width) + place, pixels).movedim(3, 1)
