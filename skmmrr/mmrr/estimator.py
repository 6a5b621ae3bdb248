"""The detector: MMRR behind scikit-learn's interface."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skmmrr.core.base import BaseDetector
from skmmrr.core.complexity import ErrorAdjustment, learning_images, require_adjustment
from skmmrr.core.devices import (
    TRAINING_PRECISIONS,
    module_on_device,
    resolve_device,
    resolve_precision,
)
from skmmrr.core.kinds import Array, Maybe, Weights, record
from skmmrr.core.seeds import draw_seed
from skmmrr.core.training import HISTORY, TrainingData, check_history, fitting, train
from skmmrr.core.validation import check_bool, check_integer, check_option, check_steps
from skmmrr.mmrr.backbones import BACKBONES
from skmmrr.mmrr.levels import check_levels, level_quadrature
from skmmrr.mmrr.masking import MASKS
from skmmrr.mmrr.phases import training_phases
from skmmrr.mmrr.score import squared_error
from skmmrr.mmrr.scoring import LevelPasses, Pass
from skmmrr.mmrr.spec import PHASES, Backbone, MMRRSpec, resolve_spec
from skmmrr.options import Network, Training
from skmmrr.representation import Samples

_ADJUSTING: tuple[str, int] = ("gauss-legendre", 8)  # levels that say what errors are usual


class MMRRDetector(OutlierMixin, BaseDetector):
    r"""Multi-Level Masking and Restoration with Refinement, an anomaly detector.

    Learns from normal samples to restore them from what a learned mask leaves of them, at every
    masking level from nothing to everything. Abnormal samples are restored worse; a second network
    takes off what is hard to restore in any sample. No level is singled out: the anomaly score is
    the mean of the remaining squared error over all of them, so that there is no hyperparameter to
    tune on labelled anomalies [1]_. Errors of images are taken relative to those of normal images
    of similar complexity.

    With :math:`e = \tanh f_E(x)`, the mask :math:`m` of mean :math:`\mu` from the logits
    :math:`f_M(x)`, and noise :math:`\epsilon \sim U(-1, 1)`,

    .. math::

        \hat x = \tanh f_{res}(e \odot m + \epsilon \odot (1 - m)), \qquad
        r = f_{ref}(x, e, m, \epsilon),

    and the loss at the level :math:`\mu` is the mean of :math:`(x - (\hat x + r))^2`.

    Parameters
    ----------
    n_levels : int, default=60
        Number of masking levels of the score; see `level_rule`. May be set after fit: then
        ``score_samples`` follows, and ``predict`` asks for :meth:`calibrate`.
    level_rule : {"uniform", "gauss-legendre"}, default="uniform"
        "uniform" is the paper's grid of `n_levels` (at least 2) from 0 to 1. "gauss-legendre" takes
        `n_levels` (at least 1) quadrature nodes and the two ends, weighted so that few passes
        rank like many: 8 for 60, at a fifth of the time. May be set after fit.
    refine : bool, default=True
        Whether to train and use the refinement network. May be set to False after fit.
    adjust : bool, default=True
        Whether errors of images are adjusted for complexity. The error of a normal image grows with
        its total variation (of luminance and colours where it has three channels), by a power that
        up to 500 training images tell; scores and maps are errors rescaled to typical complexity,
        and larger, the more unusual an image's complexity is. Not in the paper. May be set to
        False after fit. Vectors do not use it.
    embed : bool, default=True
        Whether to mask a learned embedding; else the sample itself (ablation of table 2).
    mask : {"learned", "constant", "bernoulli"}, default="learned"
        How masks are made (ablation of table 3).
    backbone : {"auto", "unet", "mlp"} or callable, default="auto"
        Networks of all four roles: U-Nets of wide residual blocks for images, as in the paper, or
        residual multilayer perceptrons for vectors and images. "auto" takes perceptrons for images
        that are aligned, where a pixel's place has a meaning: whose mean image explains at least a
        quarter of the pixels' variance, and of which they see at most 16,384 values (see
        `downsample`). They detect better there, and are faster. A callable ``(in_channels,
        out_channels, shape) -> torch.nn.Module`` builds a network of your own, from tensors of
        shape ``(n, in_channels, *shape)`` to ``(n, out_channels, *shape)``; `shape` is empty for
        vectors. Its weights are drawn by :func:`skmmrr.core.initialisation.initialise`: values of
        its constructor are not kept. It is trained like the named one for such data, as one model.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        Shape of the images whose pixels the rows of a two-dimensional X are. None takes the
        shape of X with three or four dimensions, and vectors of X with two.
    network : Network, default=None
        Sizes of the networks; see :class:`skmmrr.Network`. None chooses from the data.
    training : Training, default=None
        Batch size, learning rate, optimizer, schedule and levels of the training; see
        :class:`skmmrr.Training`. None chooses from the data.
    n_estimators : int, default=None
        Models that are trained side by side from different weights, and whose errors are
        averaged. Time of training and of scoring grows with it. The paper has 1. None: for "unet"
        on images that the networks see with 16x16 pixels 2, with fewer pixels up to 4, with more
        1; for "mlp" 1.
    downsample : int, default=None
        The networks see images whose every pixel is the mean of a square of this many pixels a
        side. Costs fall with its square, and so do the pixels that say where an image is abnormal.
        None: 4, or 2 or 1, whichever first leaves 14 pixels on the shorter side. The paper's is 1.
        Vectors do not use it.
    max_iter : int or tuple (restoration, refinement) of int, default=None
        Optimiser steps of each of the two phases. None: for "unet" a quarter of the number of
        samples that train, but at least 300 and at most 1500; for "mlp" on images half of that
        number, but at least 500 and at most 3000, and 300 for the refinement; for vectors 20 per
        feature, but at least 150 and at most 1000. It decides what None means for the learning rate
        and the level power of `training`.
    validation_fraction : float, default=0.05
        Share of the training samples that choose the best weights instead of training them.
    contamination : "auto" or float, default="auto"
        Where the threshold is. "auto" is for clean training data: the 5% quantile of the scores of
        the held-out normal samples, at most 1,000 of them. A float in (0, 0.5] is that quantile of
        the scores of all training samples, as in scikit-learn; all of them are scored for it.
    device : str or torch.device, default="auto"
        "auto" is a GPU where there is one, else the CPU. May be set after fit.
    precision : {"auto", "float32", "bfloat16", "float64"}, default="auto"
        Of convolutions and products; weights, masks and losses are float32. "auto" is bfloat16
        where the hardware gains from it. "float64" is that for everything, several times slower: a
        refit with another number of threads then gives the same scores within 1e-6.
    random_state : int, RandomState instance or None, default=None
        Seed of the split, the weights, the training and the noise of the scores. A fitted
        detector scores repeatably with None too.
    verbose : int, default=0
        1 shows progress bars with losses and time left.

    Attributes
    ----------
    spec_ : MMRRSpec
        What was fitted, every number resolved: representation, sizes, levels in training, budget of
        each phase, seed. ``print(detector.spec_)`` shows a line for each.
    network_ : torch.nn.ModuleList of MMRRModel
        The trained models, on the CPU; see :class:`skmmrr.mmrr.MMRRModel`.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.
    threshold_params_ : dict
        The scoring parameters that `offset_` belongs to.
    history_ : dict of str to dict of str to ndarray
        For each phase, "restoration" and "refinement": ``step``, ``train_loss`` (mean since the
        last validation), ``validation_loss`` and ``learning_rate``.
    n_iter_ : ndarray of int of shape (n_phases,)
        Optimiser steps taken by each phase.
    levels_ : ndarray of float of shape (n_levels,) or (n_levels + 2,)
        The masking levels of the score under the current parameters.
    adjustment_ : ErrorAdjustment or None
        What errors are usual, in ``by_kind["restored"]`` and ``by_kind["refined"]``: the power
        ``slope`` of the total variation, whose ``least``, ``usual`` and ``most`` values among the
        training images are there too, its ``spread``, and the ``rarity_weight`` of an unusual one.
        None for vectors, and after a fit with ``adjust=False``.
    image_shape_ : tuple (height, width, channels) or None
        None for vectors.
    n_features_in_ : int
        Number of features; height * width * channels for images.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Only after a fit on a DataFrame.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Fast baseline for vectors.
    sklearn.svm.OneClassSVM : The classical novelty detector.

    Notes
    -----
    A score depends on nothing but the sample: the noise is one draw per level, keyed by the
    level, and the networks run in chunks of one constant shape. The embedding and the mask
    logits are computed once per sample, not once per level.

    A fit uses as many of torch's threads as the work of a training step is worth, and one for small
    networks and images: those are no faster on several, and much slower on a machine with other
    work. The number that torch had is restored after the fit.

    The same seed gives the same weights on one machine with one number of threads. Another number
    adds gradients up in another order, which training amplifies to some percent of the scores,
    but not from the rounding of ``precision="float64"``. How a fitted detector scores does not
    depend on it.

    References
    ----------
    .. [1] "MMRR: Unsupervised Anomaly Detection through Multi-Level Masking and Restoration with
       Refinement", submitted to NeurIPS 2022.
    .. [2] J. Serra et al., "Input complexity and out-of-distribution detection with
       likelihood-based generative models", ICLR 2020: the idea behind `adjust`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr import MMRRDetector
    >>> rng = np.random.default_rng(0)
    >>> detector = MMRRDetector(random_state=0).fit(rng.normal(size=(200, 2)))
    >>> detector.predict([[0.0, 0.0], [6.0, -6.0]])
    array([ 1, -1])
    >>> detector.spec_.backbone, detector.spec_.sizes
    ('mlp', {'width': 128, 'n_blocks': 1})
    """

    _GROUPS: ClassVar = {"network": Network, "training": Training}
    _ALWAYS_HOLDS_OUT = True
    _KEEPS: ClassVar = BaseDetector._KEEPS | {
        "spec_": record(MMRRSpec),
        "network_": Weights(),
        "history_": HISTORY,
        "n_iter_": Array("i8", 1, low=0),
        "adjustment_": Maybe(record(ErrorAdjustment)),
    }

    spec_: MMRRSpec
    network_: Any
    adjustment_: ErrorAdjustment | None

    def __init__(
        self,
        n_levels: int = 60,
        *,
        level_rule: str = "uniform",
        refine: bool = True,
        adjust: bool = True,
        embed: bool = True,
        mask: str = "learned",
        backbone: str | Backbone = "auto",
        image_shape: tuple[int, ...] | None = None,
        network: Network | None = None,
        training: Training | None = None,
        n_estimators: int | None = None,
        downsample: int | None = None,
        max_iter: int | tuple[int, int] | None = None,
        validation_fraction: float = 0.05,
        contamination: float | str = "auto",
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_levels = n_levels
        self.level_rule = level_rule
        self.refine = refine
        self.adjust = adjust
        self.embed = embed
        self.mask = mask
        self.backbone = backbone
        self.image_shape = image_shape
        self.network = network
        self.training = training
        self.n_estimators = n_estimators
        self.downsample = downsample
        self.max_iter = max_iter
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    # Fitting

    def _fit(self, X: Any) -> None:
        owner = type(self).__name__
        self._check_params()
        device = resolve_device(self.device, owner)
        X = self._validate_X(X, reset=True)
        seed = draw_seed(self.random_state)
        held_out, trained = self._split(len(X), seed)
        n, shape = len(trained), self.image_shape_
        self.spec_ = resolve_spec(vars(self), X, shape, n, seed, device, owner)
        self.network_ = self.spec_.initialised_models()
        phases = training_phases(self.network_, self.spec_)
        samples, dtype = self._samples(X), self._dtype(device)
        data = TrainingData(samples, trained, held_out, seed, device, dtype, self.verbose)
        with fitting(phases, data) as interrupt:
            self.history_, self.n_iter_ = train(self.network_, phases, data, interrupt)
            self.adjustment_ = self._learned_adjustment(X) if self._adjusts() else None
            self._set_threshold(self._threshold_scores(X, held_out))

    def _check_params(self) -> None:
        owner, remedy = type(self).__name__, "None chooses from the data."
        level_quadrature(self.level_rule, self.n_levels, owner)
        for name in ("refine", "adjust", "embed"):
            check_bool(name, getattr(self, name), owner)
        check_option("mask", self.mask, owner, MASKS)
        if not callable(self.backbone):
            own = "A callable (in_channels, out_channels, shape) builds a network of your own."
            check_option("backbone", self.backbone, owner, ("auto", *BACKBONES), own)
        elif self.network is not None:
            raise ValueError(
                f"The parameter 'network' of {owner} has sizes of 'unet' and 'mlp', but 'backbone' "
                "is a callable of your own. Set sizes there, and network=None."
            )
        for name in ("n_estimators", "downsample"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), owner, minimum=1, remedy=remedy)
        if self.max_iter is not None:
            check_steps("max_iter", self.max_iter, owner, PHASES, remedy)
        check_option("precision", self.precision, owner, TRAINING_PRECISIONS)
        super()._check_params()

    def _learned_adjustment(self, X: NDArray[Any]) -> ErrorAdjustment:
        """What errors are usual for normal images of some complexity."""
        some, (levels, weights) = X[learning_images(*X.shape)], level_quadrature(*_ADJUSTING)
        losses = self._losses(some, ["restored", "refined"], levels)
        errors = {kind: found @ weights for kind, found in losses.items()}
        return ErrorAdjustment.fit(some, errors, self.spec_.representation, self._device())

    # Files

    def _planned_network(self, n_weights: int) -> nn.Module:
        models: nn.Module = self.spec_.planned_models(n_weights)
        return models

    def _costs(self) -> dict[str, Any]:
        return {"n_levels": self.n_levels}

    def _check_kept(self) -> None:
        super()._check_kept()
        check_history(self.history_, self.n_iter_, tuple(self.spec_.budgets))
        if self.adjustment_ is not None:
            self.adjustment_.check_stored_for(self.image_shape_, ("restored", "refined"))

    def _trial_scores(self) -> NDArray[np.float64]:
        X = self._fitted_representation().typical_rows()
        losses = self._losses(X, ["refined"], np.array([0.5]))["refined"]
        return losses[:, 0] * self._factors(X)

    # Scoring

    @property
    def levels_(self) -> NDArray[np.float64]:
        """Masking levels that the scores are made of, in rising order."""
        return self._quadrature()[0]

    def level_losses(self, X: ArrayLike, noise_seed: int | None = None) -> NDArray[np.float64]:
        """Mean squared error of every sample at every level: what the scores are made of.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.
        noise_seed : int, default=None
            Seed of the noise; None takes that of the fit, as the scores do.

        Returns
        -------
        losses : ndarray of float64 of shape (n_samples, len(`levels_`))
            Refinement losses (4), or restoration losses (3) with ``refine=False``; adjusted as the
            scores are.
        """
        check_is_fitted(self)
        if noise_seed is not None:
            owner, remedy = f"{type(self).__name__}.level_losses", "None takes that of the fit."
            check_integer("noise_seed", noise_seed, owner, 0, remedy, maximum=2**32 - 1)
        return self._level_losses(self._validate_X(X, reset=False), noise_seed)

    def anomaly_map(self, X: ArrayLike) -> NDArray[np.float64]:
        """Tell where samples are abnormal.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        maps : ndarray of float64 of shape (n_samples, height, width) or (n_samples, n_features)
            Squared error of each pixel (mean over its channels) or feature, weighted over the
            levels, and of images adjusted, as in the score. Pixels of one square (see
            `downsample`) have the same value. The mean of a map is the sample's anomaly score,
            except where squares are cut off at an edge: the score weighs them like whole ones.
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        factors, (levels, quadrature) = self._factors(X), self._quadrature()
        weights = torch.from_numpy(quadrature) / len(self.network_)
        representation = self.spec_.representation
        maps = torch.zeros(len(X), math.prod(representation.shape), dtype=torch.float64)
        for one in self._passes(X, levels):
            error = squared_error(one.x, one.stages.refined)
            error = representation.features_last(error).to("cpu", torch.float64)
            maps[one.samples] += torch.tensordot(weights[one.levels], error, ([0], [1]))
        return representation.to_maps(maps * torch.from_numpy(factors)[:, None]).numpy()

    def explain(self, X: ArrayLike, levels: ArrayLike | None = None, *, member: int = 0) -> Bunch:
        """Show what the networks make of samples, for plots and for understanding.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes; the result takes memory for
            ``3 * n_samples * len(levels)`` of them, as the networks see them.
        levels : array-like of float, default=None
            Masking levels in [0, 1]; None takes ``levels_``.
        member : int, default=0
            Which of the `n_estimators` networks is shown.

        Returns
        -------
        stages : Bunch
            Arrays of float32 in the networks' units, where the training range is [-1, 1]; images
            are those that the networks see, `downsample` times smaller; they have their channels
            last, and no such axis if they have one channel.

            - ``levels`` of shape (n_levels,);
            - ``x``, ``embedding`` of shape (n_samples, ...);
            - ``mask``, ``restored``, ``refined`` of shape (n_samples, n_levels, ...).
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        owner, last = f"{type(self).__name__}.explain", len(self.network_) - 1
        levels = self.levels_ if levels is None else check_levels(levels, owner)
        check_integer("member", member, owner, 0, "It counts the networks.", maximum=last)
        parts: dict[str, NDArray[Any]] = {}
        for one in self._passes(X, levels, members=[member]):
            for name in ("x", "embedding", "mask", "restored", "refined"):
                part = one.x if name == "x" else getattr(one.stages, name)
                part = self.spec_.representation.to_user(part)
                per_level = name in ("mask", "restored", "refined")
                if name not in parts:
                    n_levels = [len(levels)] if per_level else []
                    own = part.shape[1 + per_level :]
                    parts[name] = np.empty((len(X), *n_levels, *own), np.float32)
                parts[name][(one.samples, one.levels) if per_level else one.samples] = part
        return Bunch(levels=levels, **parts)

    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        # Not a matrix product: BLAS rounds a row by its place, which tips samples on the threshold.
        return -(self._level_losses(X) * self._quadrature()[1]).sum(axis=1)

    def _level_losses(self, X: NDArray[Any], noise_seed: int | None = None) -> NDArray[np.float64]:
        factors = self._factors(X)
        return self._losses(X, ["refined"], self.levels_, noise_seed)["refined"] * factors[:, None]

    def _losses(
        self,
        X: NDArray[Any],
        outputs: Sequence[str],
        levels: NDArray[np.float64],
        noise_seed: int | None = None,
    ) -> dict[str, NDArray[np.float64]]:
        """Losses of shape (n_samples, n_levels) of some outputs among the stages."""
        losses = {name: np.zeros((len(X), len(levels))) for name in outputs}
        for one in self._passes(X, levels, noise_seed=noise_seed):
            for name, total in losses.items():
                error = squared_error(one.x, getattr(one.stages, name)).flatten(2)
                mean = error.mean(dim=2, dtype=torch.float64)
                total[one.samples, one.levels] += mean.cpu().numpy()
        return {name: total / len(self.network_) for name, total in losses.items()}

    def _passes(
        self,
        X: NDArray[Any],
        levels: NDArray[np.float64],
        members: Sequence[int] | None = None,
        noise_seed: int | None = None,
    ) -> Iterator[Pass]:
        """Pass over all samples and levels, and all models or some."""
        if self.refine and not self.spec_.refine:
            raise ValueError(
                f"The parameter 'refine' of {type(self).__name__} is True, but it was fitted with "
                "refine=False and has no refinement network. Fit again, or set refine=False."
            )
        device = self._device()
        models = module_on_device(self.network_, device)
        seed = self.spec_.seed if noise_seed is None else noise_seed
        passes = LevelPasses(models, self.refine, seed, device, self._dtype(device))
        members = range(len(models)) if members is None else members
        yield from passes.over(self._samples(X), levels, members, self.verbose)

    def _samples(self, X: NDArray[Any]) -> Samples:
        return Samples(X, self.spec_.representation, self.spec_.dtype)

    def _device(self) -> torch.device:
        return resolve_device(self.device, type(self).__name__)

    def _dtype(self, device: torch.device) -> torch.dtype:
        return resolve_precision(self.precision, device, self.spec_.convolves)

    def _quadrature(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return level_quadrature(self.level_rule, self.n_levels, type(self).__name__)

    def _adjusts(self) -> bool:
        return self.adjust and self.image_shape_ is not None

    def _factors(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """What adjusts the errors of each sample."""
        if not self._adjusts():
            return np.ones(len(X))
        adjustment = require_adjustment(self.adjustment_, type(self).__name__)
        return adjustment.factors(X, "refined" if self.refine else "restored", self._device())

    def _score_params(self) -> dict[str, Any]:
        names = ("n_levels", "level_rule", "refine")
        return {name: getattr(self, name) for name in names} | {"adjust": self._adjusts()}
