"""The detector: parameters, fit, scores, maps."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional as F

from skmmrr.baselines.mlsad.detectors import TERMS, PatchDetector, suits
from skmmrr.baselines.mlsad.patchgan import GAN_LEVELS, INFORMATION, PatchGAN
from skmmrr.baselines.mlsad.phases import training_phases
from skmmrr.baselines.mlsad.spec import FAKES, LevelSpec, MLSADNetwork, MLSADSpec
from skmmrr.core.base import NetworkDetector
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
    Budget,
    TrainingData,
    check_history,
    fitting,
    history_kind,
    train,
)
from skmmrr.core.validation import check_bool, check_integer, check_option, check_real, shown
from skmmrr.options import Network, Training
from skmmrr.representation import ImageShape, Representation, Samples

_LEVELS = (1, 2, 4, 8, 16)  # the paper's
_DEFAULT_LEVELS = (1, 2, 4, 8, 12, 16)  # the highest of them that images have
_STRIDE = 2  # of windows of more than 4 pixels a side
_STEPS = 2700
_WIDTH, _N_BLOCKS = 128, 1
_BATCH_SIZE, _LEARNING_RATE, _OPTIMIZER, _SCHEDULE = 32, 1e-3, "adamw", "cosine"
_GAMES = Budget(46_875, 32, 1e-4, "adam", "constant")  # 300 epochs of 5,000 images
_LARGEST_POOL = 2**26  # elements of normal images that fakes are made of
_VECTOR = 32  # elements that a CPU takes the sigmoid of at once


class MLSADDetector(NetworkDetector):
    r"""Multi-level structure anomaly detection: what is wrong in windows of several sizes.

    For each level a convolutional detector looks at all windows of so many pixels a side. It is
    trained to tell normal windows from those of fakes, which look normal through smaller windows
    and are broken beyond them, and from normal windows at a false place [1]_.

    With :math:`S_r(x, c)` the probabilities that the windows :math:`A` of :math:`r \times r` pixels
    are abnormal at the places :math:`c`, fakes :math:`\tilde x` of the next lower level
    :math:`r / 2`, and false places :math:`c'`, the loss (3) and the anomaly score (4) are

    .. math::

        L_r = \mathbb{E}_x\, \overline{-\log(1 - S_r(x, c))}
            + \alpha\, \mathbb{E}_{\tilde x}\, \overline{-\log S_r(\tilde x, c)}
            + \beta\, \mathbb{E}_x\, \overline{-\log S_r(x, c')}, \qquad
        a(x) = \frac{1}{L} \sum_r \overline{S_r(x, c)},

    bars being means over the windows. Fakes of level 0 are noise, those of level 1 have every pixel
    from an image of its own, and those of higher levels come from an entropy-regularised PatchGAN,
    a generator a level.

    **The defaults are not the paper's**, which would take two cores some days: one detector, of
    the largest windows, with a stride, narrower, on random windows, without dropout, and trained on
    false places alone. Each level more, and fakes without a generator, cost more than they brought
    on training files set aside; :doc:`/results/mlsad` has the figures. The paper's settings are
    ``MLSADDetector(**PAPER_MLSAD)``.

    Parameters
    ----------
    levels : tuple of int, default=None
        Sides of the windows, in rising order: 1, 2, 4, and what is 4 more than a multiple of twice
        the stride. None: the highest of 1, 2, 4, 8, 12 and 16 up to half of an image's shorter
        side.
    score_levels : tuple of int, default=None
        Levels whose mean is the score; None is all that were trained. May be set after fit:
        then ``score_samples`` follows, and ``predict`` asks for ``calibrate``.
    fakes : {"none", "blended", "patchgan"}, default="none"
        Fakes of the levels above 1. "patchgan" is the paper's. "blended" trains nothing: tiles of
        normal images at their places, which overlap without seams
        (:func:`skmmrr.baselines.mlsad.fakes.blended`). "none": these detectors are trained on false
        places alone, with both weights.
    level_gap : int, default=2
        How many times smaller the windows are through which the fakes of a level look normal.
    stride : int, default=None
        Pixels from one window of more than 4 pixels a side to the next; smaller ones have 1.
        None: 2.
    structure_weight, position_weight : float, default=0.6 and 0.4
        Of fakes and of false places in the loss, alpha and beta. Without the one (0) there are no
        such anomalies.
    noise : float, default=0.05
        Deviation of what is added to the pixels in training, which range from -1 to 1.
    dropout : float, default=0.0
        Share of features dropped in the residual blocks in training.
    n_windows : int, default=64
        Random windows of an image that stand for all in a training step; None takes all.
    information : {"jsd", "mine"}, default="jsd"
        How a PatchGAN estimates the mutual information of fakes and noise, see
        :func:`skmmrr.baselines.mlsad.patchgan.mutual_information`.
    keep_generators : bool, default=False
        Whether the generators stay in ``network_``, for :meth:`sample_fakes`.
    network : Network, default=None
        ``width``, the most features of a layer, and ``n_blocks``, residual blocks of a detector.
        None: 128 and 1; the paper's are 512 and 1 or 2.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        Shape of the images whose pixels the rows of a two-dimensional X are. None takes the
        shape of X, which has three or four dimensions then.
    max_iter : int, default=None
        Optimiser steps of each detector. None: 2700.
    generator_max_iter : int, default=None
        Steps of each PatchGAN. None: 46,875, the paper's 300 epochs of 5,000 images.
    weight_decay : float, default=1e-4
        Of the detectors.
    training : Training, default=None
        Batch size, learning rate, optimizer and schedule of the detectors; see
        :class:`skmmrr.Training`. None: 32, 1e-3, AdamW and cosine. Generators are trained by Adam
        with 1e-4, :math:`\beta = (0.5, 0.9)`, in batches of 32.
    validation_fraction : float, default=0.05
        Share of the training samples that choose the best weights of each detector instead of
        training it.
    contamination : "auto", float or None, default="auto"
        Where the threshold is, as in :class:`skmmrr.MMRRDetector`.
    device : str or torch.device, default="auto"
        "auto" is a GPU where there is one, else the CPU. May be set after fit.
    precision : {"auto", "float32", "bfloat16", "float64"}, default="auto"
        Of convolutions and products. "auto" is bfloat16 where the hardware gains from it. "float64"
        is that for everything: a refit with another number of threads then gives the same scores
        within 1e-6.
    random_state : int, RandomState instance or None, default=None
        Seed of the split, the weights and the training.
    verbose : int, default=0
        1 shows progress bars with losses and time left.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained detectors, on the CPU, and the generators if they are kept.
    levels_ : ndarray of int of shape (n_levels,)
        Levels that were trained: all, unless Ctrl-C ended the training.
    spec_ : MLSADSpec
        What was fitted, every number resolved.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.
    threshold_params_ : dict
        The scoring parameters that `offset_` belongs to.
    held_out_scores_ : ndarray of float64 of shape (n_held_out,)
        As in :class:`skmmrr.MMRRDetector`.
    history_ : dict of str to dict of str to ndarray
        For each phase, "level 16" and, of a PatchGAN, "fakes 8": ``step``, ``train_loss`` (mean
        since the last validation), ``validation_loss`` (NaN for a PatchGAN) and
        ``learning_rate``. Of a level, ``structure_loss`` and ``position_loss`` too, what the loss
        has of fakes and of false places, without their weights, in the validation samples.
    n_iter_ : ndarray of int of shape (n_phases,)
        Optimiser steps taken.
    image_shape_ : tuple (height, width, channels)
    n_features_in_ : int
        ``height * width * channels``.

    See Also
    --------
    skmmrr.MMRRDetector : The method of this library, for vectors too.

    Notes
    -----
    Our copy of the paper lacks the formulas and many settings. What was reconstructed is in
    :doc:`/results/mlsad`.

    A PatchGAN needs images of 8 pixels a side. Threads and seeds are as for
    :class:`skmmrr.MMRRDetector`.

    References
    ----------
    .. [1] S. Dai, Y. Li, L. Wang, C. Zhu, Y. Wu, X. Li, "Unsupervised learning of multi-level
       structures for anomaly detection", arXiv 2104.12102, 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmmrr.baselines import MLSADDetector
    >>> digits = load_digits()
    >>> sixes = digits.images[digits.target == 6]
    >>> detector = MLSADDetector(max_iter=20, random_state=0).fit(sixes[:100])
    >>> detector.score_samples(sixes[100:]).shape
    (81,)
    >>> detector.level_scores(sixes[100:]).shape == (81, len(detector.levels_))
    True
    """

    _GROUPS: ClassVar = {"network": Network, "training": Training}
    _KEEPS: ClassVar = NetworkDetector._KEEPS | {
        "spec_": record(MLSADSpec),
        "network_": Weights(),
        "history_": history_kind(TERMS),
        "n_iter_": Array("i8", 1, low=0),
        "levels_": Array("i8", 1, low=1),
    }

    network_: MLSADNetwork
    image_shape_: ImageShape

    def __init__(
        self,
        levels: tuple[int, ...] | None = None,
        *,
        score_levels: tuple[int, ...] | None = None,
        fakes: str = "none",
        level_gap: int = 2,
        stride: int | None = None,
        structure_weight: float = 0.6,
        position_weight: float = 0.4,
        noise: float = 0.05,
        dropout: float = 0.0,
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
        contamination: float | str | None = "auto",
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.levels = levels
        self.score_levels = score_levels
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
            ``score_samples`` is the negative of their mean over `score_levels`.
        """
        check_is_fitted(self)
        return self._level_scores(self._validate_X(X, reset=False), list(self.network_.detectors))

    def anomaly_map(self, X: ArrayLike) -> NDArray[np.float64]:
        """Tell where images are abnormal.

        Parameters
        ----------
        X : array-like
            Images in any of the forms that :meth:`fit` takes.

        Returns
        -------
        maps : ndarray of float64 of shape (n_samples, height, width)
            Mean over `score_levels` of the mean probability of all windows that cover a pixel, in
            [0, 1]. The mean of a map is not quite the image's score: few windows cover the edges.
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        sides = self.image_shape_[:2]
        maps = [self._per_level(name, X, _spread(sides)) for name in self._scoring_levels()]
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
        check_bool("keep_generators", self.keep_generators, owner)
        check_option("precision", self.precision, owner, TRAINING_PRECISIONS)
        super()._check_params()
        self._check_groups()

    def _check_levels(self) -> None:
        owner = type(self).__name__
        check_integer("level_gap", self.level_gap, owner, 2)
        if self.stride is not None:
            check_integer("stride", self.stride, owner, 1, "None chooses from the level.")
        self._check_rising("levels")
        self._check_rising("score_levels")
        for level in self.levels or ():
            if not suits(level, self._stride_of(level)):
                raise ValueError(
                    f"The parameter 'levels' of {owner} must be of 1, 2, 4, and 4 plus multiples "
                    f"of twice the stride, which is {self._stride_of(level)}. Got {shown(level)}."
                )

    def _check_rising(self, name: str) -> None:
        """Check levels, if they are given."""
        owner, levels = type(self).__name__, getattr(self, name)
        if levels is None:
            return
        allowed = f"None or a tuple of rising ints, such as {_LEVELS}"
        message = f"The parameter {name!r} of {owner} must be {allowed}. Got {shown(levels)}."
        if not isinstance(levels, tuple) or not levels:
            raise TypeError(message)
        for level in levels:
            check_integer(name, level, owner, 1, "A level is the side of windows in pixels.")
        if list(levels) != sorted(set(levels)):
            raise ValueError(message)

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
                        f"for {owner}. Got {shown(value)}."
                    )

    def _stride_of(self, level: int) -> int:
        """Strides are for large windows; next to small ones they would leave pixels out."""
        return 1 if level <= 4 else int(self.stride or _STRIDE)

    def _resolve_levels(self) -> tuple[int, ...]:
        shorter = min(self.image_shape_[:2])
        if self.levels is None:
            return (max(n for n in _DEFAULT_LEVELS if n <= max(1, shorter // 2)),)
        if max(self.levels) > shorter:
            raise ValueError(
                f"The parameter 'levels' of {type(self).__name__} must be at most {shorter}, the "
                f"shorter side of the images. Got {shown(self.levels)}."
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
        options = self.verbose, self._checkpoint()
        data = TrainingData(samples, trained, held_out, seed, device, dtype, *options)
        phases = training_phases(self.network_, spec, _pool(data, spec))
        with fitting(phases, data) as interrupt:
            self.history_, self.n_iter_ = train(self.network_, phases, data, interrupt)
            self._keep_trained()
            self._set_threshold(self._threshold_scores(X, refits=not interrupt.answered))

    def _keep_trained(self) -> None:
        """Drop the levels that Ctrl-C left untrained: their scores would say nothing."""
        steps = dict(zip(self.history_, self.n_iter_, strict=True))
        trained = [name for name in self.spec_.levels if steps.get(name, 0) > 0]
        if not trained:
            raise KeyboardInterrupt
        self.network_.keep(trained, self.spec_.keep_generators)
        self.levels_ = np.array([self.spec_.levels[name].level for name in trained])

    def _planned_network(self, n_weights: int) -> MLSADNetwork:
        return self.spec_.planned_network(len(self.levels_), n_weights)

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
        return -self._level_scores(X, self._scoring_levels()).mean(axis=1)  # equation (4)

    def _level_scores(self, X: NDArray[Any], names: list[str]) -> NDArray[np.float64]:
        return np.stack([self._per_level(name, X, _mean_of_windows) for name in names], axis=1)

    def _scoring_levels(self) -> list[str]:
        """Names of the levels that make the score."""
        self._check_rising("score_levels")
        trained = dict(zip(self.levels_.tolist(), self.network_.detectors, strict=True))
        wanted = self.levels_.tolist() if self.score_levels is None else self.score_levels
        if not trained.keys() >= set(wanted):
            raise ValueError(
                f"The parameter 'score_levels' of {type(self).__name__} must be None or some of "
                f"{tuple(trained)}, which were trained. Got {shown(self.score_levels)}."
            )
        return [trained[level] for level in wanted]

    def _score_params(self) -> dict[str, Any]:
        levels = self.score_levels
        return {"score_levels": None if levels is None else ", ".join(map(str, levels))}

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


def _pool(data: TrainingData, spec: MLSADSpec) -> Tensor:
    """Training images that fakes are made of, on the device, with the channels last in memory."""
    needed = any(level.fakes in ("shuffled", "blended") for level in spec.levels.values())
    most = max(1, _LARGEST_POOL // data.samples.size) if needed else 1
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
