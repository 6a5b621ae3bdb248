"""What a fit of MLSAD trains: every number resolved, and the networks of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skmmrr.baselines.mlsad.detectors import (
    SLOPE,
    Contrast,
    PatchDetector,
    stem_channels,
    suits,
)
from skmmrr.baselines.mlsad.patchgan import GAN_LEVELS, INFORMATION, PatchGAN
from skmmrr.core.devices import TRAINING_PRECISIONS
from skmmrr.core.initialisation import build, initialise, plan
from skmmrr.core.kinds import (
    WIDEST,
    Choice,
    Flag,
    Integer,
    Maybe,
    Real,
    Table,
    record,
    require,
    stored,
)
from skmmrr.core.seeds import torch_generator
from skmmrr.core.training import Budget
from skmmrr.representation import Representation

FAKES = ("patchgan", "blended", "none")  # of the levels above 1
_KINDS = ("noise", "shuffled", *FAKES)


@stored(
    level=Integer(1, WIDEST),
    stride=Integer(1, WIDEST),
    fakes=Choice(_KINDS),
    fake_level=Integer(0, WIDEST),
    structure_weight=Real(0),
    position_weight=Real(0),
    budget=record(Budget),
)
@dataclass(frozen=True)
class LevelSpec:
    """How the detector of a level is trained.

    Attributes
    ----------
    level, stride : int
        Side of its windows, and pixels from one to the next.
    fakes : {"noise", "shuffled", "patchgan", "blended", "none"}
        Where its structure anomalies come from.
    fake_level : int
        Side of the windows through which these look normal.
    structure_weight, position_weight : float
        Of the two kinds of anomalies in its loss (3).
    budget : Budget
    """

    level: int
    stride: int
    fakes: str
    fake_level: int
    structure_weight: float
    position_weight: float
    budget: Budget

    @property
    def name(self) -> str:
        """Of the phase that trains it."""
        return f"level {self.level}"

    @property
    def game(self) -> str | None:
        """Name of the phase that trains the generator of its fakes, if there is one."""
        return f"fakes {self.fake_level}" if self.fakes == "patchgan" else None

    def check_stored(self) -> None:
        """Refuse windows that no detector has, and fakes that no generator makes."""
        require(suits(self.level, self.stride), f"no level {self.level} has stride {self.stride}")
        known = self.fakes != "patchgan" or self.fake_level in GAN_LEVELS
        require(known, f"no generator makes fakes of level {self.fake_level}")


@stored(
    representation=record(Representation),
    levels=Table(record(LevelSpec)),
    width=Integer(1, WIDEST),
    n_blocks=Integer(1, 1000),
    dropout=Real(0, 1),
    noise=Real(0),
    n_windows=Maybe(Integer(1)),
    weight_decay=Real(0),
    information=Choice(INFORMATION),
    games=record(Budget),
    keep_generators=Flag(),
    grain=Real(0),
    precision=Choice(TRAINING_PRECISIONS[1:]),
    seed=Integer(),
)
@dataclass(frozen=True, eq=False)
class MLSADSpec:
    """What a fit of MLSADDetector trains, every number resolved.

    Attributes
    ----------
    representation : Representation
    levels : dict of str to LevelSpec
        By the names of their phases, in the order in which they are trained.
    width, n_blocks : int
        Most features of a layer, and residual blocks of a detector.
    dropout, noise : float
        Share of features dropped, and deviation of what is added to pixels, in training.
    n_windows : int or None
        Random windows of an image that a training step looks at; None is all.
    weight_decay : float
        Of the detectors.
    information : {"jsd", "mine"}
        How mutual information is estimated.
    games : Budget
        Of the generators.
    keep_generators : bool
    grain : float
        Distance of neighbouring values of integers in X, after scaling, to which fakes are rounded;
        0 for other X.
    precision : {"float32", "bfloat16", "float64"}
        Of the training.
    seed : int
    """

    representation: Representation
    levels: dict[str, LevelSpec]
    width: int
    n_blocks: int
    dropout: float
    noise: float
    n_windows: int | None
    weight_decay: float
    information: str
    games: Budget
    keep_generators: bool
    grain: float
    precision: str
    seed: int

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and batches."""
        return torch.float64 if self.precision == "float64" else torch.float32

    @property
    def phases(self) -> tuple[str, ...]:
        """Their names, in order: each detector after the generator that it needs."""
        return tuple(
            name for level in self.levels.values() for name in (level.game, level.name) if name
        )

    def contrast(self, level: LevelSpec) -> Contrast:
        """Loss of a level."""
        weights = level.structure_weight, level.position_weight
        return Contrast(*weights, self.noise, self.n_windows)

    def check_stored(self) -> None:
        """Refuse vectors, and levels that their names or the images do not suit."""
        shape = self.representation.image_shape
        require(shape is not None, "it needs images")
        assert shape is not None
        named = all(name == level.name for name, level in self.levels.items())
        require(named and len(self.levels) > 0, "levels must have the names of their phases")
        for level in self.levels.values():
            fits = level.level <= min(self.representation.shape[1:])
            require(fits, f"images have no windows of level {level.level}")

    def planned_network(self, n_levels: int, n_weights: int) -> "MLSADNetwork":
        """The network without memory, for so many weights of the first levels from a file."""
        names = list(self.levels)[:n_levels]
        n_layers = sum(self._n_layers(self.levels[name]) for name in names)
        require(n_layers < n_weights, f"networks of {n_layers} layers have more than its weights")
        network = plan(lambda: MLSADNetwork(self, names)).to(self.dtype)
        network.keep(names, self.keep_generators)
        return network

    def _n_layers(self, level: LevelSpec) -> int:
        """Of a detector; each has a weight and a bias."""
        return len(stem_channels(level.level, level.stride)) + 2 * self.n_blocks

    def initialised_network(self) -> "MLSADNetwork":
        """The network as training begins."""
        network = build(lambda: MLSADNetwork(self, list(self.levels)))
        initialise(network, torch_generator(self.seed, "weights"), _draw_weight)
        return network.to(self.dtype)


class MLSADNetwork(nn.Module):
    """The detectors, and what makes their fakes, by the names of their phases."""

    def __init__(self, spec: MLSADSpec, names: Sequence[str]) -> None:
        super().__init__()
        shape, sizes = spec.representation.shape, (spec.width, spec.n_blocks)
        self.detectors, self.games = nn.ModuleDict(), nn.ModuleDict()
        for name, level in spec.levels.items():
            if name in names:
                detector = PatchDetector(shape, level.level, *sizes, level.stride, spec.dropout)
                self.detectors[name] = detector
            if level.game:
                self.games[level.game] = PatchGAN(
                    shape, level.fake_level, spec.width, spec.information
                )

    def keep(self, detectors: Sequence[str], generators: bool) -> None:
        """Drop other detectors, and what made their fakes: it is for training alone."""
        for name in [name for name in self.detectors if name not in detectors]:
            del self.detectors[name]
        for name, game in list(self.games.items()):
            del game.discriminator, game.statistics
            if not generators:
                del self.games[name]


def _draw_weight(weight: Tensor, generator: torch.Generator) -> None:
    """He's, for leaky ReLUs."""
    nn.init.kaiming_normal_(weight, SLOPE, nonlinearity="leaky_relu", generator=generator)
