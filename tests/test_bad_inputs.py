"""Bad input of every kind: an error that names the parameter, what is allowed and what came."""

import copy
import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array

import skmmrr
from skmmrr import FeatureMaps, MMRRDetector, Network, Training, baselines, datasets, metrics
from skmmrr import pyod as adapters
from skmmrr.plot import (
    AnomalyMapDisplay,
    LearningCurveDisplay,
    MaskingLevelsDisplay,
    ScoreHistogramDisplay,
)
from skmmrr.preprocessing import LoadImages

VECTORS = np.random.default_rng(0).normal(size=(20, 3))
IMAGES = np.random.default_rng(1).random((12, 8, 8))
LABELS = np.repeat([1, -1], [14, 6])
MASKED = np.ma.masked_greater(VECTORS, 0.5)

DETECTORS = [
    MMRRDetector,
    *(c for c in map(vars(baselines).get, baselines.__all__) if isinstance(c, type)),
]
ADAPTERS = [getattr(adapters, name) for name in adapters.__all__]
GROUPS = {Network: "network", Training: "training", FeatureMaps: "feature_maps"}
NEVER = ["x", b"x", -1, 1j, np.nan, [1, 2], {}, object(), 10**400, -(10**400), 10**5000, int]
"""What no parameter may be; the last but one has more digits than Python prints."""
ALLOWED = [
    *(("features", int), ("backbone", int), ("image_shape", [1, 2])),  # and fails otherwise
    ("checkpoint", "x"),
]


def parameters(classes):
    return [(c, name) for c in classes for name in inspect.signature(c).parameters]


def named(parameter):
    return getattr(parameter, "__name__", parameter)


@pytest.fixture(scope="module")
def fitted():
    """A detector of each class, and the samples that it takes."""
    quick = {"max_iter": 1, "network": Network(width=4), "random_state": 0}
    return {
        "vectors": (MMRRDetector(2, **quick).fit(VECTORS), VECTORS),
        "images": (MMRRDetector(2, **quick, backbone="unet", n_estimators=1).fit(IMAGES), IMAGES),
        "rotations": (baselines.RotationAutoencoderDetector(max_iter=1).fit(IMAGES), IMAGES),
        "OC-SVM": (baselines.OCSVMDetector().fit(VECTORS), VECTORS),
        "KDE": (baselines.KDEDetector(0.5).fit(VECTORS), VECTORS),
        "neighbours": (baselines.DeepKNNDetector().fit(VECTORS), VECTORS),
    }


FITTED = ("vectors", "images", "rotations", "OC-SVM", "KDE", "neighbours")

# Parameters


@pytest.mark.parametrize(("cls", "name"), parameters(DETECTORS + ADAPTERS), ids=named)
def test_parameters_of_detectors(cls, name):
    X = IMAGES if "Rotation" in cls.__name__ or "MLSAD" in cls.__name__ else VECTORS
    for value in NEVER:
        if (name, value) in ALLOWED:
            continue
        with pytest.raises((TypeError, ValueError), match=f"'?{name}'? .*(must be|Got)"):
            cls(**{name: value}).fit(X)


@pytest.mark.parametrize(("cls", "name"), parameters(GROUPS), ids=named)
def test_parameters_of_groups(cls, name):
    group = GROUPS[cls]
    for value in NEVER:
        if (name, value) in ALLOWED:
            continue
        with pytest.raises((TypeError, ValueError), match=rf"'{group}.{name}' of MMRRD.*must be"):
            MMRRDetector(**{group: cls(**{name: value})}).fit(IMAGES)


@pytest.mark.parametrize("kind", FITTED)
def test_parameters_that_are_set_after_the_fit(fitted, kind):
    detector, X = copy.deepcopy(fitted[kind])
    for name, before in detector.get_params(deep=False).items():
        if name in ("image_shape", "random_state"):  # of fits alone
            continue
        for value in NEVER:
            if (name, value) in ALLOWED:
                continue
            with pytest.raises((TypeError, ValueError), match=f"'{name}' .*must be"):
                detector.set_params(**{name: value}).score_samples(X)
        detector.set_params(**{name: before})
    assert np.isfinite(detector.score_samples(X)).all()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_unknown_parameters_of_adapters_name_the_class(adapter):
    name = adapter.__name__
    with pytest.raises(TypeError, match=rf"^{name}: .*'foo'\. Its parameters are .*random_state"):
        adapter(foo=1)


# X

