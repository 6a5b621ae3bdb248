"""The detectors in PyOD's dialect: 0/1 labels, and scores that are higher for the more abnormal.

Every class here is a true :class:`pyod.models.base.BaseDetector` around the detector of skmmrr
that it names, with the same parameters; `contamination` alone is PyOD's. What PyOD's detectors
can do, these can: ``predict_proba``, ``predict_confidence``, ``predict_with_rejection``, PyThresh
objects as `contamination`, PyOD's combinations, clones and files.
"""

import copy
import warnings
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skmmrr import baselines
from skmmrr.core.base import BaseDetector, NetworkDetector
from skmmrr.core.groups import ParameterGroups
from skmmrr.core.validation import check_real
from skmmrr.mmrr.estimator import MMRRDetector

try:
    from pyod.models.base import BaseDetector as PyODBaseDetector
except ImportError as error:
    raise ImportError("skmmrr.pyod needs PyOD. Install it: pip install 'skmmrr[pyod]'.") from error

__all__ = ["KDE", "KNN", "MLSAD", "MMRR", "OCSVM", "RotationAutoencoder"]

_CONTAMINATION = 0.1  # PyOD's default


class PyODAdapter(ParameterGroups, PyODBaseDetector):
    """Base of the adapters: a PyOD detector made from one of this library's.

    Parameters
    ----------
    contamination : float or PyThresh object, default=0.1
        Share of abnormal training samples, in (0, 0.5], or an object that sets the threshold.
    **parameters
        Those of the detector inside.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector inside, for what PyOD does not have, such as ``anomaly_map``.
    decision_scores_ : ndarray of shape (n_samples,)
        Anomaly scores of the training samples, each as if it had not been fitted, so that
        `threshold_` is one for new samples. Scores of samples that networks were trained on are
        rescaled: their first, fifth and ninth deciles become those of held-out samples.
    threshold_ : float
        Scores above it are abnormal.
    labels_ : ndarray of int of shape (n_samples,)
        1 for abnormal training samples, else 0.
    """

    _detector_class: type[BaseDetector]

    def __init_subclass__(cls, detector: type[BaseDetector], **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._detector_class, cls._GROUPS = detector, detector._GROUPS
        cls.__init__ = _constructor(detector)  # type: ignore[method-assign]

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Fit the detector inside, and score the training samples.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that the detector inside takes: PyOD's vectors, or images.
        y : Ignored
            PyOD warns if it is given.

        Returns
        -------
        self : object
        """
        fitted = copy.copy(self)
        fitted._fit(X, y)
        self.__dict__ = fitted.__dict__  # all that was learned at once
        return self

    def _fit(self, X: ArrayLike, y: Any) -> None:
        self._set_n_classes(y)
        own = {name: getattr(self, name) for name in signature(self._detector_class).parameters}
        if not issubclass(self._detector_class, NetworkDetector):
            own["contamination"] = None
        elif hasattr(self.contamination, "fit"):
            own["contamination"] = "auto"  # held-out samples correct the others
        with warnings.catch_warnings():  # the threshold inside is not used
            warnings.filterwarnings("ignore", "All .* samples that set the threshold")
            self.detector_ = self._detector_class(**own).fit(X)
        self.decision_scores_ = -self.detector_._training_scores(X)
        self._process_decision_scores()

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Score samples.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        anomaly_scores : ndarray of float64 of shape (n_samples,)
            Higher for the more abnormal.
        """
        check_is_fitted(self, "detector_")
        return -self.detector_.score_samples(X)


def _constructor(detector: type[BaseDetector]) -> Callable[..., None]:
    """Constructor with the detector's parameters, which scikit-learn and PyOD read to clone."""
    parameters = [
        p.replace(default=_CONTAMINATION) if p.name == "contamination" else p
        for p in signature(detector).parameters.values()
    ]
    own = Signature([Parameter("self", Parameter.POSITIONAL_OR_KEYWORD), *parameters])

    def __init__(*args: Any, **kwargs: Any) -> None:
        owner = type(args[0]).__name__
        try:
            bound = own.bind(*args, **kwargs)
        except TypeError as error:
            names = ", ".join(list(own.parameters)[1:])
            raise TypeError(f"{owner}: {error}. Its parameters are {names}.") from error
        bound.apply_defaults()
        self, contamination = bound.arguments.pop("self"), bound.arguments["contamination"]
        if isinstance(contamination, type) or not hasattr(contamination, "fit"):
            remedy = "A PyThresh object is allowed too."
            given = check_real("contamination", contamination, owner, 0, 0.5, remedy, bounds="(]")
            bound.arguments["contamination"] = given
        PyODBaseDetector.__init__(self, contamination=bound.arguments["contamination"])
        for name, value in bound.arguments.items():
            setattr(self, name, value)

    __init__.__signature__ = own  # type: ignore[attr-defined]
    return __init__


class MMRR(PyODAdapter, detector=MMRRDetector):
    """:class:`skmmrr.MMRRDetector` for PyOD.

    Examples
    --------
    >>> from pyod.utils.data import generate_data
    >>> from skmmrr.pyod import MMRR
    >>> X, X_test, y, y_test = generate_data(n_train=100, n_test=20, random_state=0)
    >>> detector = MMRR(max_iter=50, random_state=0).fit(X)
    >>> detector.predict_proba(X_test).shape
    (20, 2)
    """


class RotationAutoencoder(PyODAdapter, detector=baselines.RotationAutoencoderDetector):
    """:class:`skmmrr.baselines.RotationAutoencoderDetector` for PyOD; it takes images."""


class MLSAD(PyODAdapter, detector=baselines.MLSADDetector):
    """:class:`skmmrr.baselines.MLSADDetector` for PyOD; it takes images."""


class OCSVM(PyODAdapter, detector=baselines.OCSVMDetector):
    """:class:`skmmrr.baselines.OCSVMDetector` for PyOD."""


class KDE(PyODAdapter, detector=baselines.KDEDetector):
    """:class:`skmmrr.baselines.KDEDetector` for PyOD."""


class KNN(PyODAdapter, detector=baselines.DeepKNNDetector):
    """:class:`skmmrr.baselines.DeepKNNDetector` for PyOD."""
