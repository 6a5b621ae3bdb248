"""The phases of a training: a detector each, and before it the generator that it needs."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from skmmrr.baselines.mlsad import fakes
from skmmrr.baselines.mlsad.detectors import PatchDetector
from skmmrr.baselines.mlsad.patchgan import PatchGAN
from skmmrr.baselines.mlsad.spec import LevelSpec, MLSADNetwork, MLSADSpec
from skmmrr.core.training import OPTIMIZERS, Phase, Update, trainable

_DETECTOR_BETAS, _GAME_BETAS = (0.9, 0.999), (0.5, 0.9)

Fakes = Callable[[int, torch.Generator], Tensor]


def training_phases(network: MLSADNetwork, spec: MLSADSpec, pool: Tensor) -> list[Phase]:
    """All phases, in order.

    Parameters
    ----------
    network : MLSADNetwork
    spec : MLSADSpec
    pool : Tensor of shape (n_pool, channels, height, width)
        Normal images that fakes are made of.
    """
    phases: dict[str, Phase] = {}
    for name, level in spec.levels.items():
        game = None if level.game is None else network.games[level.game]
        if isinstance(game, PatchGAN) and level.game is not None and level.game not in phases:
            phases[level.game] = _game_phase(level.game, game, spec)
        detector = network.detectors[name]
        assert isinstance(detector, PatchDetector)
        phases[name] = _detector_phase(detector, level, spec, _fakes(level, spec, pool, game))
    return list(phases.values())


def _detector_phase(
    detector: PatchDetector, level: LevelSpec, spec: MLSADSpec, make: Fakes
) -> Phase:
    contrast = spec.contrast(level)

    def loss(x: Tensor, generator: torch.Generator) -> Tensor:
        return contrast(detector, x, fakes_like(x, generator), generator)

    def validation_loss(x: Tensor, generator: torch.Generator) -> Tensor:
        return contrast.with_terms(detector, x, fakes_like(x, generator), generator)

    def fakes_like(x: Tensor, generator: torch.Generator) -> Tensor:
        return make(len(x), generator) if level.structure_weight else x

    budget = level.budget
    optimizer = partial(
        OPTIMIZERS[budget.optimizer], betas=_DETECTOR_BETAS, weight_decay=spec.weight_decay
    )
    update = Update(trainable(detector), loss, optimizer, budget.learning_rate)
    randomly = spec.dropout > 0
    criterion, terms = [validation_loss], contrast.terms
    return Phase(level.name, detector, [update], criterion, budget, terms, draws_globally=randomly)


def _game_phase(name: str, game: PatchGAN, spec: MLSADSpec) -> Phase:
    """The game of a level: a step of the discriminator, then one of the two others."""
    budget = spec.games
    optimizer = partial(OPTIMIZERS[budget.optimizer], betas=_GAME_BETAS)
    makers = [*trainable(game.generator), *trainable(game.statistics)]
    updates = [
        Update(
            trainable(game.discriminator), game.discriminator_loss, optimizer, budget.learning_rate
        ),
        Update(makers, game.generator_loss, optimizer, budget.learning_rate),
    ]
    return Phase(name, game, updates, None, budget)


def _fakes(level: LevelSpec, spec: MLSADSpec, pool: Tensor, game: object) -> Fakes:
    """What makes the structure anomalies of a level, on the grid of the values of X."""
    mean = pool.mean(dim=0)

    @torch.no_grad()
    def make(n: int, generator: torch.Generator) -> Tensor:
        if isinstance(game, PatchGAN):
            return game.sample(n, generator)
        if level.fakes == "blended":
            return fakes.blended(pool, mean, n, level.fake_level, generator)
        if level.fakes == "shuffled":
            return fakes.shuffled(pool, n, generator)
        return fakes.noise((n, *pool.shape[1:]), generator, pool.dtype)

    return lambda n, generator: rounded(make(n, generator), spec)


def rounded(x: Tensor, spec: MLSADSpec) -> Tensor:
    """Scaled images with the nearest values that integers in X can have.

    Otherwise what no integer can be tells a fake.
    """
    if not spec.grain:
        return x
    lowest = -1.0  # of the training images
    return ((x - lowest) / spec.grain).round() * spec.grain + lowest
