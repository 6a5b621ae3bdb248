"""The one-class support vector machine of the papers' tables."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.svm import OneClassSVM

from skmmrr.baselines._projected import ProjectedDetector, own_points
from skmmrr.core.kinds import SMALLEST, Array, Real, record, require, stored
from skmmrr.core.validation import check_real

_GAMMA_TIMES_VARIANCE = 4.0
_CACHE_MEGABYTES = 1000


@stored(
    support_vectors=Array("f8", 2),
    coefficients=Array("f8", 1, low=0, high=1),
    gamma=Real(SMALLEST),
    offset=Real(),
)
@dataclass(frozen=True, eq=False)
class SupportVectorMachine:
    r"""A fitted one-class machine: :math:`s(x) = \sum_i a_i e^{-\gamma \|x - v_i\|^2}`.

    Attributes
    ----------
    support_vectors : ndarray of float64 of shape (n_support, n_components)
        The :math:`v_i`.
    coefficients : ndarray of float64 of shape (n_support,)
        The :math:`a_i`.
    gamma : float
    offset : float
        The score at the machine's own boundary.
    """

    support_vectors: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    gamma: float
    offset: float

    @classmethod
    def fit(cls, X: NDArray[np.float64], nu: float, gamma: float) -> "SupportVectorMachine":
        """Fit by scikit-learn's :class:`~sklearn.svm.OneClassSVM`."""
        machine = OneClassSVM(nu=nu, gamma=gamma, cache_size=_CACHE_MEGABYTES)
        machine.random_state = 0  # not used, but else drawn from numpy's global state
        fitted = machine.fit(X)
        coefficients = np.ascontiguousarray(fitted.dual_coef_[0])
        return cls(fitted.support_vectors_, coefficients, float(gamma), float(fitted.offset_[0]))

    def score_samples(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of samples; higher is more normal.

        A support vector is scored by the other ones, whose coefficients are raised to the same sum:
        as by the machine that was fitted without it, approximately [1]_. Differences, not products
        of matrices: those round a row by its place among the others.

        References
        ----------
        .. [1] T. Jaakkola and D. Haussler, "Probabilistic kernel regression models", AISTATS 1999.
        """
        squares, whole = cdist(X, self.support_vectors, "sqeuclidean"), self.coefficients.sum()
        rows, own = own_points(squares, self.support_vectors)
        others = whole - self.coefficients[own]
        rows, own, others = (array[others > 0] for array in (rows, own, others))
        terms = np.exp(-self.gamma * squares) * self.coefficients
        terms[rows, own] = 0
        scores = terms.sum(axis=1)
        scores[rows] *= whole / others
        return scores

    def check_stored(self) -> None:
        """Refuse a file's machine that has no coefficient for each vector."""
        same = len(self.coefficients) == len(self.support_vectors)
        require(same, "'estimator_' must have a coefficient for each support vector")


class OCSVMDetector(ProjectedDetector):
    r"""One-class support vector machine on the principal components of images or vectors.

    scikit-learn's :class:`~sklearn.svm.OneClassSVM` with a Gaussian kernel, after the scaling, the
    projection and with the thresholds of this library's detectors. Nothing is chosen by labels
    of the data at hand: `nu` is a tenth, and `gamma` follows from the variance. Published figures
    often come from a choice of both on labelled test samples [1]_;
    ``python docs/results/classical.py`` measures what that is worth.

    Parameters
    ----------
    nu : float, default=0.1
        Upper bound of the share of training samples outside the boundary, and lower bound of that
        of support vectors, in (0, 1).
    gamma : "auto" or float, default="auto"
        Coefficient of the kernel :math:`e^{-\gamma \|x - y\|^2}` on components of samples scaled
        to [-1, 1]. "auto" is 4 over their total variance, so that the kernel falls to
        :math:`e^{-8}` at the root mean square distance between samples. scikit-learn's "scale"
        would be 1 over it; the 4 had the best mean AUROC on 16 of ADBench's sets.
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
        Seed of the split.

    Attributes
    ----------
    estimator_ : SupportVectorMachine
        Fitted on the components: ``support_vectors``, ``coefficients``, ``gamma`` and ``offset``.
    pca_ : sklearn.decomposition.PCA or None
        None where nothing is left out.
    representation_ : Representation
        Map of the training range to [-1, 1]: of each feature, or of all pixels together.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this. Not the machine's own offset.
    image_shape_ : tuple (height, width, channels) or None
        None for vectors.
    n_features_in_ : int
        Number of features; height * width * channels for images.

    See Also
    --------
    skmmrr.baselines.KDEDetector : The other classical detector of the tables.

    References
    ----------
    .. [1] L. Ruff et al., "Deep One-Class Classification", ICML 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr.baselines import OCSVMDetector
    >>> rng = np.random.default_rng(0)
    >>> detector = OCSVMDetector(random_state=0).fit(rng.normal(size=(200, 2)))
    >>> detector.predict([[0.0, 0.0], [6.0, -6.0]])
    array([ 1, -1])
    """

    _KEEPS: ClassVar = ProjectedDetector._KEEPS | {"estimator_": record(SupportVectorMachine)}

    def __init__(
        self,
        nu: float = 0.1,
        *,
        gamma: float | str = "auto",
        variance: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        validation_fraction: float = 0.05,
        contamination: float | str | None = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.nu = nu
        self.gamma = gamma
        self.variance = variance
        self.image_shape = image_shape
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.random_state = random_state

    def _check_params(self) -> None:
        owner = type(self).__name__
        check_real("nu", self.nu, owner, 0, 1, "At 1 the machine has no boundary.")
        if not (isinstance(self.gamma, str) and self.gamma == "auto"):
            remedy = "'auto' chooses from the data."
            check_real("gamma", self.gamma, owner, 0, np.inf, remedy)
        super()._check_params()

    def _fit_estimator(self, components: NDArray[np.float64], seed: int) -> Any:
        total = components.var(axis=0).sum()
        chosen = _GAMMA_TIMES_VARIANCE / total if total > 0 else 1.0
        gamma = chosen if self.gamma == "auto" else self.gamma
        return SupportVectorMachine.fit(components, self.nu, float(gamma))

    def _score_components(self, components: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.estimator_.score_samples(components)

    def _points(self) -> NDArray[np.float64]:
        points: NDArray[np.float64] = self.estimator_.support_vectors
        return points