BAD_X = {
    "nothing": None,
    "a number": 1.5,
    "a row": VECTORS[:, 0],
    "five axes": np.zeros((2, 2, 2, 2, 2)),
    "no rows": VECTORS[:0],
    "a row of NaN": np.where(np.arange(len(VECTORS))[:, None] == 1, np.nan, VECTORS),
    "complex": VECTORS + 1j,
    "dates": VECTORS.astype("i8").astype("M8[s]"),
    "durations": VECTORS.astype("i8").astype("m8[s]"),
    "a column of dates": pd.DataFrame({"a": [1.0, 2], "when": pd.to_datetime(["2020", "2021"])}),
    "a column of text": pd.DataFrame({"a": [1.0, 2], "b": pd.Categorical(["u", "v"])}),
    "masked": MASKED,
    "masked rows": [np.ma.masked_greater(row, 0) for row in VECTORS],
    "gradients": torch.ones(4, 3, requires_grad=True),
    "rows with gradients": [torch.ones(3, requires_grad=True)] * 4,
    "400 digits": [[10**400, 1, 2]] * 4,
    "objects": np.full((4, 3), object()),
    "text": VECTORS.astype(str),
    "a path": Path("a.png"),
    "paths": [Path("a.png"), Path("b.png")],
    "an array of paths": np.array(["a.png", "b.png"]),
    "ragged": [[1, 2], [3]],
    "a dict": {"a": [1]},
    "sparse": csr_array(VECTORS),
}
METHODS = (
    *("fit", "score_samples", "decision_function", "predict", "score", "calibrate", "p_values"),
    *("anomaly_map", "level_losses", "explain", "contributions", "components", "anomaly_scores"),
)
WORDS = "X of|[Ii]nput|features|2D array|must be|takes X|[Ss]parse|dense|sample|compatible"


@pytest.mark.parametrize("kind", FITTED)
def test_x_of_every_method(fitted, kind):
    detector, X = fitted[kind]
    detector.calibrate(X)
    before = detector.score_samples(X)
    for method in METHODS:
        for bad in BAD_X.values():
            if hasattr(detector, method):
                with pytest.raises((TypeError, ValueError), match=WORDS):
                    getattr(detector, method)(bad)
    assert (detector.score_samples(X) == before).all()


@pytest.mark.parametrize("adapter", [adapters.MMRR(2, max_iter=1), adapters.KDE(0.5)])
@pytest.mark.parametrize("bad", BAD_X)
def test_x_of_adapters(adapter, bad):
    with pytest.raises((TypeError, ValueError), match=WORDS):
        adapter.fit(BAD_X[bad])


@pytest.mark.parametrize(
    ("bad", "remedy"),
    [
        ("dates", r"datetime64\[s\].*np.timedelta64"),
        ("a column of dates", "column 'when', must be numbers.*timedelta64"),
        ("a column of text", "column 'b', must be numbers: could not convert.*'u'"),
        ("masked", r"no masked elements.*X.filled"),
        ("masked rows", "no masked elements"),
        ("gradients", r"X.detach\(\)"),
        ("rows with gradients", r"X.detach\(\)"),
        ("400 digits", "float64 can hold.*Divide X"),
        ("paths", r"text or paths.*skmmrr.preprocessing.LoadImages"),
        ("an array of paths", r"skmmrr.preprocessing.LoadImages"),
        ("ragged", "rows or images of one shape"),
    ],
)
def test_the_remedy_is_named(bad, remedy):
    with pytest.raises((TypeError, ValueError), match=f"X of KDEDetector.*{remedy}"):
        baselines.KDEDetector().fit(BAD_X[bad])


def test_masked_arrays_without_a_masked_element_are_arrays():
    detector = baselines.KDEDetector(0.5, random_state=0)
    plain = detector.fit(VECTORS).score_samples(VECTORS)
    nothing = np.ma.masked_array(VECTORS, mask=np.zeros(VECTORS.shape, bool))
    assert (detector.fit(nothing).score_samples(nothing) == plain).all()


def test_frames_of_objects_and_nullable_numbers_are_taken():
    frame = pd.DataFrame(VECTORS, columns=["a", "b", "c"])
    frame["a"], frame["b"] = frame["a"].astype(object), frame["b"].astype("Float64")
    assert baselines.KDEDetector(0.5).fit(frame).n_features_in_ == 3


# Arguments of methods


@pytest.mark.parametrize("index", range(len(NEVER)))
def test_arguments_of_methods(fitted, index):
    value = NEVER[index]
    for detector, X in fitted.values():
        with pytest.raises((TypeError, ValueError), match=r"'false_positive_rate' .* must be"):
            detector.calibrate(X, value)
    for kind in ("vectors", "images"):
        detector, X = fitted[kind]
        with pytest.raises(ValueError, match=r"'levels' of MMRRDetector.explain must be"):
            detector.explain(X, value)
        with pytest.raises((TypeError, ValueError), match=r"'member' of MMRRDetector.explain must"):
            detector.explain(X, member=value)
        with pytest.raises((TypeError, ValueError), match=r"'noise_seed' of .*level_losses must"):
            detector.level_losses(X, noise_seed=value)


