"""What all detectors share: checking of X, images beside vectors, thresholds, predictions."""

import math
import os
import warnings
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, validate_data

from skmmrr._files import save_detector
from skmmrr._random import numpy_generator
from skmmrr._validation import check_real

ImageShape = tuple[int, int, int]

_AUTO_CONTAMINATION = 0.05
_MOST_HELD_OUT = 1000  # samples that set the threshold: their 5% quantile is good to 0.7%
_ROUNDING = 1e-9  # a rate of 1/49 times 49 samples is a hair below 1
_MOST_CHANNELS = 4  # a first axis this short, of a longer second and third, is one of channels


class BaseDetector(BaseEstimator):
    """Base of the detectors; a subclass adds ``fit`` and ``_score_samples``.

    Notes
    -----
    A subclass inherits :class:`sklearn.base.OutlierMixin` first. Its constructor has the parameters
    `image_shape`, `contamination` and `validation_fraction`; its ``fit`` calls
    ``_validate_X(X, reset=True)``, ``_split`` and in the end ``_set_threshold``.
    """

    image_shape: tuple[int, ...] | None
    contamination: float | str
    validation_fraction: float
    image_shape_: ImageShape | None

    @abstractmethod
    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Scores of validated, flattened samples; higher is more normal."""

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Score samples: the negative of the anomaly score, so that higher is more normal.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        scores : ndarray of float64 of shape (n_samples,)
            A sample's score does not depend on the other samples of the call.
        """
        check_is_fitted(self)
        return self._score_samples(self._validate_X(X, reset=False))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Score samples relative to the threshold: ``score_samples(X) - offset_``.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        decision : ndarray of float64 of shape (n_samples,)
            Negative for anomalies.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If parameters that change the scores were set since the threshold was.
        """
        check_is_fitted(self)
        self._check_threshold()
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Tell anomalies from normal samples.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        labels : ndarray of int64 of shape (n_samples,)
            +1 for normal samples, -1 for anomalies.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Mean of :meth:`score_samples`, for model selection without labels.

        It tells how well normal samples are explained, not how well anomalies are told apart.
        With it ``GridSearchCV(detector, grid).fit(X)`` can compare what is fitted to the same end,
        such as a bandwidth, a learning rate or the sizes of networks. It cannot compare parameters
        that change what is measured, such as levels, features, `adjust` or the rule of the score:
        their scores are different quantities. With labels take the scorers of
        :mod:`skmmrr.metrics`.

        Parameters
        ----------
        X : array-like
            Normal samples.
        y : Ignored

        Returns
        -------
        score : float
        """
        return float(self.score_samples(X).mean())

    def calibrate(self, X: ArrayLike, false_positive_rate: float | None = None) -> Self:
        """Set the threshold anew from normal samples, without refitting.

        Parameters
        ----------
        X : array-like
            Normal samples that took no part in the fit.
        false_positive_rate : float, default=None
            Share of normal samples that may be called anomalies, in (0, 1). The threshold is
            conformal: of new samples from where X comes from, at most this share is flagged in
            expectation, whatever the detector and the data [1]_. None takes the rule of
            `contamination`, the quantile of the scores, which promises nothing for small X.

        Returns
        -------
        self : object
            With the attribute ``calibration_scores_``, the scores in rising order.

        Raises
        ------
        ValueError
            If X has too few samples for the rate, ``1 / false_positive_rate - 1`` at the least.

        References
        ----------
        .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", 2005.

        Examples
        --------
        >>> import numpy as np
        >>> from skmmrr.baselines import KDEDetector
        >>> rng = np.random.default_rng(0)
        >>> detector = KDEDetector(random_state=0).fit(rng.normal(size=(300, 2)))
        >>> detector = detector.calibrate(rng.normal(size=(200, 2)), false_positive_rate=0.05)
        >>> detector.p_values([[0.0, 0.0], [6.0, -6.0]]).round(3)
        array([0.975, 0.005])
        """
        check_is_fitted(self)
        if false_positive_rate is not None:
            owner = f"{type(self).__name__}.calibrate"
            check_real("false_positive_rate", false_positive_rate, owner, 0, 1)
        X = self._validate_X(X, reset=False)
        scores = self._score_samples(X)
        if false_positive_rate is None:
            self._set_threshold(scores)
        else:
            self.offset_ = self._conformal_offset(scores, false_positive_rate)
            self.threshold_params_ = self._score_params()
        self.calibration_scores_ = np.sort(scores)
        return self

    def p_values(self, X: ArrayLike) -> NDArray[np.float64]:
        """How rare a normal sample as abnormal as this one would be: conformal p-values.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        p_values : ndarray of float64 of shape (n_samples,)
            In (0, 1]; at least one over the number of samples that :meth:`calibrate` got, plus one.
            Of new normal samples, at most a share p has p-values of p or less, in expectation. They
            say nothing of how many anomalies there are.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If :meth:`calibrate` was not called since the fit, or since parameters that change the
            scores were set.
        """
        check_is_fitted(self)
        if not hasattr(self, "calibration_scores_"):
            raise NotFittedError(
                f"This {type(self).__name__} has no p-values: those need scores of normal samples "
                "that took no part in the fit. Call calibrate(X) with such samples first."
            )
        self._check_threshold()
        n = len(self.calibration_scores_)
        below = np.searchsorted(self.calibration_scores_, self.score_samples(X), side="right")
        return (1 + below) / (n + 1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector to a file without pickle, for :func:`skmmrr.load`.

        Parameters
        ----------
        path : path-like
            The file. It is replaced at once when all is written; after an error it is as it was.

        Raises
        ------
        TypeError
            If a parameter is code, such as a feature network of one's own: save with joblib then.
        ImportError
            If safetensors is not installed.
        """
        save_detector(self, path)

    def _conformal_offset(self, scores: NDArray[np.float64], rate: float) -> float:
        """Threshold below which at most the share `rate` of exchangeable scores falls."""
        n_below = math.floor(rate * (len(scores) + 1) + _ROUNDING)
        if n_below < 1:
            needed = math.ceil(1 / rate - 1 - _ROUNDING)
            least = math.ceil(1e4 / (len(scores) + 1)) / 1e4
            raise ValueError(
                f"A false_positive_rate of {rate:g} needs at least {needed} normal samples in "
                f"{type(self).__name__}.calibrate. Got {len(scores)}: give more, or ask for a rate "
                f"of {least:g} or higher."
            )
        return float(np.partition(scores, n_below - 1)[n_below - 1])

    def _split(self, n_samples: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Indices of the held-out samples (5% in the paper), and of those that are fitted."""
        n_validation = min(math.ceil(self.validation_fraction * n_samples), n_samples - 1)
        order = numpy_generator(seed, "split").permutation(n_samples)
        return order[:n_validation], order[n_validation:]

    def _hold_out(self, n_samples: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """As :meth:`_split`, for a fit that holds out for the threshold alone; sorted."""
        held_out, fitted = self._split(n_samples, seed)
        if self.contamination != "auto":  # all samples set the threshold
            fitted = np.arange(n_samples)
        return held_out, np.sort(fitted)

    def _threshold_scores(self, X: NDArray[Any], held_out: NDArray[np.intp]) -> NDArray[np.float64]:
        """Scores that set the threshold in the end of a fit: of held-out or of all samples."""
        if self.contamination == "auto":
            X = X[np.sort(held_out[:_MOST_HELD_OUT])]
        return self._score_samples(X)

    def _training_scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of the samples of the fit; as if each had not been fitted, where that is cheap."""
        return self.score_samples(X)

    def _set_threshold(self, scores: NDArray[np.float64]) -> Self:
        """Put the threshold at the quantile of these scores that `contamination` names."""
        if len(scores) > 1 and np.ptp(scores) == 0:
            warnings.warn(
                f"All {len(scores)} samples that set the threshold have the same score: they are "
                "equal, or the networks have learned nothing of them.",
                stacklevel=3,
            )
        share = _AUTO_CONTAMINATION if self.contamination == "auto" else float(self.contamination)
        self.offset_ = float(np.quantile(scores, share))
        self.__dict__.pop("calibration_scores_", None)  # of another fit
        self.threshold_params_ = self._score_params()
        return self

    def _score_params(self) -> dict[str, Any]:
        """Parameters that may be set after fit and change the scores, hence the threshold."""
        return {}

    def _check_threshold(self) -> None:
        now = self._score_params()
        if now != self.threshold_params_:
            raise NotFittedError(
                f"The threshold of this {type(self).__name__} belongs to {self.threshold_params_}, "
                f"but its parameters are now {now}. Call calibrate(X) with normal samples, or set "
                "the parameters back; score_samples follows them without that."
            )

    def _check_contamination(self) -> None:
        if not (isinstance(self.contamination, str) and self.contamination == "auto"):
            remedy = "It is the share of the training samples to flag; 'auto' is allowed too."
            owner = type(self).__name__
            check_real("contamination", self.contamination, owner, 0, 0.5, remedy, bounds="(]")

    def _validate_X(self, X: Any, *, reset: bool) -> NDArray[Any]:
        """Check samples and flatten them to (n_samples, n_features), without a copy of arrays.

        With `reset`, learn ``n_features_in_``, ``feature_names_in_`` and ``image_shape_``.
        """
        X, found = self._flatten_images(X)
        if found is not None and not reset:
            self._check_image_shape(found, self.image_shape_, "was fitted on")
        X = validate_data(
            self, X, reset=reset, dtype="numeric", ensure_min_samples=2 if reset else 1
        )
        if reset:
            self.image_shape_ = self._resolve_image_shape(found, X.shape[1])
        return X

    def _flatten_images(self, X: Any) -> tuple[Any, ImageShape | None]:
        """Images of (n, h, w[, channels]) to (n, h * w * channels), and their shape."""
        if isinstance(X, list | tuple):
            X = np.asarray(X)
        if getattr(X, "ndim", 0) < 3:
            return X, None
        if X.ndim > 4:
            raise ValueError(
                f"{type(self).__name__} takes X of shape (n, features), (n, height, width) or "
                f"(n, height, width, channels). Got {X.ndim} dimensions: shape {tuple(X.shape)}."
            )
        X = np.asarray(X)
        height, width, channels = (*X.shape[1:], 1)[:3]
        return X.reshape(len(X), height * width * channels), (height, width, channels)

    def _resolve_image_shape(self, found: ImageShape | None, n_features: int) -> ImageShape | None:
        """Shape of the images from the parameter, or as found in X; None for vectors."""
        if self.image_shape is None:
            if found is not None and found[0] <= _MOST_CHANNELS < min(found[1:]):
                raise self._channels_first(found)
            return found
        shape = self._check_image_shape_parameter(self.image_shape)
        if found is not None:
            self._check_image_shape(found, shape, "has the parameter image_shape for")
        if math.prod(shape) != n_features:
            raise ValueError(
                f"The parameter 'image_shape' of {type(self).__name__} must multiply out to the "
                f"number of features. Got {self.image_shape!r}, that is {math.prod(shape)}, for X "
                f"with {n_features} features."
            )
        return shape

    def _check_image_shape_parameter(self, given: Any) -> ImageShape:
        if not (
            isinstance(given, tuple | list)
            and len(given) in (2, 3)
            and all(isinstance(side, int | np.integer) and side > 0 for side in given)
        ):
            raise ValueError(
                f"The parameter 'image_shape' of {type(self).__name__} must be None, "
                "(height, width) or (height, width, channels), positive ints. "
                f"Got {given!r}."
            )
        height, width, channels = (*given, 1)[:3]
        return int(height), int(width), int(channels)

    def _check_image_shape(self, found: ImageShape, expected: ImageShape | None, why: str) -> None:
        if expected is None or found == expected:
            return
        if (found[1], found[2], found[0]) == expected:
            raise self._channels_first(found)
        raise ValueError(
            f"X has images of (height, width, channels) = {found}, but this {type(self).__name__} "
            f"{why} {expected}. Resize or convert the images to that shape."
        )

    def _channels_first(self, found: ImageShape) -> ValueError:
        return ValueError(
            f"X of shape (n, {', '.join(map(str, found))}) looks channels-first, but "
            f"{type(self).__name__} takes images as (n, height, width, channels). "
            "Pass X.transpose(0, 2, 3, 1); or, if it is what you mean, name the image_shape."
        )
