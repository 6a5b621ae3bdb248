"""The detector: parameters, fit, scores, maps."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional as F

from skmmrr.baselines.mlsad.detectors import PatchDetector, suits
from skmmrr.baselines.mlsad.patchgan import GAN_LEVELS, INFORMATION, PatchGAN
from skmmrr.baselines.mlsad.phases import training_phases
from skmmrr.baselines.mlsad.spec import FAKES, LevelSpec, MLSADNetwork, MLSADSpec
from skmmrr.core.base import BaseDetector
from skmmrr.core.chunks import rows_per_chunk, sample_chunks
from skmmrr.core.devices import (
    TRAINING_PRECISIONS,
    autocast,
    module_on_device,
    resolve_device,
    resolve_precision,
)
from skmmrr.core.kinds import Array, Weights, record, require
from skmmrr.core.seeds import draw_seed, torch_generator
from skmmrr.core.training import (
    HISTORY,
    Budget,
    TrainingData,
    check_history,
    fitting,
    train,
)
from skmmrr.core.validation import check_integer, check_option, check_real
from skmmrr.options import Network, Training
from skmmrr.representation import ImageShape, Representation, Samples

_LEVELS = (1, 2, 4, 8, 16)  # the paper's
_DEFAULT_LEVELS = (8, 16)
_STRIDES = {8: 2, 16: 2}
_STEPS = 900
_WIDTH, _N_BLOCKS = 128, 1
_BATCH_SIZE, _LEARNING_RATE, _OPTIMIZER, _SCHEDULE = 32, 1e-3, "adamw", "cosine"
_GAMES = Budget(46_875, 32, 1e-4, "adam", "constant")  # 300 epochs of 5,000 images
_LARGEST_POOL = 2**26  # elements of normal images that fakes are made of
_VECTOR = 32  # elements that a CPU takes the sigmoid of at once


class MLSADDetector(OutlierMixin, BaseDetector):
    """TODO."""

    _GROUPS: ClassVar = {"network": Network, "training": Training}
    _ALWAYS_HOLDS_OUT = True
    _KEEPS: ClassVar = BaseDetector._KEEPS | {
        "spec_": record(MLSADSpec),
        "network_": Weights(),
        "history_": HISTORY,
        "n_iter_": Array("i8", 1, low=0),
        "levels_": Array("i8", 1, low=1),
    }

    network_: MLSADNetwork
    image_shape_: ImageShape

    def __init__(
        self,
        levels: tuple[int, ...] | None = None,
        *,
        fakes: str = "none",
        level_gap: int = 2,
        stride: int | None = None,
        structure_weight: float = 0.6,
        position_weight: float = 0.4,
        noise: float = 0.05,
        dropout: float = 0.1,
        n_windows: int | None = 64,
        information: str = "jsd",
        keep_generators: bool = False,
        network: Network | None = None,
        image_shape: tuple[int, ...] | None = None,
        max_iter: int | None = None,
        generator_max_iter: int | None = None,
        weight_decay: float = 1e-4,
        training: Training | None = None,
        validation_fraction: float = 0.05,
        contamination: float | str = "auto",
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.levels = levels
        self.fakes = fakes
        self.level_gap = level_gap
        self.stride = stride
        self.structure_weight = structure_weight
        self.position_weight = position_weight
        self.noise = noise
        self.dropout = dropout
        self.n_windows = n_windows
        self.information = information
        self.keep_generators = keep_generators
        self.network = network
        self.image_shape = image_shape
        self.max_iter = max_iter
        self.generator_max_iter = generator_max_iter
        self.weight_decay = weight_decay
        self.training = training
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def level_scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """Anomaly score of each level by itself.

        Parameters
        ----------
        X : array-like
            Images in any of the forms that :meth:`fit` takes.

        Returns
        -------
        scores : ndarray of float64 of shape (n_samples, n_levels)
            Mean probabilities of abnormality of an image's windows, in [0, 1], for ``levels_``;
            ``score_samples`` is the negative of their mean.
        """
        check_is_fitted(self)
        return self._level_scores(self._validate_X(X, reset=False))

    def anomaly_map(self, X: ArrayLike) -> NDArray[np.float64]:
        """Tell where images are abnormal.

        Parameters
        ----------
        X : array-like
            Images in any of the forms that :meth:`fit` takes.

        Returns
        -------
        maps : ndarray of float64 of shape (n_samples, height, width)
            Mean over the levels of the mean probability of all windows that cover a pixel, in
            [0, 1]. The mean of a map is not quite the image's score: few windows cover the edges.
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        sides = self.image_shape_[:2]
        maps = [self._per_level(name, X, _spread(sides)) for name in self.network_.detectors]
        return np.mean(maps, axis=0)

    def sample_fakes(self, level: int, n_samples: int) -> NDArray[np.float64]:
        """Draw images that a PatchGAN makes, to look at.

        Parameters
        ----------
        level : int
            Side of the windows through which they look normal.
        n_samples : int

        Returns
        -------
        images : ndarray of shape (n_samples, height, width[, channels])
            In the range of X.

        Raises
        ------
        ValueError
            If the detector has no generator of this level. A fit keeps those of
            ``fakes="patchgan"`` if `keep_generators` is True.
        """
        check_is_fitted(self)
        games = self.network_.games
        name = f"fakes {level}"
        if name not in games:
            kept = ", ".join(games) or "none"
            raise ValueError(
                f"This {type(self).__name__} has no generator of level {level!r} (it has: {kept}). "
                "Fit it with fakes='patchgan', keep_generators=True and the level above."
            )
        game = games[name]
        assert isinstance(game, PatchGAN)
        with torch.no_grad():
            x = game.sample(n_samples, torch_generator(self.spec_.seed, name, "samples"))
        representation = self.spec_.representation
        images = representation.to_user(x.double())
        return images * representation.half_range + representation.centre

    # Fitting

    def _check_params(self) -> None:
        owner = type(self).__name__
        self._check_levels()
        check_option("fakes", self.fakes, owner, FAKES)
        check_option("information", self.information, owner, INFORMATION)
        for name in ("structure_weight", "position_weight", "noise", "weight_decay"):
            check_real(name, getattr(self, name), owner, 0, math.inf, bounds="[)")
        check_real("dropout", self.dropout, owner, 0, 1, bounds="[)")
        for name in ("n_windows", "max_iter", "generator_max_iter"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), owner, 1, "None is allowed too.")
        check_option("precision", self.precision, owner, TRAINING_PRECISIONS)
        super()._check_params()
        self._check_groups()

    def _check_levels(self) -> None:
        owner = type(self).__name__
        check_integer("level_gap", self.level_gap, owner, 2)
        if self.stride is not None:
            check_integer("stride", self.stride, owner, 1, "None chooses from the level.")
        levels = self.levels
        if levels is None:
            return
        if not isinstance(levels, tuple) or not levels:
            raise TypeError(
                f"The parameter 'levels' of {owner} must be None or a tuple of ints, such as "
                f"{_LEVELS}. Got {levels!r}."
            )
        for level in levels:
            check_integer("levels", level, owner, 1, "A level is the side of windows in pixels.")
            if not suits(level, self._stride_of(level)):
                raise ValueError(
                    f"The parameter 'levels' of {owner} must be of 1, 2, 4, and 4 plus multiples "
                    f"of twice the stride, which is {self._stride_of(level)}. Got {level!r}."
                )
        if list(levels) != sorted(set(levels)):
            raise ValueError(f"The parameter 'levels' of {owner} must rise. Got {levels!r}.")

    def _check_groups(self) -> None:
        owner = type(self).__name__
        for group, names in (
            ("training", ("level_power", "levels_per_sample")),
            ("network", ("n_resolutions",)),
        ):
            for name in names:
                value = getattr(getattr(self, group), name, None)
                if value is not None:
                    raise ValueError(
                        f"The parameter '{group}.{name}' belongs to MMRRDetector, and must be None "
                        f"for {owner}. Got {value!r}."
                    )

    def _stride_of(self, level: int) -> int:
        """Strides are for large windows; next to small ones they would leave pixels out."""
        if level <= 4:
            return 1
        return int(self.stride or _STRIDES.get(level, 1))

    def _resolve_levels(self) -> tuple[int, ...]:
        shorter = min(self.image_shape_[:2])
        if self.levels is None:
            fitting_ones = [level for level in _LEVELS if level <= max(1, shorter // 2)]
            return tuple(fitting_ones[-len(_DEFAULT_LEVELS) :])
        if max(self.levels) > shorter:
            raise ValueError(
                f"The parameter 'levels' of {type(self).__name__} must be at most {shorter}, the "
                f"shorter side of the images. Got {self.levels!r}."
            )
        return self.levels

    def _resolve_level(self, level: int, training: Training) -> LevelSpec:
        owner = type(self).__name__
        fake_level = 0 if level == 1 else level // self.level_gap
        fakes = ("noise", "shuffled")[fake_level] if fake_level < 2 else self.fakes
        if fakes == "patchgan" and fake_level not in GAN_LEVELS:
            raise ValueError(
                f"The parameter 'fakes' of {owner} can be 'patchgan' for fakes of the levels "
                f"{GAN_LEVELS}. Level {level} with a gap of {self.level_gap} needs {fake_level}."
            )
        structure, position = float(self.structure_weight), float(self.position_weight)
        if fakes == "none":
            structure, position = 0.0, (structure + position) * (position > 0)
        if structure + position == 0:
            raise ValueError(
                f"Level {level} of {owner} has nothing to tell normal windows from: give fakes "
                f"or a position_weight. Got {self.fakes!r} and {self.position_weight!r}."
            )
        budget = Budget(
            max_iter=int(self.max_iter or _STEPS),
            batch_size=int(training.batch_size or _BATCH_SIZE),
            learning_rate=float(training.learning_rate or _LEARNING_RATE),
            optimizer=training.optimizer or _OPTIMIZER,
            schedule=training.schedule or _SCHEDULE,
        )
        stride = self._stride_of(level)
        return LevelSpec(level, stride, fakes, fake_level, structure, position, budget)

    def _resolve_spec(self, X: NDArray[Any], seed: int, device: torch.device) -> MLSADSpec:
        owner = type(self).__name__
        if self.image_shape_ is None:
            raise ValueError(
                f"{owner} takes images of shape (n, height, width[, channels]). Got vectors of "
                f"{self.n_features_in_} features: it looks at windows of neighbouring pixels, and "
                "a vector has none. Give image_shape if the rows are flattened images; for vectors "
                "take skmmrr.MMRRDetector."
            )
        training, network = self.training or Training(), self.network or Network()
        levels = [self._resolve_level(level, training) for level in self._resolve_levels()]
        representation = Representation.fit(X, self.image_shape_)
        integers = np.issubdtype(X.dtype, np.integer)
        games = replace(_GAMES, max_iter=int(self.generator_max_iter or _GAMES.max_iter))
        return MLSADSpec(
            representation=representation,
            levels={level.name: level for level in levels},
            width=int(network.width or _WIDTH),
            n_blocks=int(network.n_blocks or _N_BLOCKS),
            dropout=float(self.dropout),
            noise=float(self.noise),
            n_windows=None if self.n_windows is None else int(self.n_windows),
            weight_decay=float(self.weight_decay),
            information=self.information,
            games=games,
            keep_generators=bool(self.keep_generators),
            grain=1 / float(representation.half_range) if integers else 0.0,
            precision=str(self._dtype(device)).removeprefix("torch."),
            seed=seed,
        )

    def _fit(self, X: Any) -> None:
        self._check_params()
        device = self._device()
        X = self._validate_X(X, reset=True)
        seed = draw_seed(self.random_state)
        held_out, trained = self._split(len(X), seed)
        self.spec_ = spec = self._resolve_spec(X, seed, device)
        self.network_ = spec.initialised_network()
        samples, dtype = Samples(X, spec.representation, spec.dtype), self._dtype(device)
        data = TrainingData(samples, trained, held_out, seed, device, dtype, self.verbose)
        phases = training_phases(self.network_, spec, _pool(data))
        with fitting(phases, data) as interrupt:
            self.history_, self.n_iter_ = train(self.network_, phases, data, interrupt)
            self._keep_trained()
            self._set_threshold(self._threshold_scores(X, held_out))

    def _keep_trained(self) -> None:
        """Drop the levels that Ctrl-C left untrained: their scores would say nothing."""
        steps = dict(zip(self.history_, self.n_iter_, strict=True))
        trained = [name for name in self.spec_.levels if steps.get(name, 0) > 0]
        if not trained:
            raise KeyboardInterrupt
        self.network_.keep(trained, self.spec_.keep_generators)
        self.levels_ = np.array([self.spec_.levels[name].level for name in trained])

    def _planned_network(self, n_weights: int) -> MLSADNetwork:
        return self.spec_.planned_network(len(self.levels_))

    def _check_kept(self) -> None:
        super()._check_kept()
        check_history(self.history_, self.n_iter_, self.spec_.phases)
        planned = [level.level for level in self.spec_.levels.values()]
        trained = self.levels_.tolist() == planned[: len(self.levels_)]
        require(trained, f"'levels_' must be of the first of {planned}")

    def _device(self) -> torch.device:
        return resolve_device(self.device, type(self).__name__)

    def _dtype(self, device: torch.device) -> torch.dtype:
        return resolve_precision(self.precision, device, convolutional=True)

    # Scoring

    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        return -self._level_scores(X).mean(axis=1)  # equation (4)

    def _level_scores(self, X: NDArray[Any]) -> NDArray[np.float64]:
        levels = [self._per_level(name, X, _mean_of_windows) for name in self.network_.detectors]
        return np.stack(levels, axis=1)

    @torch.no_grad()
    def _per_level(
        self, name: str, X: NDArray[Any], function: Callable[[Tensor, PatchDetector], Tensor]
    ) -> NDArray[np.float64]:
        """What a function makes of a level's probabilities, in chunks of one constant shape."""
        device, results = self._device(), []
        detector = module_on_device(self.network_.detectors[name], device)
        assert isinstance(detector, PatchDetector)
        samples = Samples(X, self.spec_.representation, self.spec_.dtype)
        rows = rows_per_chunk(samples.size, device)
        for kept, x in sample_chunks(samples, rows, device, self.verbose):
            with autocast(self._dtype(device), device):
                logits = detector(x)
            result = function(_sigmoid(logits), detector)
            results.append(result[: kept.stop - kept.start].double().cpu().numpy())
        return np.concatenate(results)


def _pool(data: TrainingData) -> Tensor:
    """Training images that fakes are made of, on the device, with the channels last in memory."""
    most = max(1, _LARGEST_POOL // data.samples.size)
    pool = data.batch(np.sort(data.train[:most]))  # in random order already
    return pool.contiguous(memory_format=torch.channels_last)


def _sigmoid(logits: Tensor) -> Tensor:
    """Of images that are whole vectors each: a CPU takes that of what is left by another formula.

    So an image has the same probabilities wherever in a chunk it is.
    """
    flat = logits.flatten(1).to(torch.promote_types(logits.dtype, torch.float32))
    return F.pad(flat, (0, -flat.shape[1] % _VECTOR)).sigmoid()[:, : flat.shape[1]].view_as(logits)


def _mean_of_windows(probability: Tensor, detector: PatchDetector) -> Tensor:
    return probability.flatten(1).mean(dim=1, dtype=torch.float64)


def _spread(sides: tuple[int, int]) -> Callable[[Tensor, PatchDetector], Tensor]:
    """Mean probability of the windows that cover a pixel; where a stride leaves none, of all."""

    def spread(probability: Tensor, detector: PatchDetector) -> Tensor:
        each = probability.float()[:, None]
        kernel = each.new_ones((1, 1, detector.level, detector.level))
        total, count = (
            F.conv_transpose2d(part, kernel, stride=detector.stride)[:, 0]
            for part in (each, torch.ones_like(each))
        )
        missing = sides[1] - total.shape[2], sides[0] - total.shape[1]
        total, count = (F.pad(part, (0, missing[0], 0, missing[1])) for part in (total, count))
        mean = each.mean(dim=(1, 2, 3))[:, None, None]
        return torch.where(count > 0, total / count.clamp(min=1), mean)

    return spread