@pytest.mark.parametrize("member", [0.0, 1, True])
def test_members_are_counted(fitted, member):
    with pytest.raises((TypeError, ValueError), match=r"'member' .*Got .*It counts the networks"):
        fitted["images"][0].explain(IMAGES, member=member)


@pytest.mark.parametrize("value", [3, None, b"a", ["a"]])
def test_paths_of_files(fitted, value):
    with pytest.raises(TypeError, match=r"'path' of KDEDetector.save must be a path.*Got"):
        fitted["KDE"][0].save(value)
    with pytest.raises(TypeError, match="'path' of load must be a path"):
        skmmrr.load(value)


@pytest.mark.parametrize("limits", [3, "bytes", {"bites": 1}, [("bytes", 1)]])
def test_limits_of_files(limits):
    with pytest.raises(ValueError, match="'limits' of load must be None or a mapping of some of"):
        skmmrr.load("somewhere", limits=limits)


def test_devices_of_files():
    with pytest.raises(ValueError, match="'device' of load must be 'auto', 'cpu', or a device"):
        skmmrr.load("somewhere", device="quantum")


# Displays


@pytest.mark.parametrize("y", [LABELS[:5], np.ones((20, 2)), MASKED[:, 0], np.zeros(20), ["a"]])
def test_labels_of_histograms(fitted, y):
    with pytest.raises(ValueError, match=r"ScoreHistogramDisplay .*\(normal\)|label for each"):
        ScoreHistogramDisplay.from_estimator(fitted["KDE"][0], VECTORS, y)
    with pytest.raises(ValueError, match=r"ScoreHistogramDisplay .*\(normal\)|label for each"):
        ScoreHistogramDisplay(anomaly_score=np.arange(20.0), y=y).plot()


@pytest.mark.parametrize("scores", [[], "x", [np.nan], [[1.0]], None, [10**400]])
def test_scores_of_histograms(scores):
    with pytest.raises(ValueError, match="'anomaly_score' of ScoreHistogramDisplay must be finite"):
        ScoreHistogramDisplay.from_predictions(scores)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"threshold": "high"}, "threshold"), ({"threshold": [1]}, "threshold"), ({"ax": 3}, "ax")],
)
def test_options_of_histograms(options, name):
    with pytest.raises((TypeError, ValueError), match=f"'{name}' of ScoreHistogramDisplay must be"):
        ScoreHistogramDisplay.from_predictions([1.0, 2.0], **options)


@pytest.mark.parametrize("titles", [["a"], ["a"] * 4, "abc", 3])
@pytest.mark.parametrize("kind", ["vectors", "images"])
def test_titles_of_maps(fitted, kind, titles):
    detector, X = fitted[kind]
    with pytest.raises(ValueError, match=r"'titles' of AnomalyMapDisplay .* list of 3 texts"):
        AnomalyMapDisplay.from_estimator(detector, X[:3], titles=titles)


@pytest.mark.parametrize(
    ("images", "maps", "name"),
    [("x", IMAGES, "images"), (IMAGES, None, "maps"), (IMAGES, IMAGES[:3], "maps")],
)
def test_arrays_of_maps(images, maps, name):
    with pytest.raises(ValueError, match=f"'{name}' of AnomalyMapDisplay must"):
        AnomalyMapDisplay(images=images, maps=maps).plot()


@pytest.mark.parametrize("display", [LearningCurveDisplay, MaskingLevelsDisplay, AnomalyMapDisplay])
@pytest.mark.parametrize("estimator", [baselines.KDEDetector(), None, "x", MMRRDetector])
def test_estimators_that_displays_cannot_draw(display, estimator):
    what = {LearningCurveDisplay: "history_", MaskingLevelsDisplay: "explain"}
    wanted = f"{display.__name__}.from_estimator .*{what.get(display, 'anomaly_map')}.* Got"
    arguments = [] if display is LearningCurveDisplay else [VECTORS]
    with pytest.raises(ValueError, match=wanted):
        display.from_estimator(estimator, *arguments)


def test_learning_curves_of_what_is_not_fitted():
    with pytest.raises(ValueError, match=r"with history_.*MMRRDetector.*Call fit first"):
        LearningCurveDisplay.from_estimator(MMRRDetector())
    for history in ({"restoration": {"step": [1]}}, [1, 2], None):
        with pytest.raises(ValueError, match=r"parameter .history.* of .* must have"):
            LearningCurveDisplay(history=history).plot()
    with pytest.raises(ValueError, match="'stages' of MaskingLevelsDisplay must have x, embedding"):
        MaskingLevelsDisplay(stages={}).plot()


