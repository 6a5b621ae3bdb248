"""The detectors of the bench, by name; any other scikit-learn or PyOD one by its import path."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from skmmrr import (
    FeatureMaps,
    MMRRDetector,
    Network,
    PAPER_32x32,
    PAPER_256x256,
    Training,
)
from skmmrr.baselines import (
    PAPER_MLSAD,
    DeepKNNDetector,
    KDEDetector,
    MLSADDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)
from skmmrr.benchmark._dte import CategoricalDTE, NonParametricDTE
from skmmrr.benchmark._icl import ICL

_FEW_LEVELS: dict[str, Any] = {"level_rule": "gauss-legendre", "n_levels": 8}
_PAPER: dict[str, Any] = dict(PAPER_32x32)
_FEATURES: dict[str, Any] = {"features": "efficientnet-lite0"}
# For parts that lie anywhere: a larger network, for three times as long.
_LONG: dict[str, Any] = {"network": Network(n_blocks=2), "max_iter": (11_100, 3_000)}
_PAPER_256: dict[str, Any] = dict(PAPER_256x256)
# The paper's mathematics in an hour of a core instead of days: a quarter of its width, half of its
# batch, and few steps, for which the optimiser and its rate are the library's.
_SCALED_DOWN: dict[str, Any] = _PAPER | {
    "network": Network(width=32, n_blocks=2, n_resolutions=4),
    "training": Training(
        batch_size=32,
        learning_rate=1e-3,
        optimizer="adamw",
        schedule="cosine",
        level_power=1.0,
        levels_per_sample=1,
    ),
    "max_iter": 2000,
    "precision": "auto",
}
_PAPER_MLSAD: dict[str, Any] = dict(PAPER_MLSAD)
PAPER_FORMS = {"MMRR, paper's settings": _PAPER, "MMRR, paper scaled down": _SCALED_DOWN}
"""Names of the paper's settings in the bench, as they are and scaled down."""

_N_LEVELS = (2, 3, 5, 8, 15, 30, 60)
_ABLATIONS: dict[str, dict[str, Any]] = {
    "no embedding": {"embed": False},
    "constant mask": {"mask": "constant"},
    "Bernoulli mask": {"mask": "bernoulli"},
}


@dataclass(frozen=True)
class Candidate:
    """A detector under the name that its rows have.

    Attributes
    ----------
    name : str
    estimator : estimator
        Unfitted; cloned for every fit.
    variants : dict of str to dict
        More rows from the same fit, by name: parameters that are set after it.
    """

    name: str
    estimator: Any
    variants: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of all rows."""
        return [self.name, *self.variants]


def _mmrr(name: str = "MMRR", ablated: str = "", **parameters: Any) -> Candidate:
    """MMRR, and without its refinement from the same fit: phase 1 does not know of phase 2."""
    rest = {f"{name} w/o ref.{ablated}": {"refine": False}}
    return Candidate(name + ablated, MMRRDetector(**parameters), rest)


def _few_levels() -> Candidate:
    candidate = _mmrr("MMRR, 8 nodes", **_FEW_LEVELS)
    variants = {candidate.name: {}, **candidate.variants}
    unadjusted = {f"{name}, unadjusted": {**v, "adjust": False} for name, v in variants.items()}
    return replace(candidate, variants={**candidate.variants, **unadjusted})


def _ablation(what: str, name: str = "MMRR", **parameters: Any) -> Callable[[], Candidate]:
    return lambda: _mmrr(name, f", {what}", **parameters, **_ABLATIONS[what])


def _levels(name: str = "MMRR", **parameters: Any) -> Candidate:
    most = _N_LEVELS[-1]
    variants = {f"{name}, {n} levels": {"n_levels": n} for n in _N_LEVELS[:-1]}
    few = {f"{name}, {n} nodes": {**_FEW_LEVELS, "n_levels": n} for n in (2, 4, 8)}
    estimator = MMRRDetector(**(parameters | {"n_levels": most}))
    return Candidate(f"{name}, {most} levels", estimator, variants | few)


def _in_paper_form(name: str) -> dict[str, Callable[[], Candidate]]:
    """The paper's settings, with each of its ablations, and over levels."""
    parameters = PAPER_FORMS[name]
    return {
        name: lambda: _mmrr(name, **parameters),
        **{f"{name}, {what}": _ablation(what, name, **parameters) for what in _ABLATIONS},
        f"{name}, levels": lambda: _levels(name, **parameters),
    }


def _paper_mlsad() -> Candidate:
    """With a row of each level, as in table 4."""
    name = "MLSAD, paper's settings"
    levels = {f"{name}, S_{n}": {"score_levels": (n,)} for n in _PAPER_MLSAD["levels"]}
    return Candidate(name, MLSADDetector(**_PAPER_MLSAD), levels)


def _from_pyod(module: str, name: str, **parameters: Any) -> Callable[[], Candidate]:
    def build() -> Candidate:
        return Candidate(f"PyOD {name}", _imported(f"pyod.models.{module}.{name}")(**parameters))

    return build


