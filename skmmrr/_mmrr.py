"""The detector: MMRR behind scikit-learn's interface."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skmmrr._complexity import AdjustingMixin
from skmmrr._data import Samples, downsampled, repeat_squares
from skmmrr._device import module_on_device, resolve_device
from skmmrr._levels import level_quadrature
from skmmrr._network_detector import NetworkDetector
from skmmrr._recipes import (
    Recipe,
    choose_backbone,
    default_downsample,
    default_learning_rate,
    default_level_power,
    recipe,
)
from skmmrr._scoring import Chunk, LevelPasses
from skmmrr._training import Phase
from skmmrr._validation import check_bool, check_integer, check_option, check_real
from skmmrr.network import (
    Draws,
    MMRREnsemble,
    MMRRNetwork,
    ResidualMLP,
    UNet,
    sample_loss,
    squared_error,
)

BACKBONES = ("auto", "unet", "mlp")
MASKS = ("learned", "constant", "bernoulli")

_ADJUSTING: tuple[str, int] = ("gauss-legendre", 8)  # levels that say what errors are usual


class MMRRDetector(OutlierMixin, AdjustingMixin, NetworkDetector):
    r"""Multi-Level Masking and Restoration with Refinement, an anomaly detector.

    Learns from normal samples to restore them from what a learned mask leaves of them, at all
    levels from nothing to everything. Abnormal samples are restored worse; a second network
    takes off what is hard to restore in any sample. No level is singled out: the anomaly score is
    the mean of the remaining squared error over all of them, so that there is no hyperparameter to
    be tuned on anomalies that nobody has [1]_. Of images it is set beside the error that is usual
    for an image as busy.

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
        Whether errors of images are adjusted for how busy these are. The error of a normal image
        grows with its total variation (of luminance and colours where it has three channels), by a
        power that up to 500 training images tell; scores and maps are the errors that an image
        would have, were it as busy as usual, and larger, the more unusual its variation is. Not in
        the paper. May be set to False after fit. Vectors do not use it.
    embed : bool, default=True
        Whether to mask a learned embedding; else the sample itself (ablation of table 2).
    mask : {"learned", "constant", "bernoulli"}, default="learned"
        How masks are made (ablation of table 3).
    backbone : {"auto", "unet", "mlp"}, default="auto"
        Networks of all four roles: U-Nets of wide residual blocks for images, as in the paper, or
        residual multilayer perceptrons for vectors and images. "auto" takes perceptrons for images
        that are aligned, where a pixel's place has a meaning: whose mean image explains at least a
        quarter of the pixels' variance, and of which they see at most 16,384 values (see
        `downsample`). They detect better there, and are faster.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        Shape of the images whose pixels the rows of a two-dimensional X are. None takes the
        shape of X with three or four dimensions, and vectors of X with two.
    width : int, default=None
        Channels of every feature map, or hidden features. None: 32 for "unet"; for "mlp" 256 on
        images and 128 on vectors.
    n_blocks : int, default=None
        Residual blocks: of a U-Net per resolution, down and up; of a perceptron in all. None: 1.
    n_resolutions : int, default=None
        Resolutions of the U-Net, each half the one before. None: down to about 2x2, at most 4.
    n_estimators : int, default=None
        Networks that are trained side by side from different weights, and whose errors are
        averaged. Time of training and of scoring grows with it. The paper has 1. None: for "unet"
        on images that the networks see with 16x16 pixels 2, with fewer pixels up to 4, with more
        1; for "mlp" 1.
    downsample : int, default=None
        The networks see images whose every pixel is the mean of a square of this many pixels a
        side. Costs fall with its square, and so do the pixels that say where an image is abnormal.
        None: 4, or 2 or 1, whichever first leaves 14 pixels on the shorter side. The paper's is 1.
        Vectors do not use it.
    level_power : float, default=None
        In training, levels are drawn as ``u ** level_power`` with u from U(0, 1). The paper's are
        uniform, 1.0; higher values practise the low levels more, where U-Nets learn late.
        None: 3.0 for "unet" with fewer than 1,000 steps of the restoration, else 1.0.
    levels_per_sample : int, default=4
        Levels at which a training step sees each sample of the batch; embedding and mask logits
        are computed once for all of them. The paper has 1.
    max_iter : int or tuple (restoration, refinement) of int, default=None
        Optimiser steps of each of the two phases. None: for "unet" a quarter of the number of
        samples that train, but at least 300 and at most 1500; for "mlp" on images half of that
        number, but at least 500 and at most 3000, and 300 for the refinement; for vectors 20 per
        feature, but at least 150 and at most 1000. It decides what None means for `learning_rate`
        and `level_power`.
    batch_size : int, default=None
        Samples per training step. None: 16 for "unet", 64 for "mlp". Scoring does not use it.
    learning_rate : float, default=None
        Highest rate of the schedule. None: 3e-3 on images for a phase of 1,000 steps or more, else
        1e-3.
    optimizer : {"adamw", "radam", "adam"}, default="adamw"
        "radam" is the paper's, "adam" that of the rotation autoencoder.
    schedule : {"cosine", "plateau", "constant"}, default="cosine"
        "cosine" warms up over the first tenth of `max_iter`, decays over the rest, and stops
        early when the validation loss has stopped falling. "plateau" is the paper's: the rate is
        halved when that loss has not fallen for 500 epochs.
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
        refit with another number of threads then gives the same scores, to 1e-6 and far less.
    random_state : int, RandomState instance or None, default=None
        Seed of the split, the weights, the training and the noise of the scores. A fitted
        detector scores repeatably with None too.
    verbose : int, default=0
        1 shows progress bars with losses and time left.

    Attributes
    ----------
    network_ : skmmrr.network.MMRREnsemble
        The trained networks, on the CPU: a list of :class:`skmmrr.network.MMRRNetwork`.
    architecture_ : dict
        The parameters that shaped the network, as they were at the fit.
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
    noise_seed_ : int
        Seed of the noise of the scores.
    adjustments_ : dict of str to Adjustment
        What errors are usual, "restored" and "refined": the power ``slope`` of the total variation,
        whose ``least``, ``usual`` and ``most`` values among the training images are there too, its
        ``spread``, and the weight ``rarity`` of an unusual one. Empty for vectors, and after a fit
        with ``adjust=False``.
    scaler_ : Scaler
        Map of the training range to [-1, 1]: of each feature, or of all pixels together.
    backbone_ : str
        "unet" or "mlp".
    downsample_ : int
        Side of the squares of pixels that the networks see as one; 1 for vectors.
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
    """

    _PHASES = ("restoration", "refinement")
    _SIZES = ("width", "n_blocks", "n_resolutions", "n_estimators")
    _ARCHITECTURE = ("refine", "embed", "mask", *_SIZES)

    def __init__(
        self,
        n_levels: int = 60,
        *,
        level_rule: str = "uniform",
        refine: bool = True,
        adjust: bool = True,
        embed: bool = True,
        mask: str = "learned",
        backbone: str = "auto",
        image_shape: tuple[int, ...] | None = None,
        width: int | None = None,
        n_blocks: int | None = None,
        n_resolutions: int | None = None,
        n_estimators: int | None = None,
        downsample: int | None = None,
        level_power: float | None = None,
        levels_per_sample: int = 4,
        max_iter: int | tuple[int, int] | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        optimizer: str = "adamw",
        schedule: str = "cosine",
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
        self.width = width
        self.n_blocks = n_blocks
        self.n_resolutions = n_resolutions
        self.n_estimators = n_estimators
        self.downsample = downsample
        self.level_power = level_power
        self.levels_per_sample = levels_per_sample
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.schedule = schedule
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    @property
    def levels_(self) -> NDArray[np.float64]:
        """Masking levels that the scores are made of, in rising order."""
        return level_quadrature(self.level_rule, self.n_levels, type(self).__name__)[0]

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
            levels, and of images adjusted, as in the score. Pixels of one square of `downsample_`
            have the same value. The mean of a map is the sample's anomaly score, but where squares
            are cut off at an edge: the score weighs them like whole ones.
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        factors, (levels, quadrature) = self._factors(X, self._error_kind()), self._quadrature()
        weights = torch.from_numpy(quadrature) / len(self.network_)
        shape = self._seen_shape()
        maps = np.zeros((len(X), math.prod(shape)))
        for chunk in self._chunks(X, levels):
            error = self._channels_last(squared_error(chunk.x, chunk.refined))
            error = error.flatten(2).to("cpu", torch.float64)
            maps[chunk.samples] += torch.tensordot(weights[chunk.levels], error, ([0], [1])).numpy()
        maps *= factors[:, None]
        if self.image_shape_ is None:
            return maps
        maps = maps.reshape(len(X), *shape).mean(axis=3)
        return repeat_squares(maps, self.image_shape_, self.downsample_)

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
            are those that the networks see, `downsample_` times smaller; they have their channels
            last, and no such axis if they have one channel.

            - ``levels`` of shape (n_levels,);
            - ``x``, ``embedding`` of shape (n_samples, ...);
            - ``mask``, ``restored``, ``refined`` of shape (n_samples, n_levels, ...).
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        levels = self.levels_ if levels is None else np.asarray(levels, dtype=np.float64).ravel()
        if len(levels) == 0 or not ((levels >= 0) & (levels <= 1)).all():
            raise ValueError(f"explain takes levels in [0, 1], at least one. Got {levels}.")
        if member not in range(len(self.network_)):
            raise ValueError(
                f"explain takes a member from 0 to {len(self.network_) - 1}. Got {member}."
            )
        samples = self._samples(X, self.network_)
        parts: dict[str, NDArray[Any]] = {}
        for chunk in self._passes().chunks(samples, levels, members=[member]):
            for name in ("x", "embedding", "mask", "restored", "refined"):
                part = self._to_numpy(getattr(chunk, name))
                per_level = name not in ("x", "embedding")
                if name not in parts:
                    n_levels = len(levels) if per_level else 1
                    parts[name] = np.empty((len(X), n_levels, *part.shape[2:]), np.float32)
                parts[name][chunk.samples, chunk.levels if per_level else slice(None)] = part
        parts["x"], parts["embedding"] = parts["x"][:, 0], parts["embedding"][:, 0]
        return Bunch(levels=levels, **parts)

    # Fitting

    def _check_params(self) -> None:
        owner = type(self).__name__
        level_quadrature(self.level_rule, self.n_levels, owner)
        check_bool("refine", self.refine, owner)
        check_bool("adjust", self.adjust, owner)
        check_bool("embed", self.embed, owner)
        check_option("mask", self.mask, owner, MASKS)
        check_option("backbone", self.backbone, owner, BACKBONES)
        for name in (*self._SIZES, "downsample"):
            if getattr(self, name) is not None:
                remedy = "None chooses from the data."
                check_integer(name, getattr(self, name), owner, minimum=1, remedy=remedy)
        check_integer("levels_per_sample", self.levels_per_sample, owner, minimum=1)
        if self.level_power is not None:
            check_real("level_power", self.level_power, owner, 0, math.inf)
        super()._check_params()

    def _resolve(self, X: NDArray[Any], seed: int) -> None:
        self.downsample_ = self._resolve_downsample()
        self.backbone_ = self._resolve_backbone(X)
        self.noise_seed_ = seed

    def _resolve_backbone(self, X: NDArray[Any]) -> str:
        if self.backbone == "unet" and self.image_shape_ is None:
            raise ValueError(
                f"The parameter 'backbone' of {type(self).__name__} is 'unet', which needs images, "
                "but X has vectors. Pass images of shape (n, height, width[, channels]), or "
                "image_shape."
            )
        if self.backbone == "auto":
            seen = Samples(X, self.scaler_, self.image_shape_, downsample=self.downsample_)
            return choose_backbone(seen)
        return self.backbone

    def _resolve_downsample(self) -> int:
        if self.image_shape_ is None:
            return 1
        side = min(self.image_shape_[:2])
        if self.downsample is not None and self.downsample > side:
            raise ValueError(
                f"The parameter 'downsample' of {type(self).__name__} must be at most the shorter "
                f"side of the images, {side} pixels. Got {self.downsample}. None chooses by the "
                "image."
            )
        return self.downsample or default_downsample(side)

    def _recipe(self) -> Recipe:
        return recipe(self.backbone_, images=self._takes_images())

    def _averaged(self) -> int:
        return self.downsample_

    def _design_network(self) -> MMRREnsemble:
        *shape, _ = self._seen_shape()
        n_members = self.n_estimators or self._recipe().n_members(math.prod(shape))
        return MMRREnsemble(self._design_member() for _ in range(n_members))

    def _design_member(self) -> MMRRNetwork:
        backbone: Callable[[int, int], nn.Module]
        *shape, channels = self._seen_shape()
        width, n_blocks = self._recipe().width, self._recipe().n_blocks
        sizes = {"width": self.width or width, "n_blocks": self.n_blocks or n_blocks}
        if self.backbone_ == "mlp":
            backbone = partial(ResidualMLP, shape=tuple(shape), **sizes)
        else:
            deepest = max(1, min(4, int(math.log2(min(shape)))))  # to 2x2 at the least
            n_resolutions = self.n_resolutions or deepest
            backbone = partial(UNet, n_resolutions=n_resolutions, **sizes)
        return MMRRNetwork(backbone, channels, self.refine, self.embed, self.mask)

    def _default_batch_size(self) -> int:
        return self._recipe().batch_size

    def _default_max_iter(self, n_train: int) -> tuple[int, int]:
        return self._recipe().max_iter(n_train, self.n_features_in_)

    def _default_learning_rate(self, max_iter: int) -> float:
        return default_learning_rate(self._takes_images(), max_iter)

    def _convolves(self) -> bool:
        return self.backbone_ == "unet"

    def _phases(self, network: MMRREnsemble, max_iter: tuple[int, ...]) -> Iterator[Phase]:
        """The two phases of section 3.4; the second sees the first one's best weights."""
        power = self.level_power or default_level_power(self.backbone_, max_iter[0])

        def restored(
            member: MMRRNetwork, x: Tensor, generator: torch.Generator
        ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
            encoded = (x, *member.encode(x))
            x, embedding, logits = (
                t.repeat_interleave(self.levels_per_sample, dim=0) for t in encoded
            )
            level, draws = _draw(x, power, member.masking.random, generator)
            mask = member.masking(logits, level, draws.uniform)
            return x, embedding, mask, draws.noise, member.restore(embedding, mask, draws.noise)

        def restoration_loss(member: MMRRNetwork, x: Tensor, generator: torch.Generator) -> Tensor:
            x, *_, output = restored(member, x, generator)
            return sample_loss(x, output)

        def refinement_loss(member: MMRRNetwork, x: Tensor, generator: torch.Generator) -> Tensor:
            with torch.no_grad():
                x, embedding, mask, noise, output = restored(member, x, generator)
            return sample_loss(x, member.refine(x, embedding, mask, noise, output))

        def each(loss: Callable[..., Tensor]) -> list[Callable[..., Tensor]]:
            return [partial(loss, member) for member in network]

        trained = (part for m in network for part in (m.embedding, m.masking, m.restoration))
        yield Phase("restoration", nn.ModuleList(trained), each(restoration_loss))
        refinements = [m.refinement for m in network if m.refinement is not None]
        if refinements:
            yield Phase("refinement", nn.ModuleList(refinements), each(refinement_loss))

    # Scoring

    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        # Not a matrix product: BLAS rounds a row by its place, which tips samples on the threshold.
        return -(self._level_losses(X) * self._quadrature()[1]).sum(axis=1)

    def _level_losses(self, X: NDArray[Any], noise_seed: int | None = None) -> NDArray[np.float64]:
        factors = self._factors(X, self._error_kind())
        return self._losses(X, ["refined"], self.levels_, noise_seed)["refined"] * factors[:, None]

    def _losses(
        self,
        X: NDArray[Any],
        outputs: Sequence[str],
        levels: NDArray[np.float64],
        noise_seed: int | None = None,
    ) -> dict[str, NDArray[np.float64]]:
        """Losses of shape (n_samples, n_levels) of some outputs of a :class:`Chunk`."""
        losses = {name: np.zeros((len(X), len(levels))) for name in outputs}
        for chunk in self._chunks(X, levels, noise_seed):
            for name, total in losses.items():
                error = squared_error(chunk.x, getattr(chunk, name)).flatten(2)
                mean = error.mean(dim=2, dtype=torch.float64)
                total[chunk.samples, chunk.levels] += mean.cpu().numpy()
        return {name: total / len(self.network_) for name, total in losses.items()}

    def _chunks(
        self, X: NDArray[Any], levels: NDArray[np.float64], noise_seed: int | None = None
    ) -> Iterator[Chunk]:
        """Pass over all samples, levels and members."""
        samples, members = self._samples(X, self.network_), range(len(self.network_))
        yield from self._passes(noise_seed).chunks(samples, levels, members, self.verbose)

    def _after_training(self, X: NDArray[Any]) -> None:
        if not self._adjusts():
            self.adjustments_ = {}
            return
        some, (levels, weights) = X[self._some_of(len(X))], level_quadrature(*_ADJUSTING)
        losses = self._losses(some, ["restored", "refined"], levels)
        errors = {kind: found @ weights for kind, found in losses.items()}
        self.adjustments_ = self._learned_adjustments(some, errors)

    def _error_kind(self) -> str:
        return "refined" if self.refine else "restored"

    def _passes(self, noise_seed: int | None = None) -> LevelPasses:
        if self.refine and self.network_[0].refinement is None:
            raise ValueError(
                f"The parameter 'refine' of {type(self).__name__} is True, but it was fitted with "
                "refine=False and has no refinement network. Fit again, or set refine=False."
            )
        device = resolve_device(self.device, type(self).__name__)
        return LevelPasses(
            networks=module_on_device(self.network_, device),
            refine=self.refine,
            noise_seed=self.noise_seed_ if noise_seed is None else noise_seed,
            device=device,
            dtype=self._dtype(device),
        )

    def _channels_last(self, x: Tensor) -> Tensor:
        """Network output of (n_samples, n_levels, ...) in the order of the features of X."""
        return x.movedim(2, -1) if self._takes_images() else x

    def _to_numpy(self, x: Tensor) -> NDArray[np.float32]:
        """Network output as the user gave samples: images without an axis for one channel."""
        output = self._channels_last(x).flatten(2).cpu().numpy()
        shape = self._seen_shape()
        if len(shape) == 3 and shape[2] == 1:
            shape = shape[:2]
        return output.reshape(*output.shape[:2], *shape)

    def _seen_shape(self) -> tuple[int, ...]:
        """Of a sample as the networks see it, channels last."""
        if self.image_shape_ is None:
            return (self.n_features_in_,)
        return downsampled(self.image_shape_, self.downsample_)

    def _quadrature(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return level_quadrature(self.level_rule, self.n_levels, type(self).__name__)

    def _score_params(self) -> dict[str, Any]:
        names = ("n_levels", "level_rule", "refine")
        return {name: getattr(self, name) for name in names} | {"adjust": self._adjusts()}


def _draw(
    x: Tensor, level_power: float, uniform: bool, generator: torch.Generator
) -> tuple[Tensor, Draws]:
    """Levels u^level_power with u ~ U(0, 1), stratified over the batch, and fresh noise."""
    n, device = len(x), x.device
    strata = torch.randperm(n, generator=generator, device=device)
    u = (strata + torch.rand(n, generator=generator, device=device)) / n
    noise = (torch.rand(x.shape, generator=generator, device=device) * 2 - 1).to(x.dtype)
    numbers = torch.rand(x.shape, generator=generator, device=device) if uniform else None
    return u**level_power, Draws(noise, numbers)