# Metrics, protocols, readers


@pytest.mark.parametrize("metric", [metrics.best_f1_score, metrics.precision_at_n])
@pytest.mark.parametrize(
    "scores", ["x", None, [1.0], np.ones((20, 2)), np.full(20, np.nan), ["a"] * 20, MASKED[:, 0]]
)
def test_scores_of_metrics(metric, scores):
    with pytest.raises(ValueError, match=r"y_score must be|y_true and y_score"):
        metric(LABELS, scores)


@pytest.mark.parametrize("y", [None, "x", [1, 1], [0, 1, 2], np.ma.masked_array([1, -1], [1, 0])])
def test_labels_of_metrics(y):
    with pytest.raises(ValueError, match="y must"):
        metrics.best_f1_score(y, [1.0, 2.0])


@pytest.mark.parametrize("name", ["masks", "maps"])
@pytest.mark.parametrize("bad", [None, "x", 3, IMAGES[:2], IMAGES[0]])
def test_stacks_of_pixels(name, bad):
    stacks = {"masks": IMAGES > 0.5, "maps": IMAGES} | {name: bad}
    with pytest.raises(ValueError, match=f"{name} (must be|and maps must be)"):
        metrics.aupro_score(**stacks)


def test_scorers():
    with pytest.raises(TypeError, match="'metric' of make_anomaly_scorer must be callable"):
        metrics.make_anomaly_scorer("roc_auc")
    with pytest.raises(TypeError, match="estimator must be a fitted detector"):
        metrics.anomaly_score("KDE", VECTORS)


PROTOCOLS = {
    datasets.one_vs_all: "normal",
    datasets.one_anomalous: "anomalous",
    datasets.one_anomalous_pooled: "anomalous",
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ["X_train", "y_train", "X_test", "y_test"])
@pytest.mark.parametrize("bad", [None, "x", [1, -1], np.ones((20, 2, 2))])
def test_arrays_of_protocols(protocol, name, bad):
    arrays = dict.fromkeys(("X_train", "X_test"), VECTORS)
    arrays |= dict.fromkeys(("y_train", "y_test"), LABELS) | {name: bad}
    part = name.removeprefix("X_").removeprefix("y_")
    with pytest.raises(ValueError, match=f"X_{part} and y_{part} must|X_train and X_test must"):
        protocol(**arrays, **{PROTOCOLS[protocol]: 1})


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("bad", [2, "1", None, [1, -1]])
def test_classes_of_protocols(protocol, bad):
    with pytest.raises(ValueError, match=r"no class|must be one class"):
        protocol(VECTORS, LABELS, VECTORS, LABELS, **{PROTOCOLS[protocol]: bad})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n_splits", value) for value in ("x", 1, 2.0, 10**400)),
        *(("random_state", value) for value in ("x", -1, 1.5, 10**400)),
        ("anomaly_label", [1, 2]),
    ],
)
def test_cross_validation(name, value):
    with pytest.raises((TypeError, ValueError), match=f"'{name}' .*must be"):
        next(datasets.NoveltySplit(**{name: value}).split(VECTORS, LABELS))


@pytest.mark.parametrize("value", [3, b"x", ["a"], object()])
def test_folders_and_files_of_data(value):
    for load in (datasets.load_mnist, datasets.load_fashion_mnist, datasets.load_cifar10):
        with pytest.raises(TypeError, match=r"'data_home' of skmmrr.datasets must be a path"):
            load(data_home=value)
        with pytest.raises(ValueError, match=f"'subset' of {load.__name__} must be"):
            load(value)
    for load, name in (
        (datasets.load_image_folder, "folder"),
        (datasets.load_csv, "path"),
        (datasets.load_adbench, "name"),
        (datasets.load_mvtec_ad, "category"),
    ):
        with pytest.raises(TypeError, match=f"'{name}' of {load.__name__} must be a path"):
            load(value)


@pytest.mark.parametrize("value", [3, "a", (3,), (0, 3), (2.5, 3), (3, 10**400)])
def test_sizes_of_pictures(value):
    with pytest.raises((TypeError, ValueError), match="'size' of LoadImages must be"):
        LoadImages(value).fit(["a.png"])


@pytest.mark.parametrize("paths", [3, None, "a.png", [], [3], IMAGES, np.array(1)])
def test_paths_of_pictures(paths):
    with pytest.raises((TypeError, ValueError), match="LoadImages takes"):
        LoadImages().transform(paths)
