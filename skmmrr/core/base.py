"""What all detectors share: checks of X, images and vectors, thresholds, predictions."""

import copy
import math
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from skmmrr.core.checkpoint import Checkpoint
from skmmrr.core.chunks import evenly_spaced
from skmmrr.core.files import save_detector
from skmmrr.core.groups import ParameterGroups
from skmmrr.core.image_shapes import check_image_shape, flatten_images, resolve_image_shape
from skmmrr.core.kinds import (
    IMAGE_SHAPE,
    Array,
    Integer,
    Kind,
    Lacking,
    Maybe,
    Real,
    Scalar,
    Table,
    Texts,
    require,
)
from skmmrr.core.labels import is_anomaly
from skmmrr.core.seeds import numpy_generator
from skmmrr.core.validation import check_real, check_verbose, shown
from skmmrr.core.warn import warn
from skmmrr.representation import ImageShape, Representation

_AUTO_CONTAMINATION = 0.05
_MOST_SCORED = 1000  # samples that set the automatic threshold: their 5% quantile is good to 0.7%
_ENOUGH_HELD_OUT = 100  # samples that set the threshold of networks: a tenth is good to 3%
_REFIT_FRACTION = 0.1  # that refits of networks hold out, where the validation samples are fewer
_DECILES = (0.1, 0.5, 0.9)
_LARGEST_ERROR = 0.5  # of a rate, relative to it, that is not warned of
_ROUNDING = 1e-9  # a rate of 1/49 times 49 samples is a hair below 1


