"""MMRR on feature maps: what is restored, where a picture's score comes from, files, ONNX."""

import copy

import numpy as np
import onnxruntime
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from torch import nn

import skmmrr
from skmmrr import FeatureMaps, MMRRDetector, Network, Training
from skmmrr.mmrr import MMRRModel, estimator
from skmmrr.mmrr.backbones import MapUNet
from skmmrr.onnx import export_onnx

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def pictures(n, seed, size=16):
    """Stripes of any phase, with a little noise."""
    rng = np.random.default_rng(seed)
    x = np.arange(size) / 2 + rng.uniform(0, 2 * np.pi, (n, 1))
    stripes = np.repeat(np.sin(x)[:, None, :, None], size, axis=1) + np.array([0, 0.5, 1])
    return stripes + rng.normal(0, 0.05, (n, size, size, 3))


class Means(nn.Module):
    """Two stages: means of squares of two and of four pixels, and their products."""

    def forward(self, x):
        fine, coarse = nn.functional.avg_pool2d(x, 2), nn.functional.avg_pool2d(x, 4)
        return [fine, coarse * coarse.roll(1, dims=1)]


SMALL = {
    "max_iter": 5,
    "network": Network(width=8),
    "precision": "float32",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def detector():
    maps = FeatureMaps(grid=5)
    return MMRRDetector(3, features=Means(), feature_maps=maps, **SMALL).fit(pictures(40, 0))


def test_maps_of_standardised_channels_are_restored(detector):
    representation = detector.spec_.representation
    assert representation.image_shape == (5, 5, 6)
    assert (detector.spec_.backbone, detector.spec_.n_estimators) == ("map-unet", 1)
    x = detector.explain(pictures(40, 0)).x
    assert x.shape == (40, 5, 5, 6)
    assert np.abs(x).max() <= 1  # five standard deviations
    assert_allclose(x.std(axis=(0, 1, 2)), 1 / 5, rtol=0.05)
    assert isinstance(detector.network_[0], MMRRModel)
    assert isinstance(detector.network_[0].restoration.backbone, MapUNet)


@pytest.mark.parametrize(("share", "n"), [(None, 1), (0.2, 5), (1.0, 25)])
def test_the_score_is_the_mean_of_the_top_of_the_map(detector, share, n):
    X, shared = pictures(6, 1), copy.copy(detector).set_params(top_share=share)
    errors = shared._error_grid(X.reshape(6, -1)).numpy()
    assert errors.shape == (6, 5, 5)
    top = np.sort(errors.reshape(6, -1), axis=1)[:, -n:].mean(axis=1)
    assert_allclose(shared.score_samples(X), -top)
    stages, weights = shared.explain(X), shared._quadrature()[1]
    squares = (stages.x[:, None] - stages.refined).astype(float) ** 2
    assert_allclose(errors, np.tensordot(squares.mean(axis=-1), weights, (1, 0)), rtol=1e-5)


def test_a_defect_is_found_where_it_is():
    train, good, bad = pictures(60, 0), pictures(10, 1), pictures(10, 2)
    bad[:, 4:9, 8:13] = 0.5
    detector = MMRRDetector(
        8,
        level_rule="gauss-legendre",
        features=Means(),
        feature_maps=FeatureMaps(grid=8),
        network=Network(width=16, n_resolutions=2),
        training=Training(learning_rate=3e-3, batch_size=4),
        max_iter=150,
        random_state=0,
    ).fit(train)
    assert detector.score_samples(good).min() > detector.score_samples(bad).max()
    maps = detector.anomaly_map(bad)
    assert maps.shape == (10, 16, 16)
    inside, everywhere = maps[:, 4:9, 8:13].mean(axis=(1, 2)), maps.mean(axis=(1, 2))
    assert (inside > 2 * everywhere).all()
    assert (detector.predict(bad) == -1).all()


def test_copies_of_held_out_pictures_do_not_train(monkeypatch):
    seen, original = [], estimator.train
    monkeypatch.setattr(estimator, "train", lambda *args: seen.append(args[2]) or original(*args))
    MMRRDetector(3, features=Means(), feature_maps=FeatureMaps(rotate=True), **SMALL).fit(
        pictures(20, 0)
    )
    (data,) = seen
    assert len(data.samples) == 80
    assert sorted(np.r_[data.validation, data.train[:16]]) == list(range(20))
    assert_array_equal(data.train.reshape(4, 16) % 20, np.tile(data.train[:16], (4, 1)))


def test_scores_do_not_depend_on_company(detector):
    X = pictures(7, 3)
    expected, maps = detector.score_samples(X), detector.anomaly_map(X)
    assert_array_equal(detector.score_samples(X[2:3]), expected[2:3])
    assert_array_equal(detector.score_samples(X[::-1]), expected[::-1])
    assert_array_equal(detector.anomaly_map(X[2:3]), maps[2:3])


def test_scores_and_maps_come_in_one_pass(detector, monkeypatch):
    X, passes = pictures(4, 1), []
    original = MMRRDetector._error_grid
    monkeypatch.setattr(
        MMRRDetector, "_error_grid", lambda self, X: passes.append(len(X)) or original(self, X)
    )
    scores, maps = detector.scores_and_maps(X)
    assert passes == [4]
    assert_array_equal(scores, detector.score_samples(X))
    assert_array_equal(maps, detector.anomaly_map(X))


def test_smoothing_changes_maps_and_not_scores(detector):
    X, maps = pictures(3, 1), FeatureMaps(grid=5, smoothing=3)
    smooth = MMRRDetector(3, features=Means(), feature_maps=maps, **SMALL).fit(pictures(40, 0))
    assert_array_equal(smooth.score_samples(X), detector.score_samples(X))
    assert np.ptp(smooth.anomaly_map(X)) < 0.8 * np.ptp(detector.anomaly_map(X))


def test_the_share_is_part_of_the_threshold(detector):
    assert detector.threshold_params_["top_share"] == 0.02
    changed = MMRRDetector(2, top_share=0.5, **SMALL).fit(pictures(20, 0, 8))
    changed.predict(pictures(2, 1, 8))
    with pytest.raises(NotFittedError, match="calibrate"):
        changed.set_params(top_share=0.1).predict(pictures(2, 1, 8))


def test_pixels_and_vectors_have_a_top_too(vectors):
    detector = MMRRDetector(3, top_share=0.4, max_iter=5, random_state=0).fit(vectors)
    maps = detector.anomaly_map(vectors)
    top = np.sort(maps, axis=1)[:, -2:].mean(axis=1)
    assert_allclose(detector.score_samples(vectors), -top)


def test_rows_of_features_are_vectors(detector):
    rows = MMRRDetector(2, features=Means(), feature_maps=FeatureMaps(grid=1), **SMALL)
    rows.fit(pictures(20, 0))
    assert rows.spec_.representation.shape == (6,)
    assert rows.spec_.backbone == "mlp"
    assert rows.score_samples(pictures(3, 1)).shape == (3,)
    with pytest.raises(ValueError, match="does not say where"):
        rows.anomaly_map(pictures(3, 1))


def packaged(**parameters):
    X = np.random.default_rng(0).integers(256, size=(12, 32, 32, 3), dtype=np.uint8)
    options = {"features": "efficientnet-lite0", "feature_maps": FeatureMaps(input_size=64)}
    return X, MMRRDetector(2, **(SMALL | options | parameters)).fit(X)


def test_files_name_the_network_and_do_not_hold_it(tmp_path):
    X, detector = packaged()
    detector.save(tmp_path / "detector.safetensors")
    weights = sum(p.numel() for p in detector.network_.parameters())
    assert (tmp_path / "detector.safetensors").stat().st_size < 4 * weights + 200_000
    again = skmmrr.load(tmp_path / "detector.safetensors")
    assert_array_equal(again.score_samples(X), detector.score_samples(X))
    assert_array_equal(again.anomaly_map(X), detector.anomaly_map(X))


@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'>:DeprecationWarning")
def test_one_graph_from_pixels_to_score_and_map(tmp_path):
    X, detector = packaged()
    export_onnx(detector, tmp_path / "detector.onnx")
    run = onnxruntime.InferenceSession(tmp_path / "detector.onnx")
    score, decision, maps = run.run(None, {"X": X.astype(np.float32)})
    assert_allclose(-score, detector.score_samples(X), rtol=1e-4)
    assert_allclose(decision, detector.decision_function(X), atol=1e-4)
    assert_allclose(maps, detector.anomaly_map(X), rtol=1e-3)
    moved = run.run(["decision"], {"X": X.astype(np.float32), "threshold": np.array(1.0)})[0]
    assert_allclose(moved, 1 - score, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'>:DeprecationWarning")
def test_pictures_are_aligned_inside_the_graph(tmp_path):
    rng, X = np.random.default_rng(0), np.full((12, 32, 32), 30, dtype=np.uint8)
    X += rng.integers(9, size=X.shape, dtype=np.uint8)
    for i, picture in enumerate(X):  # lying and standing
        upright = picture if i % 2 else picture.T
        upright[6 + i % 5 : 22 + i % 5, 13:17] = upright[6 + i % 5 : 10 + i % 5, 10:20] = 200
    maps = FeatureMaps(input_size=64, align=True)
    detector = MMRRDetector(2, features="efficientnet-lite0", feature_maps=maps, **SMALL).fit(X)
    export_onnx(detector, tmp_path / "detector.onnx")
    run = onnxruntime.InferenceSession(tmp_path / "detector.onnx")
    score, _, maps = run.run(None, {"X": X.astype(np.float32)})
    assert_allclose(-score, detector.score_samples(X), rtol=1e-4)
    assert_allclose(maps, detector.anomaly_map(X), atol=1e-3 * maps.max())


def test_own_backbones_restore_maps():
    detector = MMRRDetector(
        2,
        features=Means(),
        backbone=lambda i, o, shape: nn.Conv2d(i, o, 1),
        max_iter=5,
        random_state=0,
    ).fit(pictures(20, 0))
    assert detector.score_samples(pictures(2, 1)).shape == (2,)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"features": "resnet"}, ValueError, "'features' of MMRRDetector must be one of"),
        ({"features": 3}, TypeError, "'features' of MMRRDetector must be None"),
        ({"top_share": 2}, ValueError, "'top_share' of MMRRDetector"),
        ({"features": Means(), "downsample": 2}, ValueError, "'downsample' .* is of pixels"),
        ({"features": "efficientnet-lite0"}, ValueError, "needs images of shape"),
    ],
)
def test_bad_parameters(vectors, parameters, error, message):
    with pytest.raises(error, match=message):
        MMRRDetector(**parameters).fit(vectors)
