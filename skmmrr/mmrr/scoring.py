"""Runs fitted models over samples and levels, in chunks of one constant shape.

:class:`LevelPasses` makes the passes, :class:`LevelLosses` and :class:`ElementErrors` sum them up.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skmmrr.core.chunks import padded_chunks, rows_per_chunk, sample_chunks
from skmmrr.core.devices import autocast, elements_per_chunk
from skmmrr.core.seeds import member_key, torch_generator
from skmmrr.mmrr.masking import split_missing
from skmmrr.mmrr.model import Draws, Encoded, MMRRModel, Stages
from skmmrr.mmrr.score import squared_error
from skmmrr.representation import Representation, Samples

# Passes whose samples are encoded in one go: one by one these calls are too small.
ENCODED = 4


@dataclass(frozen=True)
class Pass:
    """Some samples at some levels, as one model of an ensemble sees them.

    Attributes
    ----------
    samples, levels : slice
        Which ones.
    x : Tensor of shape (n_samples, ...)
        With what is usual where a value is missing.
    observed : Tensor of bool of shape (n_samples, ...) or None
        Where there is a value; None if no sample of the call lacks one.
    stages : Stages
    """

    samples: slice
    levels: slice
    x: Tensor
    observed: Tensor | None
    stages: Stages

    def error(self, output: str) -> Tensor:
        """Squared error of one of the stages, of shape (n_samples, n_levels, ...)."""
        return squared_error(self.x, getattr(self.stages, output), self.observed)


@dataclass(frozen=True)
class LevelPasses:
    """The models, where they run, and the seed of their noise.

    Attributes
    ----------
    models : sequence of MMRRModel
        In evaluation mode, on the device.
    refine : bool
        Whether to run the refinement.
    noise_seed : int
        Of the noise: one draw per model and level, for all samples, made on the CPU from this
        seed, the number of the model and the level.
    device : torch.device
    dtype : torch.dtype
        Of convolutions and products.
    usual : Tensor or None
        Of the shape of a sample: what networks see where it has NaN. None: no sample has.
    """

    models: Sequence[MMRRModel]
    refine: bool
    noise_seed: int
    device: torch.device
    dtype: torch.dtype
    usual: Tensor | None = None

    @torch.no_grad()
    def over(
        self,
        samples: Samples,
        levels: NDArray[np.float64],
        members: Sequence[int],
        verbose: int = 0,
    ) -> Iterator[Pass]:
        """Pass over all samples, some models and all levels; a model encodes a sample once."""
        height, width = pass_shape(samples.size, len(levels), self.device)
        groups = list(padded_chunks(len(levels), width))
        shape = samples.representation.shape
        drawn = {
            member: [
                self._drawn(levels[index], shape, member, samples.dtype) for _, index in groups
            ]
            for member in members
        }
        for rows, x in sample_chunks(samples, ENCODED * height, self.device, verbose):
            x, observed = (x, None) if self.usual is None else split_missing(x, self.usual)
            for member in members:
                with autocast(self.dtype, self.device):
                    encoded = self.models[member].encode(x)
                for (kept, _), at in zip(groups, drawn[member], strict=True):
                    for start in range(rows.start, rows.stop, height):
                        part = slice(start - rows.start, start - rows.start + height)
                        one = slice(start, min(start + height, rows.stop)), kept
                        own = None if observed is None else observed[part]
                        yield self._pass(member, *one, x[part], own, encoded, part, *at)

    def _pass(
        self,
        member: int,
        samples: slice,
        levels: slice,
        x: Tensor,
        observed: Tensor | None,
        encoded: Encoded,
        part: slice,
        means: Tensor,
        draws: Draws,
    ) -> Pass:
        """One call of a model, less what fills the chunk up."""
        own = Encoded(*(t[part] for t in encoded))
        with autocast(self.dtype, self.device):
            means = means.expand(len(x), -1)
            found = self.models[member](
                x, means, draws, encoded=own, refine=self.refine, observed=observed
            )
        n, k = samples.stop - samples.start, levels.stop - levels.start
        embedding, *per_level = found
        stages = Stages(embedding[:n], *(t[:n, :k] for t in per_level))
        return Pass(samples, levels, x[:n], None if observed is None else observed[:n], stages)

    def _drawn(
        self, levels: NDArray[np.float64], shape: tuple[int, ...], member: int, dtype: torch.dtype
    ) -> tuple[Tensor, Draws]:
        """The levels of a group as a row, and what chance decides there, on the device."""
        draws = draws_at(levels, shape, self.noise_seed, member, self.models[member])
        uniform = None if draws.uniform is None else draws.uniform.to(self.device)
        means = torch.tensor(levels, dtype=torch.float32, device=self.device)[None]
        return means, Draws(draws.noise.to(self.device, dtype), uniform)


def draws_at(
    levels: NDArray[np.float64],
    shape: tuple[int, ...],
    noise_seed: int,
    member: int,
    model: MMRRModel,
) -> Draws:
    """What chance decides at each level, of shape (1, n_levels, *shape), for all samples alike."""
    draws = []
    for level in levels:
        generator = torch_generator(noise_seed, *member_key(member), "noise", float(level))
        draws.append(model.draw(torch.Size((1, 1, *shape)), generator, torch.float32))
    noise, uniform = zip(*draws, strict=True)
    return Draws(
        torch.cat(noise, dim=1), torch.cat(uniform, dim=1) if model.masking.random else None
    )


def pass_shape(size: int, n_levels: int, device: torch.device) -> tuple[int, int]:
    """Samples of so many elements, and levels, of one pass."""
    width = min(n_levels, max(1, elements_per_chunk(device) // size))
    return rows_per_chunk(size, device, width), width


class LevelLosses:
    """Errors of every sample at every level, means over its elements.

    Parameters
    ----------
    n_samples, n_levels : int
    outputs : sequence of str
        Names of stages.
    n_models : int
    weights : Tensor or None
        Of the errors of each element; None counts all alike.
    """

    def __init__(
        self,
        n_samples: int,
        n_levels: int,
        outputs: Sequence[str],
        n_models: int,
        weights: Tensor | None,
    ) -> None:
        self._totals = {name: np.zeros((n_samples, n_levels)) for name in outputs}
        self._n_models, self._weights = n_models, weights

    def add(self, one: Pass) -> None:
        """Take a pass into account."""
        for name, total in self._totals.items():
            error = one.error(name).flatten(2)
            error = error if self._weights is None else error * self._weights.to(error.device)
            mean = error.mean(dim=2, dtype=torch.float64)
            total[one.samples, one.levels] += mean.cpu().numpy()

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Over the models, of shape (n_samples, n_levels)."""
        return {name: total / self._n_models for name, total in self._totals.items()}


class ElementErrors:
    """Errors of every element of every sample, means over the levels and the models.

    Parameters
    ----------
    n_samples : int
    outputs : sequence of str
        Names of stages.
    n_models : int
    quadrature : ndarray of shape (n_levels,)
        Weights of the levels.
    representation : Representation
    """

    def __init__(
        self,
        n_samples: int,
        outputs: Sequence[str],
        n_models: int,
        quadrature: NDArray[np.float64],
        representation: Representation,
    ) -> None:
        size = n_samples, math.prod(representation.shape)
        self.means = {name: torch.zeros(size, dtype=torch.float64) for name in outputs}
        self._weights = torch.from_numpy(quadrature) / n_models
        self._representation = representation

    def add(self, one: Pass) -> None:
        """Take a pass into account."""
        weights = self._weights[one.levels]
        for name, total in self.means.items():
            error = self._representation.features_last(one.error(name)).to("cpu", torch.float64)
            total[one.samples] += torch.tensordot(weights, error, ([0], [1]))