_DETECTORS: dict[str, Callable[[], Candidate]] = {
    "MMRR": _mmrr,
    # a fit of its own, since `compare` shows every row of "MMRR"
    "MMRR, unadjusted": lambda: _mmrr(ablated=", unadjusted", adjust=False),
    "MMRR, 8 nodes": _few_levels,
    "MMRR, no bins": lambda: _mmrr(ablated=", no bins", n_bins=1),
    **{f"MMRR, {what}": _ablation(what) for what in _ABLATIONS},
    "MMRR features": lambda: _mmrr("MMRR features", **_FEW_LEVELS, **_FEATURES),
    "MMRR features, long": lambda: _mmrr(
        "MMRR features", ", long", **_FEW_LEVELS, **_FEATURES, **_LONG
    ),
    "MMRR, levels": _levels,
    "MMRR, paper's settings at 256x256": lambda: _mmrr(
        "MMRR, paper's settings at 256x256", **_PAPER_256
    ),
    **{name: build for form in PAPER_FORMS for name, build in _in_paper_form(form).items()},
    "RotationAE": lambda: Candidate("RotationAE", RotationAutoencoderDetector()),
    "MLSAD": lambda: Candidate("MLSAD", MLSADDetector()),
    "MLSAD, paper's settings": _paper_mlsad,
    "OC-SVM": lambda: Candidate("OC-SVM", OCSVMDetector()),
    "KDE": lambda: Candidate("KDE", KDEDetector()),
    "2-NN": lambda: Candidate("2-NN", DeepKNNDetector()),
    "5-NN": lambda: Candidate("5-NN", DeepKNNDetector(n_neighbors=5)),
    "2-NN, adjusted": lambda: Candidate("2-NN, adjusted", DeepKNNDetector(adjust=True)),
    "DN2": lambda: Candidate("DN2", DeepKNNDetector("efficientnet-lite0")),
    "DN2 64": lambda: Candidate(
        "DN2 64",
        DeepKNNDetector("efficientnet-lite0", feature_maps=FeatureMaps(input_size=64)),
    ),
    "MMRR, DN2's features": lambda: _mmrr(
        "MMRR, DN2's features", **_FEW_LEVELS, **_FEATURES, feature_maps=FeatureMaps(grid=1)
    ),
    "Patch 1-NN": lambda: Candidate("Patch 1-NN", DeepKNNDetector(**_FEATURES, patches=True)),
    "IForest": lambda: Candidate("IForest", IsolationForest()),
    "LOF": lambda: Candidate("LOF", LocalOutlierFactor(novelty=True)),
    "ICL": lambda: Candidate("ICL", ICL()),
    "DTE-NP": lambda: Candidate("DTE-NP", NonParametricDTE()),
    "DTE-C": lambda: Candidate("DTE-C", CategoricalDTE()),
    "PyOD IForest": _from_pyod("iforest", "IForest"),
    "PyOD ECOD": _from_pyod("ecod", "ECOD"),
    "PyOD KNN": _from_pyod("knn", "KNN"),
    "PyOD OCSVM": _from_pyod("ocsvm", "OCSVM"),
    "PyOD AutoEncoder": _from_pyod("auto_encoder", "AutoEncoder", verbose=0),
    "PyOD DeepSVDD": _from_pyod("deep_svdd", "DeepSVDD", n_features=1, verbose=0),
}

DETECTOR_NAMES = tuple(_DETECTORS)


def command_name(name: str) -> str:
    """A name as one word of a command line: "mmrr-8-nodes" for "MMRR, 8 nodes"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


_BY_COMMAND_NAME = {command_name(name): name for name in DETECTOR_NAMES}


def find_detector(name: str) -> Candidate:
    """Candidate of a name: one of ``DETECTOR_NAMES``, or the import path of a class.

    Parameters
    ----------
    name : str
        Such as "MMRR, 8 nodes", or the same as one word, "mmrr-8-nodes"; or
        "pyod.models.hbos.HBOS", which is built with its default arguments.

    Returns
    -------
    candidate : Candidate

    Raises
    ------
    ValueError
        If there is no such detector.
    ImportError
        If its package is not installed.

    Examples
    --------
    >>> from skmmrr.benchmark import find_detector
    >>> find_detector("MMRR").names
    ['MMRR', 'MMRR w/o ref.']
    >>> find_detector("sklearn.svm.OneClassSVM").estimator
    OneClassSVM()
    """
    name = _BY_COMMAND_NAME.get(name, name)
    if name in _DETECTORS:
        return _DETECTORS[name]()
    if "." not in name or " " in name:
        raise ValueError(
            f"There is no detector {name!r}. There are {', '.join(DETECTOR_NAMES)}; any other "
            "class of scikit-learn or PyOD by its import path, such as pyod.models.hbos.HBOS."
        )
    return Candidate(name.rpartition(".")[2], _imported(name)())


def as_candidates(detectors: Any) -> list[Candidate]:
    """Candidates of names, of candidates, or of estimators under names of a dict.

    Raises
    ------
    TypeError, ValueError
        If something is not a detector, or two rows would have one name.
    """
    if isinstance(detectors, str) or not len(detectors):
        raise TypeError(
            f"detectors must be a sequence of names or estimators, or a dict. Got {detectors!r}."
        )
    named = dict(detectors) if isinstance(detectors, Mapping) else {}
    found = [Candidate(name, estimator) for name, estimator in named.items()]
    for detector in [] if named else detectors:
        if isinstance(detector, Candidate):
            found.append(detector)
        elif isinstance(detector, str):
            found.append(find_detector(detector))
        else:
            found.append(Candidate(type(detector).__name__, detector))
    for candidate in found:
        if not hasattr(candidate.estimator, "fit"):
            raise TypeError(
                "A detector is a name, an estimator with fit, or a Candidate. Got "
                f"{candidate.estimator!r} of type {type(candidate.estimator).__name__}."
            )
    names = [name for candidate in found for name in candidate.names]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(
            f"Two detectors would write rows of the name {min(twice)!r}. Name them in a dict: "
            "{'a': ..., 'b': ...}."
        )
    return found


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is not None and not module.startswith(error.name):
            raise
        raise ImportError(
            f"There is no module {error.name} for the detector {path!r}. PyOD comes with: "
            "pip install 'skmmrr[pyod]'."
        ) from error
    except AttributeError as error:
        raise ValueError(f"The module {module} has no {name!r}. Look at {path!r}.") from error
