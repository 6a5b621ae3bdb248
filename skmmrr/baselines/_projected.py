"""What the classical detectors share: scaling, projection, and an estimator inside."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from skmmrr.core.base import BaseDetector
from skmmrr.core.kinds import (
    SMALLEST,
    Array,
    Choice,
    Integer,
    Kind,
    Made,
    Maybe,
    Real,
    record,
    require,
)
from skmmrr.core.seeds import draw_seed
from skmmrr.core.validation import check_real
from skmmrr.representation import LARGEST, Representation

_IMAGE_VARIANCE = 0.95
_DISTANCES = 2**23  # computed at a time
_ROUNDING = 1e-10  # of a product of matrices, relative to its largest number


# What files have of a PCA. Rows of `components_` have unit length.
_PCA_KINDS: dict[str, Kind] = {
    "mean_": Array("f8", 1, low=-2 * LARGEST, high=2 * LARGEST),
    "components_": Array("f8", 2, low=-1.001, high=1.001),
    "explained_variance_": Array("f8", 1, low=0),
    "explained_variance_ratio_": Array("f8", 1, low=0),
    "singular_values_": Array("f8", 1, low=0),
    "noise_variance_": Real(0),
    "n_samples_": Integer(1),
    "n_components": Real(SMALLEST, 1),
    "svd_solver": Choice(("full", "covariance_eigh")),
}


def _made_pca(n_components: float, svd_solver: str, **fitted: Any) -> PCA:
    """A PCA that was fitted, of its arrays."""
    pca = PCA(n_components, svd_solver=svd_solver)
    n_kept, n_features = fitted["components_"].shape
    same = fitted["mean_"].shape == (n_features,) and all(
        fitted[name].shape == (n_kept,)
        for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_")
    )
    require(same, "the arrays of 'pca_' do not belong together")
    vars(pca).update(fitted, n_components_=n_kept, n_features_in_=n_features)
    return pca


def own_points(
    squares: NDArray[np.float64], points: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Samples that are points themselves: their rows, and one such point of each.

    The projection may round a sample in another way than when it became a point.

    Parameters
    ----------
    squares : ndarray of shape (n_samples, n_points)
        Squared distances.
    points : ndarray of shape (n_points, n_components)
    """
    nearest = squares.argmin(axis=1)
    rounding = (_ROUNDING * np.abs(points).max()) ** 2
    rows = np.flatnonzero(squares[np.arange(len(squares)), nearest] <= rounding)
    return rows, nearest[rows]


class ProjectedDetector(BaseDetector):
    """Base of detectors that run an estimator on principal components.

    Notes
    -----
    A subclass has the parameters annotated here, fits and scores on the components.
    """

    _KEEPS: ClassVar = BaseDetector._KEEPS | {
        "representation_": record(Representation),
        "pca_": Maybe(Made(_PCA_KINDS, _made_pca)),
    }

    variance: float | None
    random_state: int | np.random.RandomState | None
    representation_: Representation
    pca_: PCA | None
    estimator_: Any

    def _fit(self, X: Any) -> None:
        self._check_params()
        X = self._validate_X(X, reset=True)
        seed = draw_seed(self.random_state)
        fitted = self._fitted_rows(len(X), seed)
        self.representation_ = Representation.fit(X, self.image_shape_)
        self.pca_ = self._fit_pca(self.representation_.scale(X[fitted]).astype(np.float64))
        self.estimator_ = self._fit_estimator(self._components(X[fitted]), seed)
        self._set_threshold(self._threshold_scores(X))

    def components(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scale and project samples: what the estimator inside sees.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        components : ndarray of float64 of shape (n_samples, n_components)
        """
        check_is_fitted(self)
        return self._components(self._validate_X(X, reset=False))

    def _check_params(self) -> None:
        owner = type(self).__name__
        if self.variance is not None:
            remedy = "None chooses from the data."
            check_real("variance", self.variance, owner, 0, 1, remedy, bounds="(]")
        super()._check_params()

    @abstractmethod
    def _fit_estimator(self, components: NDArray[np.float64], seed: int) -> Any:
        """Fit the estimator."""

    def _fit_pca(self, scaled: NDArray[np.float64]) -> PCA | None:
        """Fit the projection; None if nothing is to be left out, or nothing varies."""
        variance = self.variance
        if variance is None:
            variance = 1.0 if self.image_shape_ is None else _IMAGE_VARIANCE
        if variance == 1 or not np.ptp(scaled, axis=0).any():
            return None
        n_samples, n_features = scaled.shape
        # Both are exact; with many samples the eigenvalues of the covariance are there sooner.
        solver = "covariance_eigh" if n_samples > n_features else "full"
        pca = PCA(n_components=float(variance), svd_solver=solver).fit(scaled)
        pca.components_ = np.ascontiguousarray(pca.components_)  # products round by the order
        return pca

    def _check_kept(self) -> None:
        super()._check_kept()
        pca, points = self.pca_, self._points()
        n_features = self.n_features_in_
        require(pca is None or pca.n_features_in_ == n_features, "'pca_' has another width than X")
        n_components = n_features if pca is None else pca.n_components_
        require(points.shape[1] == n_components, "the estimator has another width than 'pca_'")
        require(self.representation_.downsample == 1, "it takes images as they are")

    @abstractmethod
    def _points(self) -> NDArray[np.float64]:
        """The components that the estimator has learned."""

    def _components(self, X: NDArray[Any]) -> NDArray[np.float64]:
        scaled = self.representation_.scale(X).astype(np.float64)
        if self.pca_ is None:
            return scaled
        # Not its transform, a matrix product: BLAS rounds a row by its place among the others.
        found: NDArray[np.float64] = np.einsum(
            "nf,cf->nc", scaled - self.pca_.mean_, self.pca_.components_
        )
        return found

    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        scores = np.empty(len(X))
        for rows in gen_batches(len(X), max(1, _DISTANCES // len(self._points()))):
            scores[rows] = self._score_components(self._components(X[rows]))
        return scores

    @abstractmethod
    def _score_components(self, components: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of samples; of what :meth:`_points` has, as if it did not have it."""
