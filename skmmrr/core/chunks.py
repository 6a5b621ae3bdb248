"""Passes over samples in chunks of one constant shape.

A chunk of another shape may take another kernel and round differently. So every chunk has the shape
that the sample size and the device ask for, padded where samples run out: a sample's score is the
same alone, in any order and in any company.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from skmmrr.core.devices import elements_per_chunk, to_device
from skmmrr.representation import Samples

# torch computes tanh and sigmoid of the elements that do not fill a vector of the CPU by another
# formula. Chunks are whole vectors, so that no sample comes to lie there, or single samples.
_VECTOR = 32


def padded_chunks(n: int, size: int) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """Chunks of n items: which they are, and their index, filled up with the last one to `size`."""
    for start in range(0, n, size):
        index = np.arange(start, start + size)
        yield slice(start, min(start + size, n)), np.minimum(index, n - 1)


def rows_per_chunk(size: int, device: torch.device, n_levels: int = 1) -> int:
    """Samples of so many elements that make a chunk, each at so many levels."""
    unit = _VECTOR // math.gcd(_VECTOR, size)
    return max(1, elements_per_chunk(device) // size // n_levels // unit * unit)


def sample_chunks(
    samples: Samples, rows: int, device: torch.device, verbose: int = 0
) -> Iterator[tuple[slice, Tensor]]:
    """Pass over samples in chunks of one constant shape.

    Parameters
    ----------
    samples : Samples
    rows : int
        Samples of a chunk, such as :func:`rows_per_chunk` says.
    device : torch.device
    verbose : int, default=0
        1 shows progress.

    Yields
    ------
    kept : slice
        Which samples.
    x : Tensor of shape (rows, ...)
        They, and repetitions of the last one where samples run out.
    """
    chunks = list(padded_chunks(len(samples), rows))
    for kept, index in tqdm(chunks, desc="scoring", disable=not verbose):
        yield kept, to_device(samples.batch(index), device)


def evenly_spaced(n: int, most: int) -> NDArray[np.intp]:
    """At most so many indices from 0 to n - 1, the two included."""
    return np.unique(np.linspace(0, n - 1, most).astype(np.intp))