class BaseDetector(OutlierMixin, ParameterGroups, BaseEstimator, ABC):
    """Base of the detectors; a subclass adds ``_fit`` and ``_score_samples``.

    Notes
    -----
    Its constructor has the parameters `image_shape`, `contamination` and `validation_fraction`; its
    ``_fit`` calls ``_check_params()``, ``_validate_X(X, reset=True)``, ``_fitted_rows`` and in the
    end ``_set_threshold``. What it learns beyond that is in ``_KEEPS``, for files. It scores a
    sample that it keeps as if it did not have it: so samples of the fit score as new ones do, and
    a quantile of their scores is a threshold for new samples. See :class:`NetworkDetector` for
    those that cannot.
    """

    _PARAMETER_KINDS: ClassVar[dict[str, Kind]] = {}  # in files: of parameters that are not scalars
    _KEEPS: ClassVar[dict[str, Kind]] = {  # in files: all that a fit learns
        "n_features_in_": Integer(1),
        "feature_names_in_": Lacking(Texts()),
        "image_shape_": Maybe(IMAGE_SHAPE),
        "offset_": Lacking(Real()),
        "threshold_params_": Lacking(Table(Scalar())),
        "calibration_scores_": Lacking(Array("f8", 1)),
    }

    image_shape: tuple[int, ...] | None
    contamination: float | str | None
    validation_fraction: float
    image_shape_: ImageShape | None
    n_features_in_: int
    offset_: float
    threshold_params_: dict[str, Any]

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn normal data and set the threshold.

        Parameters
        ----------
        X : array-like
            Normal samples, at least 2: vectors of shape (n_samples, n_features), images of shape
            (n_samples, height, width) or (n_samples, height, width, channels), or flattened images
            with the parameter `image_shape`. Any real dtype; finite, but for NaN where the
            detector's tag `allow_nan` says so; no dates, and masked arrays only where nothing is
            masked. Memory-mapped arrays are read batch by batch.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            If a parameter or X is not as described. After this or any other error the detector is
            what it was before: it scores as it did, or is not fitted.
        ImportError
            If the package of a named network is not installed.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If a validation loss did not fall.
        UserWarning
            If all samples that set the threshold score the same, or are so few that the rate of
            `contamination` has a standard error above half of it. After Ctrl-C during the training
            of networks: training stops, the best weights so far are kept, and the detector is
            fitted; after it, the fit runs to its end. Ctrl-C before anything was learned, and a
            second one, abort the fit.
        """
        fitted = self._unfitted()
        fitted._fit(X)
        self.__dict__ = fitted.__dict__  # all that was learned at once
        return self

    def _unfitted(self) -> Self:
        """A copy that has learned nothing, with the same parameters."""
        unfitted = copy.copy(self)
        unfitted.__dict__ = {k: v for k, v in vars(self).items() if not _is_learned(k)}
        return unfitted

    @abstractmethod
    def _fit(self, X: Any) -> None:
        """Fit this object, which has learned nothing yet and is dropped after an error."""

    @abstractmethod
    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Scores of validated, flattened samples; higher is more normal."""

    def scores_and_maps(self, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What :meth:`score_samples` and ``anomaly_map`` return, in one pass where that is cheaper.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        scores : ndarray of float64 of shape (n_samples,)
        maps : ndarray of float64 of shape (n_samples, height, width) or (n_samples, n_features)

        Raises
        ------
        AttributeError
            If the detector has no anomaly maps.
        """
        with_maps: Any = self
        return self.score_samples(X), with_maps.anomaly_map(X)

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
            If parameters that change the scores were set since the threshold was, or none was set.
        """
        check_is_fitted(self)
        self._check_threshold()
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Predict which samples are anomalies.

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
        y : array-like of shape (n_samples,), default=None
            Not used; a warning says so where it tells normal samples from anomalies.

        Returns
        -------
        score : float

        Warns
        -----
        UserWarning
            If y has both kinds, as in ``GridSearchCV(detector, grid).fit(X, y)`` without `scoring`.
        """
        if y is not None and _has_both_kinds(y):
            warn(
                f"{type(self).__name__}.score is for normal samples alone and does not use labels, "
                "but y has both kinds. Give the search a scorer that does: "
                'scoring=skmmrr.metrics.SCORERS["roc_auc"]; or leave y and the anomalies out.'
            )
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
            If X has too few samples for the rate, ``1 / false_positive_rate - 1`` at the least, or
            if there is neither a rate nor a `contamination`.

        Warns
        -----
        UserWarning
            If X has too few samples for the rate of `contamination`, as :meth:`fit` does.

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
        elif self.contamination is None:
            raise ValueError(
                f"{type(self).__name__} with contamination=None has no rule for its threshold. "
                "Give calibrate a false_positive_rate, or set contamination."
            )
        X = self._validate_X(X, reset=False)
        calibrated = copy.copy(self)
        scores = calibrated._learn_usual(X)
        if false_positive_rate is None:
            calibrated._set_threshold(scores)
        else:
            calibrated.offset_ = self._conformal_offset(scores, false_positive_rate)
            calibrated.threshold_params_ = self._score_params()
        calibrated.calibration_scores_ = np.sort(scores)
        self.__dict__ = calibrated.__dict__  # all that was learned at once
        return self

    def p_values(self, X: ArrayLike) -> NDArray[np.float64]:
        """Conformal p-value of each sample.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        p_values : ndarray of float64 of shape (n_samples,)
            In (0, 1]; at least ``1 / (n + 1)`` for the n samples that :meth:`calibrate` got. Of new
            normal samples, at most a share p has p-values of p or less, in expectation. They say
            nothing about how many anomalies there are.

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
        return self._p_values(self.score_samples(X))

    def flag(self, X: ArrayLike, *, fdr: float = 0.1) -> NDArray[np.bool]:
        """Flag anomalies at a bounded false discovery rate, by the Benjamini-Hochberg procedure.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.
        fdr : float, default=0.1
            False discovery rate, in (0, 1): bounds the share of normal samples among those that
            are flagged, in expectation over calibrations and X. It holds for conformal p-values of
            independent samples [1]_. If no sample is abnormal, anything is flagged in at most this
            share of the calls.

        Returns
        -------
        flagged : ndarray of bool of shape (n_samples,)
            Unlike scores and labels these depend on the other samples of the call: the more of
            them are extreme, the lower the bar for the next one.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            As :meth:`p_values` does: :meth:`calibrate` comes first. With n samples there no p-value
            is below 1 / (n + 1), so that at least ``n_samples / (fdr * (n + 1))`` samples are
            flagged, or none.

        References
        ----------
        .. [1] S. Bates, E. Candes, L. Lei, Y. Romano and M. Sesia, "Testing for outliers with
           conformal p-values", The Annals of Statistics 51, 2023.

        Examples
        --------
        >>> import numpy as np
        >>> from skmmrr.baselines import KDEDetector
        >>> rng = np.random.default_rng(0)
        >>> detector = KDEDetector(random_state=0).fit(rng.normal(size=(300, 2)))
        >>> detector = detector.calibrate(rng.normal(size=(500, 2)))
        >>> X = np.concatenate([rng.normal(size=(90, 2)), rng.normal(5, 1, size=(10, 2))])
        >>> np.flatnonzero(detector.flag(X, fdr=0.1))
        array([65, 82, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99])
        """
        check_real("fdr", fdr, f"{type(self).__name__}.flag", 0, 1)
        return np.asarray(false_discovery_control(self.p_values(X)) <= fdr)

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
        FileNotFoundError
            If there is no such folder.
        ImportError
            If safetensors is not installed.
        """
        save_detector(self, path)

    def _p_values(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        below = np.searchsorted(self.calibration_scores_, scores, side="right")
        return np.asarray((1 + below) / (len(self.calibration_scores_) + 1))

    def _learn_usual(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Scores that calibrate; subclasses may learn more from these normal samples."""
        return self._score_samples(X)

    # What a file of a detector must be, beyond the kinds that _KEEPS says

    def _check_kept(self) -> None:
        """Refuse fitted attributes that do not agree; subclasses add their own."""
        representation = self._fitted_representation()
        same = representation.n_features == self.n_features_in_
        require(same, f"'n_features_in_' must be {representation.n_features}")
        same = representation.image_shape == self.image_shape_
        require(same, f"'image_shape_' must be {representation.image_shape}")
        names = getattr(self, "feature_names_in_", None)
        require(names is None or len(names) == self.n_features_in_, "it lacks names of features")
        self._check_kept_threshold()

    def _check_kept_threshold(self) -> None:
        both = hasattr(self, "offset_") == hasattr(self, "threshold_params_")
        require(both, "there are 'offset_' and 'threshold_params_', or neither")
        found = getattr(self, "threshold_params_", self._score_params())
        same = found.keys() == self._score_params().keys()
        require(same, f"'threshold_params_' must have the keys {tuple(self._score_params())}")
        scores = getattr(self, "calibration_scores_", np.zeros(1))
        require(bool((np.diff(scores) >= 0).all()), "'calibration_scores_' must rise")

    def _fitted_representation(self) -> Representation:
        """How samples are scaled: an attribute of its own, or of what takes them first."""
        holders = (vars(self).get(name) for name in ("extractor_", "spec_"))
        held: Any = next((holder for holder in holders if holder is not None), None)
        found: Representation = (
            vars(self)["representation_"] if held is None else held.representation
        )
        return found

    def _planned_network(self, n_weights: int) -> nn.Module:
        """The fitted network without memory, for weights from a file with so many of them."""
        raise NotImplementedError

    def _costs(self) -> dict[str, Any]:
        """What the limits of :func:`skmmrr.load` are for, where it is more than the file's size."""
        return {}

    def _trial_scores(self) -> NDArray[np.float64]:
        """Scores that tell whether the detector works."""
        return self._score_samples(self._fitted_representation().typical_rows())

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

    # Thresholds

    def _split(self, n_samples: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Indices of the held-out samples (5% in the paper), and of those that are fitted."""
        n_validation = min(math.ceil(self._held_out_share() * n_samples), n_samples - 1)
        order = numpy_generator(seed, "split").permutation(n_samples)
        return order[:n_validation], order[n_validation:]

    def _held_out_share(self) -> float:
        return self.validation_fraction

    def _fitted_rows(self, n_samples: int, seed: int) -> NDArray[np.intp]:
        """Sorted indices of the samples of a fit that needs no validation: all for a float."""
        fitted = self._split(n_samples, seed)[1]
        return np.sort(fitted) if self.contamination == "auto" else np.arange(n_samples)

    def _threshold_scores(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Scores of samples of the fit, each as if it had not been fitted."""
        if self.contamination is None:
            return np.empty(0)
        if self.contamination == "auto":
            X = X[evenly_spaced(len(X), _MOST_SCORED)]
        return self._score_samples(X)

    def _training_scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of all samples of the fit, each as if it had not been fitted."""
        return self.score_samples(X)

    def _set_threshold(self, scores: NDArray[np.float64]) -> Self:
        """Put the threshold at the quantile of these scores that `contamination` names, if any."""
        if self.contamination is None:
            return self
        share = _AUTO_CONTAMINATION if self.contamination == "auto" else float(self.contamination)
        if len(scores) > 1 and np.ptp(scores) == 0:
            warn(
                f"All {len(scores)} samples that set the threshold have the same score: they are "
                "equal, or the networks have learned nothing of them."
            )
        elif self.contamination != "auto":
            self._warn_of_few_scores(len(scores), share)
        self.offset_ = float(np.quantile(scores, share))
        self.__dict__.pop("calibration_scores_", None)  # of another fit
        self.threshold_params_ = self._score_params()
        return self

    def _warn_of_few_scores(self, n_scores: int, rate: float) -> None:
        """Warn unless the scores are enough for the rate.

        Of n scores a binomial number is below the true quantile: the share of new samples that is
        flagged has the standard error sqrt(rate (1 - rate) / n).
        """
        needed = math.ceil((1 - rate) / rate / _LARGEST_ERROR**2 - _ROUNDING)
        if n_scores >= needed:
            return
        error = math.sqrt(rate * (1 - rate) / n_scores)
        warn(
            f"contamination={rate:g} of {type(self).__name__} rests on the scores of {n_scores} "
            f"samples: the share of new samples that is flagged has a standard error of {error:.2g}"
            f". Call calibrate(X) with at least {needed} normal samples that took no part in the "
            "fit, fit on more, or set contamination='auto', which promises less."
        )

    def _score_params(self) -> dict[str, Any]:
        """Parameters that may be set after fit and change the scores, hence the threshold."""
        return {}

    def _check_threshold(self) -> None:
        if not hasattr(self, "offset_"):
            raise NotFittedError(
                f"This {type(self).__name__} was fitted with contamination=None and has no "
                "threshold; score_samples needs none. Call calibrate(X, false_positive_rate=...) "
                "with normal samples that took no part in the fit."
            )
        now = self._score_params()
        if now != self.threshold_params_:
            raise NotFittedError(
                f"The threshold of this {type(self).__name__} belongs to {self.threshold_params_}, "
                f"but its parameters are now {now}. Call calibrate(X) with normal samples, or set "
                "the parameters back; score_samples follows them without that."
            )

    def _check_params(self) -> None:
        """Check what does not depend on X; subclasses add their own."""
        owner = type(self).__name__
        for name, group in self._GROUPS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, group):
                raise TypeError(
                    f"The parameter {name!r} of {owner} must be None or a skmmrr.{group.__name__}. "
                    f"Got {shown(value)} of type {type(value).__name__}."
                )
            if value is not None:
                value.check(owner)
        check_verbose(getattr(self, "verbose", 0), owner)
        check_real("validation_fraction", self.validation_fraction, owner, 0, 1)
        if not (self.contamination is None or self.contamination == "auto"):
            remedy = "It is the share of normal samples to flag; 'auto' is allowed too, and None."
            check_real("contamination", self.contamination, owner, 0, 0.5, remedy, bounds="(]")

    def _resolve_image_shape(self, found: ImageShape | None, n_features: int) -> ImageShape | None:
        """Shape of images; vectors have None."""
        return resolve_image_shape(self.image_shape, found, n_features, type(self).__name__)

    def _validate_X(self, X: Any, *, reset: bool) -> NDArray[Any]:
        """Check samples and flatten them to (n_samples, n_features), without a copy of arrays.

        With `reset`, learn ``n_features_in_``, ``feature_names_in_`` and ``image_shape_``.
        """
        owner = type(self).__name__
        if not reset:
            self._check_params()  # which may have been set since the fit
        X, found = flatten_images(X, owner)
        if found is not None and not reset:
            check_image_shape(found, self.image_shape_, "was fitted on", owner)
        X = validate_data(
            self,
            X,
            reset=reset,
            dtype="numeric",
            ensure_all_finite="allow-nan" if get_tags(self).input_tags.allow_nan else True,
            ensure_min_samples=2 if reset else 1,
        )
        if reset:
            self.image_shape_ = self._resolve_image_shape(found, X.shape[1])
        return X


class NetworkDetector(BaseDetector):
    """Base of the detectors that train networks.

    Notes
    -----
    Networks know the samples that trained them, and score them higher than new ones. The threshold
    is that of samples that were held out: of the fit's own validation samples and, where a float
    `contamination` asks for a rate that fewer than 100 of those cannot carry, of the validation
    samples of at most ten further fits, which hold out a tenth.
    Each ``_fit`` calls ``_split``, and its ``spec_`` has the `seed` of that.

    As for :class:`sklearn.neighbors.LocalOutlierFactor` with ``novelty=True``, ``predict`` is for
    new samples; ``fit_predict`` is for those of the fit.
    """

    novelty: ClassVar[bool] = True
    _KEEPS: ClassVar[dict[str, Kind]] = BaseDetector._KEEPS | {
        "held_out_scores_": Lacking(Array("f8", 1))
    }

    training: Any  # a skmmrr.Training, or None
    held_out_scores_: NDArray[np.float64]

    def fit_predict(self, X: ArrayLike, y: Any = None, **kwargs: Any) -> NDArray[np.int64]:
        """Fit, and tell anomalies among the samples of the fit.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.
        y : Ignored
        **kwargs : Ignored

        Returns
        -------
        labels : ndarray of int64 of shape (n_samples,)
            -1 for anomalies: for the share `contamination` of X where that is a number, else as
            :meth:`predict` has it.
        """
        self.fit(X)
        if self.contamination is None or isinstance(self.contamination, str):
            return self.predict(X)
        scores = self._training_scores(X)
        return np.where(scores >= np.quantile(scores, self.contamination), 1, -1)

    def _threshold_scores(self, X: NDArray[Any], refits: bool = True) -> NDArray[np.float64]:
        """Scores of samples that did not train, in the end of a fit; without `refits` but few."""
        if self.contamination is None:
            return np.empty(0)
        scores = self._scores_of(X, trained=False)
        if refits and self.contamination != "auto" and len(X) > 2:
            more = self._refitted_scores(X, min(_ENOUGH_HELD_OUT, len(X)) - len(scores))
            scores = np.concatenate([scores, *more])
        self.held_out_scores_ = np.sort(scores)
        return self.held_out_scores_

    def _scores_of(self, X: NDArray[Any], trained: bool) -> NDArray[np.float64]:
        """Scores of samples of the fit: of those that trained, or of those that did not."""
        rows = self._split(len(X), self._fitted_seed())[int(trained)]
        return self._score_samples(X[np.sort(rows[:_MOST_SCORED])])

    def _refitted_scores(self, X: NDArray[Any], wanted: int) -> Iterator[NDArray[np.float64]]:
        """Scores of samples that further fits hold out, as many as are wanted or some more."""
        if wanted > 0:
            own = self._scores_of(X, trained=True)
        seed = self._fitted_seed()
        while wanted > 0:
            seed += 1
            again = self._refitted(X, seed)
            trained, held_out = (again._scores_of(X, trained=t) for t in (True, False))
            yield aligned(held_out, trained, own)
            wanted -= len(held_out)

    def _refitted(self, X: NDArray[Any], seed: int) -> Self:
        """A fit without a threshold that holds out more, and others."""
        again = self._unfitted()
        again.image_shape = self.image_shape_
        again.contamination, again.random_state = None, seed
        if self.training is not None:  # whose checkpoint is of the fit itself
            again.training = replace(self.training, checkpoint=None)
        again.validation_fraction = max(_REFIT_FRACTION, self.validation_fraction)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            again._fit(X)
        return again

    def _checkpoint(self) -> Checkpoint | None:
        """Where the fit is kept as it goes."""
        if self.training is None or self.training.checkpoint is None:
            return None
        fitted: Any = self
        return Checkpoint(Path(self.training.checkpoint), str(fitted.spec_), type(self).__name__)

    def _training_scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of the samples of the fit; of those that trained on the scale of the others."""
        scores = self.score_samples(X)
        trained = self._split(len(scores), self._fitted_seed())[1]
        scores[trained] = aligned(scores[trained], scores[trained], self.held_out_scores_)
        return scores

    def _fitted_seed(self) -> int:
        fitted: Any = self
        return int(fitted.spec_.seed)


def aligned(
    scores: NDArray[np.float64], own: NDArray[np.float64], others: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores on another scale, where the deciles 1, 5 and 9 of `own` are those of `others`.

    It is linear below and above the middle one. Fits with different seeds and samples score on
    scales that differ by some percent, which moves a threshold as much as too few samples do.
    """
    low, middle, high = np.quantile(own, _DECILES)
    others_low, others_middle, others_high = np.quantile(others, _DECILES)
    below = (others_middle - others_low) / (middle - low) if middle > low else 1.0
    above = (others_high - others_middle) / (high - middle) if high > middle else 1.0
    off = scores - middle
    return np.asarray(others_middle + off * np.where(off < 0, below, above))


def _has_both_kinds(y: ArrayLike) -> bool:
    """Whether y tells normal samples from anomalies, in some convention of labels."""
    try:
        anomalous = is_anomaly(y)
    except (TypeError, ValueError):  # something else, or of one kind
        return False
    return bool(anomalous.any() and not anomalous.all())


def _is_learned(attribute: str) -> bool:
    """By scikit-learn's convention."""
    return attribute.endswith("_") and not attribute.startswith("_")
