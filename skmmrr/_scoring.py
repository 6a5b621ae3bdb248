"""Runs a fitted network over samples and levels, in chunks of one constant shape.

A chunk of another shape may take another kernel and round differently. So every chunk has
the shape that the sample size, the number of levels and the device ask for, padded where samples
or levels run out: a sample's score is the same alone, in any order and in any company.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from skmmrr._data import Samples
from skmmrr._device import autocast, elements_per_chunk, to_device
from skmmrr._random import torch_generator
from skmmrr.network import Draws, MMRREnsemble, MMRRNetwork

# torch computes tanh and sigmoid of the elements that do not fill a vector of the CPU by another
# formula. Chunks are whole vectors, so that no sample comes to lie there, or single samples.
_VECTOR = 32

# Passes whose samples are encoded, and masked, in one go: one by one these calls are too small.
_ENCODED = 4


def padded_chunks(n: int, size: int) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """Chunks of n items: which they are, and their index, filled up with the last one to `size`."""
    for start in range(0, n, size):
        index = np.arange(start, start + size)
        yield slice(start, min(start + size, n)), np.minimum(index, n - 1)


def sample_chunks(
    samples: Samples, size: int, device: torch.device, verbose: int = 0
) -> Iterator[tuple[slice, Tensor]]:
    """Pass over samples in chunks of one constant shape.

    Parameters
    ----------
    samples : Samples
    size : int
        Elements that a sample takes in the network.
    device : torch.device
    verbose : int, default=0
        1 shows progress.

    Yields
    ------
    kept : slice
        Which samples.
    x : Tensor of shape (n_rows, ...)
        They, and repetitions of the last one where samples run out.
    """
    yield from _batches(samples, _rows_per_chunk(size, 1, device), device, verbose)


@dataclass(frozen=True)
class Chunk:
    """Some samples at some levels, as one member of the ensemble sees them.

    Attributes
    ----------
    samples, levels : slice
        Which ones.
    x, embedding : Tensor of shape (n_samples, 1, ...)
    mask, restored, refined : Tensor of shape (n_samples, n_levels, ...)
        `refined` is `restored` where there is no refinement.
    """

    samples: slice
    levels: slice
    x: Tensor
    embedding: Tensor
    mask: Tensor
    restored: Tensor
    refined: Tensor


@dataclass(frozen=True)
class LevelPasses:
    """The networks, where they run, and the seed of their noise.

    Attributes
    ----------
    networks : MMRREnsemble
        In evaluation mode, on the device.
    refine : bool
        Whether to run the refinement network.
    noise_seed : int
        One draw of noise per member and level, for all samples, made on the CPU from these three.
    """

    networks: MMRREnsemble
    refine: bool
    noise_seed: int
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def chunks(
        self,
        samples: Samples,
        levels: NDArray[np.float64],
        members: Sequence[int],
        verbose: int = 0,
    ) -> Iterator[Chunk]:
        """Pass over all samples, some members and all levels; a member embeds it once."""
        n_levels, size = len(levels), math.prod(samples.shape)
        encoded, height, width = chunk_shape(size, n_levels, self.device)
        groups = list(padded_chunks(n_levels, width))
        draws = {
            member: [(kept, *self._draws(samples, levels[index], member)) for kept, index in groups]
            for member in members
        }
        for rows_kept, x in _batches(samples, encoded, self.device, verbose):
            for member, drawn in draws.items():
                yield from self._member_chunks(self.networks[member], rows_kept, x, height, drawn)

    def _member_chunks(
        self,
        network: MMRRNetwork,
        samples: slice,
        x: Tensor,
        height: int,
        draws: list[tuple[slice, Tensor, Draws]],
    ) -> Iterator[Chunk]:
        """Pass some samples through one member, so many of them at a time at each level."""
        with autocast(self.dtype, self.device):
            embedding, logits = network.encode(x)
        for levels_kept, level, drawn in draws:
            mask = _masks(network, logits, level, drawn)
            for start in range(samples.start, samples.stop, height):
                kept = slice(start, min(start + height, samples.stop))
                part = slice(start - samples.start, start - samples.start + height)
                tensors = x[part], embedding[part], mask[part]
                yield self._chunk(network, kept, levels_kept, *tensors, drawn)

    def _chunk(
        self,
        network: MMRRNetwork,
        samples: slice,
        levels: slice,
        x: Tensor,
        embedding: Tensor,
        mask: Tensor,
        draws: Draws,
    ) -> Chunk:
        height, width = mask.shape[:2]
        x_wide, embedding_wide = (t.repeat_interleave(width, dim=0) for t in (x, embedding))
        mask_wide, noise = mask.flatten(0, 1), _tile(draws.noise, height)
        with autocast(self.dtype, self.device):
            restored = network.restore(embedding_wide, mask_wide, noise)
            refined = restored
            if self.refine:
                refined = network.refine(x_wide, embedding_wide, mask_wide, noise, restored)
        s, g = samples.stop - samples.start, levels.stop - levels.start
        cut = [t.unflatten(0, (height, width))[:s, :g] for t in (mask_wide, restored, refined)]
        return Chunk(samples, levels, x[:s, None], embedding[:s, None], *cut)

    def _draws(
        self, samples: Samples, levels: NDArray[np.float64], member: int
    ) -> tuple[Tensor, Draws]:
        """The levels of a group, and its noise of shape (n_levels, ...)."""
        noise, uniform = draws_of_levels(
            levels, samples.shape, self.noise_seed, member, self.networks[member].masking.random
        )
        level_tensor = torch.tensor(levels, dtype=torch.float32, device=self.device)
        return level_tensor, Draws(
            noise.to(self.device, samples.dtype),
            None if uniform is None else uniform.to(self.device),
        )


def _masks(network: MMRRNetwork, logits: Tensor, level: Tensor, draws: Draws) -> Tensor:
    """Masks of all samples at all levels of a group, of shape (n_samples, n_levels, ...)."""
    height, width = len(logits), len(level)
    uniform = None if draws.uniform is None else _tile(draws.uniform, height)
    logits = logits.repeat_interleave(width, dim=0)
    mask = network.masking(logits, level.repeat(height), uniform)
    return mask.unflatten(0, (height, width))


def draws_of_levels(
    levels: NDArray[np.float64], shape: tuple[int, ...], noise_seed: int, member: int, random: bool
) -> Draws:
    """What chance decides at each level, of shape (n_levels, *shape), for all samples alike."""
    noise, uniform = [], []
    for level in levels:
        # The first member's noise is that of a network alone; seeds are below 2^32.
        generator = torch_generator(noise_seed + (member << 32), "noise", float(level))
        noise.append(torch.rand(shape, generator=generator) * 2 - 1)
        if random:
            uniform.append(torch.rand(shape, generator=generator))
    return Draws(torch.stack(noise), torch.stack(uniform) if random else None)


def chunk_shape(size: int, n_levels: int, device: torch.device) -> tuple[int, int, int]:
    """Samples that are encoded together, and samples and levels of one pass at the levels.

    For samples of some number of elements.
    """
    width = min(n_levels, max(1, elements_per_chunk(device) // size))
    height = _rows_per_chunk(size, width, device)
    return _ENCODED * height, height, width


def _rows_per_chunk(size: int, n_levels: int, device: torch.device) -> int:
    unit = _VECTOR // math.gcd(_VECTOR, size)
    return max(1, elements_per_chunk(device) // size // n_levels // unit * unit)


def _batches(
    samples: Samples, rows: int, device: torch.device, verbose: int
) -> Iterator[tuple[slice, Tensor]]:
    chunks = list(padded_chunks(len(samples), rows))
    for kept, index in tqdm(chunks, desc="scoring", disable=not verbose):
        yield kept, to_device(samples.batch(index), device)


def _tile(t: Tensor, times: int) -> Tensor:
    return t.repeat(times, *[1] * (t.ndim - 1))
