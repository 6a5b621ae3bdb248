"""The exported graph says what the detector says, in another runtime."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from skmmrr import MMRRDetector, Network
from skmmrr.baselines import KDEDetector
from skmmrr.onnx import ScoringGraph, export_onnx

SMALL = {
    "max_iter": 5,
    "network": Network(width=8),
    "n_estimators": 1,
    "random_state": 0,
    "precision": "float32",
}


def session(detector, folder):
    export_onnx(detector, folder / "detector.onnx")
    return onnxruntime.InferenceSession(folder / "detector.onnx")


def assert_same(detector, run, X, dtype):
    for n in (1, 7, len(X)):
        score, decision, maps = run.run(None, {"X": X[:n].astype(dtype)})
        assert_allclose(-score, detector.score_samples(X[:n]), atol=1e-5)
        assert_allclose(decision, detector.decision_function(X[:n]), atol=1e-5)
        expected = detector.anomaly_map(X[:n])
        assert_allclose(maps, expected, atol=1e-4 * max(1, expected.max()))


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


VARIANTS = [
    {"n_levels": 4},
    {"n_levels": 3, "level_rule": "gauss-legendre", "network": Network(n_blocks=1)},
    {"n_levels": 4, "refine": False, "embed": False, "mask": "bernoulli", "n_estimators": 2},
    {"n_levels": 4, "mask": "constant"},
]


def table(rng):
    return rng.normal(size=(100, 5)) * [1, 10, 0.1, 1, 3] + [0, 5, 1e3, 0, 0]


@pytest.mark.parametrize("parameters", [VARIANTS[1], VARIANTS[2], {"n_levels": 3, "n_bins": 4}])
def test_vectors(tmp_path, parameters, rng):
    X = table(rng)
    detector = MMRRDetector(**(SMALL | parameters)).fit(X)
    assert_same(detector, session(detector, tmp_path), X * [1, 2, 1, 1, 1], np.float64)


@pytest.mark.parametrize(("backbone", "downsample"), [("unet", 1), ("unet", 2), ("mlp", 2)])
def test_grey_images_of_odd_size(tmp_path, backbone, downsample):
    images = load_digits().images[:, :7, :5]
    detector = MMRRDetector(2, **SMALL, backbone=backbone, downsample=downsample).fit(images[:60])
    run = session(detector, tmp_path)
    assert run.get_inputs()[0].shape[1:] == [7, 5]
    assert_same(detector, run, images[:100], np.float32)


# torch's tracer instantiates what it warns should not be instantiated
@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'>:DeprecationWarning")
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("parameters", VARIANTS)
def test_the_graph_is_the_detector(parameters, colour, rng):
    X = rng.integers(256, size=(20, 4, 6, 3), dtype=np.uint8) if colour else table(rng)
    detector = MMRRDetector(**(SMALL | parameters)).fit(X)
    with torch.no_grad():
        score, decision, maps = ScoringGraph(detector)(
            torch.from_numpy(X), torch.tensor(-detector.offset_, dtype=torch.float64)
        )
    assert_allclose(-score.numpy(), detector.score_samples(X), atol=1e-5)
    assert_allclose(decision.numpy(), detector.decision_function(X), atol=1e-5)
    assert_allclose(maps.numpy(), detector.anomaly_map(X), atol=1e-4)


def test_a_threshold_of_other_levels_is_refused(tmp_path, rng):
    X = rng.normal(size=(50, 2))
    detector = MMRRDetector(4, **SMALL).fit(X).set_params(n_levels=2)
    with pytest.raises(NotFittedError, match="calibrate"):
        export_onnx(detector, tmp_path / "detector.onnx")


def test_the_file_is_small_tells_its_threshold_and_leaves_the_detector_alone(tmp_path, rng):
    X = rng.normal(size=(50, 2))
    detector = MMRRDetector(2, **SMALL).fit(X)
    before, state = detector.score_samples(X), torch.get_rng_state()
    export_onnx(detector, tmp_path / "detector.onnx")
    assert (detector.score_samples(X) == before).all()
    assert (torch.get_rng_state() == state).all()
    model = onnx.load(tmp_path / "detector.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.ByteSize() < 100_000
    (threshold,) = (p.value for p in model.metadata_props if p.key == "threshold")
    assert float(threshold) == -detector.offset_


def test_wrong_uses(tmp_path, monkeypatch, rng):
    with pytest.raises(NotFittedError):
        export_onnx(MMRRDetector(), tmp_path / "detector.onnx")
    with pytest.raises(TypeError, match=r"takes an MMRRDetector, .* Got a KDEDetector"):
        export_onnx(KDEDetector().fit([[0.0], [1.0]]), tmp_path / "detector.onnx")
    detector = MMRRDetector(2, **SMALL).fit(rng.normal(size=(30, 2)))
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"skmmrr\[onnx\]"):
        export_onnx(detector, tmp_path / "detector.onnx")
    assert not list(tmp_path.iterdir())
