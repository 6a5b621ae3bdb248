"""The kernel density estimate of the papers' tables."""

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KernelDensity

from skmmrr.baselines._projected import ProjectedDetector, own_points
from skmmrr.core.kinds import Array, Kind, Made, Real, require
from skmmrr.core.seeds import numpy_generator
from skmmrr.core.validation import check_real

# In units of the samples' root mean square distance from their mean, by factors of sqrt(2).
BANDWIDTHS = 2.0 ** np.arange(-6, 0.5, 0.5)
_FOLDS = 5
_MOST_CROSS_VALIDATED = 2000  # samples: their cost is quadratic


_MOST = 1e12  # that a component of scaled samples is; its square and the bandwidth's are finite
_DENSITY_KINDS: dict[str, Kind] = {
    "points": Array("f8", 2, low=-_MOST, high=_MOST),
    "bandwidth": Real(1e-100, 1e100),
}


def density_of(points: NDArray[np.float64], bandwidth: float) -> KernelDensity:
    """Scikit-learn's estimate; one leaf of the tree, so that the sum is a plain one."""
    return KernelDensity(bandwidth=bandwidth, leaf_size=len(points)).fit(points)


def _density_part(density: KernelDensity, name: str) -> Any:
    return np.asarray(density.tree_.data) if name == "points" else float(density.bandwidth)


class KDEDetector(ProjectedDetector):
    """Gaussian kernel density estimate on the principal components of images or vectors.

    scikit-learn's :class:`~sklearn.neighbors.KernelDensity`, after the scaling, the projection and
    with the thresholds of this library's detectors. The score is the log-density; the bandwidth is
    the one of highest likelihood of held-out normal samples, so that no label is seen.

    Parameters
    ----------
    bandwidth : "cv" or float, default="cv"
        Standard deviation of the kernel, on components of samples scaled to [-1, 1]. "cv"
        chooses among 13 by the likelihood in five-fold cross-validation, of at most 2,000 samples:
        from 1/64 of the root mean square distance of samples from their mean to that distance.
    variance : float, default=None
        Share of the variance that the principal components keep, in (0, 1]; 1 leaves the
        projection out. None: 0.95 for images, as in the older literature, 1 for vectors, where
        the directions of little variance are those in which anomalies stand out.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        Shape of the images whose pixels the rows of a two-dimensional X are. None takes the
        shape of X with three or four dimensions, and vectors of X with two.
    validation_fraction : float, default=0.05
        Share of the training samples that are not fitted where `contamination` is "auto"; they set
        the threshold with the others.
    contamination : "auto", float or None, default="auto"
        Share of normal samples that are flagged: the threshold is that quantile of the scores of
        the training samples, each scored without itself, as it is by ``predict`` too. A float in
        (0, 0.5] takes all of them; "auto", for clean training data, is 5% of at most 1,000 of
        them. None sets no threshold: ``predict`` asks for ``calibrate``.
    random_state : int, RandomState instance or None, default=None
        Seed of the split and of the folds.

    Attributes
    ----------
    estimator_ : sklearn.neighbors.KernelDensity
        Fitted on the components.
    bandwidth_ : float
        The bandwidth in use.
    pca_ : sklearn.decomposition.PCA or None
        None where nothing is left out.
    representation_ : Representation
        Map of the training range to [-1, 1]: of each feature, or of all pixels together.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.
    image_shape_ : tuple (height, width, channels) or None
        None for vectors.
    n_features_in_ : int
        Number of features; height * width * channels for images.

    See Also
    --------
    skmmrr.baselines.OCSVMDetector : The other classical detector of the tables.

    Notes
    -----
    The density is a plain sum over all training samples. scikit-learn 1.9 sums over several leaves
    of a tree in such a way that log-densities of small bandwidths come out hundreds of nats off.

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr.baselines import KDEDetector
    >>> rng = np.random.default_rng(0)
    >>> detector = KDEDetector(random_state=0).fit(rng.normal(size=(200, 2)))
    >>> detector.predict([[0.0, 0.0], [6.0, -6.0]])
    array([ 1, -1])
    """

    _KEEPS: ClassVar = ProjectedDetector._KEEPS | {
        "bandwidth_": _DENSITY_KINDS["bandwidth"],
        "estimator_": Made(_DENSITY_KINDS, density_of, _density_part),
    }

    def __init__(
        self,
        bandwidth: float | str = "cv",
        *,
        variance: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        validation_fraction: float = 0.05,
        contamination: float | str | None = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.bandwidth = bandwidth
        self.variance = variance
        self.image_shape = image_shape
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.random_state = random_state

    def _check_params(self) -> None:
        if not (isinstance(self.bandwidth, str) and self.bandwidth == "cv"):
            owner, remedy = type(self).__name__, "'cv' chooses by likelihood."
            check_real("bandwidth", self.bandwidth, owner, 0, np.inf, remedy)
        super()._check_params()

    def _fit_estimator(self, components: NDArray[np.float64], seed: int) -> Any:
        self.bandwidth_ = self._choose_bandwidth(components, seed)
        return density_of(components, self.bandwidth_)

    def _score_components(self, components: NDArray[np.float64]) -> NDArray[np.float64]:
        points, bandwidth = self._points(), self.bandwidth_
        squares = cdist(components, points, "sqeuclidean")
        rows, own = own_points(squares, points)
        n_others = np.full(len(components), len(points))
        if len(points) > 1:
            squares[rows, own], n_others[rows] = np.inf, len(points) - 1
        normaliser = points.shape[1] * math.log(bandwidth * math.sqrt(2 * math.pi))
        return logsumexp(-squares / (2 * bandwidth**2), axis=1) - np.log(n_others) - normaliser

    def _points(self) -> NDArray[np.float64]:
        return np.asarray(self.estimator_.tree_.data)

    def _check_kept(self) -> None:
        super()._check_kept()
        require(self.bandwidth_ == self.estimator_.bandwidth, "there are two bandwidths")

    def _choose_bandwidth(self, components: NDArray[np.float64], seed: int) -> float:
        if self.bandwidth != "cv":
            return float(self.bandwidth)
        deviation = float(np.sqrt(components.var(axis=0).sum()))
        if deviation == 0:
            return 1.0
        order = numpy_generator(seed, "folds").permutation(len(components))
        search = GridSearchCV(
            KernelDensity(leaf_size=len(components)),
            {"bandwidth": deviation * BANDWIDTHS},
            cv=KFold(min(_FOLDS, len(components))),
            refit=False,
        )
        search.fit(components[order[:_MOST_CROSS_VALIDATED]])
        return float(search.best_params_["bandwidth"])
