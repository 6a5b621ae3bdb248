"""DeepKNNDetector: exact neighbours, in features from anywhere."""

import pickle
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

import skmmrr
from skmmrr import FeatureMaps
from skmmrr.baselines import DeepKNNDetector
from skmmrr.baselines import _nearest as nearest
from skmmrr.baselines._nearest import distances_to_others, nearest_distances

CPU = torch.device("cpu")


def brute_force(queries, points, k):
    return np.sort(cdist(queries.astype(float), points.astype(float)), axis=1)[:, :k]


def scaled(X):
    low, high = X.min(axis=0), X.max(axis=0)
    return lambda Y: (2 * (Y - low) / (high - low) - 1).astype(np.float32)


class Corner(nn.Module):
    """Feature maps: the images, after a switch that tells training from evaluation."""

    def forward(self, x):
        return x if self.training else 2 * x


# The search


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("k", [1, 5])
def test_distances_agree_with_brute_force(monkeypatch, offset, k):
    monkeypatch.setattr(nearest, "_CHUNK", 1)  # 1,092 points a chunk
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(3000, 30)) + offset).astype(np.float32)
    queries = np.concatenate([rng.normal(size=(600, 30)) + offset, points[:9]]).astype(np.float32)
    found = nearest_distances(queries, points, k, CPU)
    assert_allclose(found, brute_force(queries, points, k), rtol=1e-5, atol=1e-12)
    assert (found[-9:, 0] == 0).all()


def test_close_neighbours_far_from_the_origin():
    points = np.float32([[1000, 1000], [1000.25, 1000], [1000, 1000.5], [-1000, 0]])
    assert_allclose(nearest_distances(points[:1], points, 3, CPU), [[0, 0.25, 0.5]])


def test_memory_does_not_hold_all_distances():
    resource = pytest.importorskip("resource", reason="the peak of memory is not known")
    points = np.zeros((200_000, 4), np.float32)
    points[:, 0] = np.arange(200_000)
    queries = points[:4000] + np.float32(0.25)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_allclose(nearest_distances(queries, points, 1, CPU), 0.5)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    assert grown * unit < 1e9  # all distances would be 3.2e9


# Scores


@pytest.mark.parametrize("squared", [False, True])
def test_score_is_the_mean_distance_to_the_nearest(vectors, squared):
    train, X = vectors[:100], vectors[100:]
    detector = DeepKNNDetector(n_neighbors=3, squared=squared, contamination=0.1).fit(train)
    distances = brute_force(scaled(train)(X), scaled(train)(train), 3)
    expected = -(distances**2 if squared else distances).mean(axis=1)
    assert_allclose(detector.score_samples(X), expected, rtol=1e-5)


def test_normalized_features_have_unit_length(vectors):
    detector = DeepKNNDetector(normalize=True).fit(vectors)
    assert_allclose(np.linalg.norm(detector.features_, axis=1), 1, rtol=1e-6)
    assert detector.score_samples(vectors).min() >= -2


def test_all_others_are_neighbours_where_few_are_fitted():
    detector = DeepKNNDetector(n_neighbors=50, contamination=None).fit([[0.0], [1.0], [2.0]])
    assert detector.n_neighbors_ == 2
    assert_allclose(detector.score_samples([[1.0], [3.0]]), [-1, -1.5])


def test_no_fitted_sample_is_its_own_neighbour_but_copies_are(vectors):
    train = np.concatenate([vectors, vectors[:10]])
    detector = DeepKNNDetector(n_neighbors=2, contamination=0.1).fit(train)
    distances = cdist(scaled(train)(train).astype(float), scaled(train)(train).astype(float))
    np.fill_diagonal(distances, np.inf)
    expected = -np.sort(distances, axis=1)[:, :2].mean(axis=1)
    assert_allclose(detector.score_samples(train), expected, rtol=1e-5)


def test_the_only_fitted_sample_is_its_own_neighbour():
    points = np.ones((1, 3), np.float32)
    assert distances_to_others(points, points, 1, CPU) == 0


def test_parameters_set_after_fit_count_and_the_threshold_refuses(vectors):
    detector = DeepKNNDetector(random_state=0).fit(vectors)
    before = detector.score_samples(vectors)
    detector.set_params(n_neighbors=5)
    assert (detector.score_samples(vectors) < before).all()
    with pytest.raises(NotFittedError, match="calibrate"):
        detector.predict(vectors)
    with pytest.raises(ValueError, match="'n_neighbors'"):
        detector.set_params(n_neighbors=0).score_samples(vectors)


def test_a_score_depends_on_the_sample_alone(images):
    detector = DeepKNNDetector(nn.Conv2d(3, 8, 3), random_state=0).fit(images[:60])
    expected = detector.score_samples(images)
    assert_array_equal(detector.score_samples(images[7:8]), expected[7:8])
    assert_array_equal(detector.score_samples(images[::-1]), expected[::-1])


# Features


def test_module_gets_standardised_colour_images_in_evaluation_mode(images):
    module = Corner().train()
    detector = DeepKNNDetector(module, normalize=False, contamination=0.1, precision="float32")
    detector.fit(images[:50])
    colours = (images[:50].mean(axis=(1, 2)) / 16)[:, None] - [0.485, 0.456, 0.406]
    assert_allclose(detector.features_, 2 * colours / [0.229, 0.224, 0.225], rtol=1e-5, atol=1e-6)
    assert module.training


def test_module_gets_vectors_as_they_are_scaled(vectors):
    detector = DeepKNNDetector(nn.Identity(), normalize=False, contamination=0.1).fit(vectors)
    assert_allclose(detector.features_, scaled(vectors)(vectors), atol=1e-6)


def test_images_are_resized_for_a_module(images):
    seen = []

    class Look(nn.Module):
        def forward(self, x):
            seen.append(tuple(x.shape[1:]))
            return x

    DeepKNNDetector(Look(), feature_maps=FeatureMaps(input_size=20)).fit(images[:10])
    assert set(seen) == {(3, 20, 20)}


def test_module_may_return_one_number_a_sample(vectors):
    class First(nn.Module):
        def forward(self, x):
            return x[:, 0]

    assert DeepKNNDetector(First(), normalize=False).fit(vectors).features_.shape == (114, 1)


def test_module_that_returns_something_else_is_named(vectors):
    class Other(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x)

    for function, found in ((lambda x: {"x": x}, "dict"), (lambda x: x.mean(), "Tensor")):
        with pytest.raises(ValueError, match=f"must return one tensor .* Got {found}"):
            DeepKNNDetector(Other(function)).fit(vectors)


def test_backbone_wants_grey_or_colour():
    with pytest.raises(ValueError, match="Got 4 channels"):
        DeepKNNDetector("efficientnet-lite0").fit(np.zeros((5, 8, 8, 4)))


def test_callable_gets_samples_as_they_are(images):
    def darkness(X):
        assert X.shape[1:] == (8, 8)
        assert X.dtype == np.uint8
        return X.max(axis=(1, 2)) - X.mean(axis=(1, 2))

    X = images[:70].astype(np.uint8)
    detector = DeepKNNDetector(darkness, normalize=False, contamination=0.1).fit(X)
    assert_allclose(detector.features_[:, 0], darkness(X), rtol=1e-6)


@pytest.mark.parametrize("features", [lambda X: np.full(len(X), np.nan), nn.Threshold(9, np.nan)])
def test_features_that_are_not_finite_are_refused(vectors, features):
    with pytest.raises(ValueError, match="must be finite"):
        DeepKNNDetector(features).fit(vectors)


@pytest.mark.parametrize("function", [lambda X: X[:1], lambda X: 1.0])
def test_callable_that_returns_something_else_is_named(vectors, function):
    with pytest.raises(ValueError, match="one row for each"):
        DeepKNNDetector(function).fit(vectors)


def test_packaged_backbone_tells_noise_from_digits(images):
    small = FeatureMaps(input_size=32)
    detector = DeepKNNDetector("efficientnet-lite0", feature_maps=small, random_state=0)
    detector.fit(images[:30])
    assert detector.features_.shape == (28, 1280)
    noise = np.random.default_rng(0).uniform(0, 16, size=(5, 8, 8))
    scores = detector.score_samples(np.concatenate([images[30:40], noise]))
    assert scores[:10].mean() > scores[10:].max()


def test_missing_backbone_names_the_extra(monkeypatch, images):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ImportError, match=r"skmmrr\[backbones\]"):
        DeepKNNDetector("efficientnet-lite0").fit(images)


def test_pickles_and_clones(images):
    detector = DeepKNNDetector(nn.Conv2d(3, 4, 3), random_state=0).fit(images[:40])
    again = pickle.loads(pickle.dumps(detector))
    assert_array_equal(again.score_samples(images[40:]), detector.score_samples(images[40:]))
    assert clone(detector).fit(images[:20]).features_.shape == (19, 4)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"features": "resnet"}, ValueError, "'features' .* one of"),
        ({"features": 3}, TypeError, "'features' .* callable"),
        ({"features": "efficientnet-lite0"}, ValueError, "needs images"),
        ({"n_neighbors": 0}, ValueError, "'n_neighbors'"),
        ({"squared": 2}, TypeError, "'squared'"),
        ({"normalize": "l2"}, TypeError, "'normalize'"),
        ({"adjust": "tv"}, TypeError, "'adjust'"),
        ({"feature_maps": FeatureMaps(input_size=0)}, ValueError, "'feature_maps.input_size'"),
        ({"feature_maps": FeatureMaps(stages=())}, ValueError, "'feature_maps.stages' .* tuple"),
        ({"feature_maps": FeatureMaps(stages=[2])}, TypeError, "'feature_maps.stages' .* tuple"),
        ({"feature_maps": FeatureMaps(smoothing=-1)}, ValueError, "'feature_maps.smoothing'"),
        ({"feature_maps": FeatureMaps(rotate="yes")}, TypeError, "'feature_maps.rotate' .* True"),
        ({"feature_maps": FeatureMaps(align=1)}, TypeError, "'feature_maps.align' .* True"),
        ({"feature_maps": {"grid": 2}}, TypeError, "skmmrr.FeatureMaps"),
        ({"patches": 1}, TypeError, "'patches'"),
        ({"patches": True}, ValueError, "'patches' .* needs feature maps"),
        ({"bank_size": 0}, ValueError, "'bank_size'"),
        ({"top_share": 0.0}, ValueError, "'top_share'"),
        ({"device": "abacus"}, ValueError, "'device'"),
    ],
)
def test_bad_parameters(vectors, parameters, error, message):
    with pytest.raises(error, match=message):
        DeepKNNDetector(**parameters).fit(vectors)


def test_adjusted_distances_do_not_follow_the_contrast_of_normal_images():
    rng = np.random.default_rng(0)
    contrast = rng.uniform(0.1, 1, 300)
    images = 0.5 + contrast[:, None, None] * (rng.random((300, 6, 6)) - 0.5)
    plain = DeepKNNDetector(random_state=0).fit(images[:200])
    adjusted = DeepKNNDetector(adjust=True, random_state=0).fit(images[:200])
    slopes = [
        np.polyfit(np.log(contrast[200:]), np.log(-d.score_samples(images[200:])), 1)[0]
        for d in (plain, adjusted)
    ]
    assert abs(slopes[1]) < 0.1 < 0.5 < slopes[0]
    left_out = adjusted.set_params(adjust=False)
    assert_array_equal(left_out.score_samples(images), plain.score_samples(images))
    with pytest.raises(ValueError, match=r"'adjust' of DeepKNNDetector.*Refit"):
        plain.set_params(adjust=True).score_samples(images)


@pytest.mark.parametrize("n", [2, 3])
def test_very_few_images_are_not_adjusted(images, n):
    adjusted, plain = (
        DeepKNNDetector(adjust=a, random_state=0).fit(images[:n]) for a in (True, False)
    )
    assert_array_equal(adjusted.score_samples(images), plain.score_samples(images))


def test_frames_that_come_again_do_not_spoil_the_adjustment():
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 1, (300, 1, 1)) * rng.random((300, 6, 6))
    images[:6] = 0  # the camera was covered
    images[100:190] = np.repeat(images[200:230], 3, axis=0)
    detector = DeepKNNDetector(adjust=True, random_state=0).fit(images)
    adjustment = detector.adjustment_.by_kind["distance"]
    assert 0.5 < adjustment.slope < 1.5
    assert 0 < adjustment.rarity_weight < 0.05
    assert np.isfinite(detector.score_samples(np.r_[images, np.full((1, 6, 6), 9.0)])).all()


def test_adjusted_distances_survive_a_file(images, tmp_path):
    detector = DeepKNNDetector(adjust=True, random_state=0).fit(images)
    detector.save(tmp_path / "knn.safetensors")
    again = skmmrr.load(tmp_path / "knn.safetensors")
    assert again.adjustment_.by_kind == detector.adjustment_.by_kind
    assert_array_equal(again.score_samples(images), detector.score_samples(images))


# Patches


class Blocks(nn.Module):
    """Two stages: the means of squares of two and of four pixels."""

    def forward(self, x):
        return [nn.functional.avg_pool2d(x[:, :2], 2), nn.functional.avg_pool2d(x[:, 2:], 4)]


def parts(n, seed, size=16):
    """Pictures of one smooth pattern anywhere, with a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    phase = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    pictures = np.sin(x / 2 + phase) + np.cos(y / 2 - phase) + rng.normal(0, 0.05, (n, size, size))
    return np.repeat(pictures[..., None], 3, axis=3)


def patch_detector(**parameters):
    options = {"precision": "float32", "random_state": 0}
    return DeepKNNDetector(Blocks(), patches=True, **(options | parameters))


def test_a_map_has_the_distance_of_each_place_to_the_nearest_patch():
    train, X = parts(30, 0), parts(4, 1)
    detector = patch_detector(feature_maps=FeatureMaps(smoothing=0)).fit(train)
    grid = detector._error_grid(X.reshape(4, -1)).numpy()
    assert grid.shape == (4, 4, 4)  # of the coarser stage

    extractor, scaled = detector.extractor_, detector.patch_representation_
    fitted = extractor.rows(X.reshape(4, -1), CPU, "float32").reshape(-1, 3).astype(float)
    standardised = ((fitted - scaled.centre) / scaled.half_range).clip(-1, 1)
    expected = cdist(standardised, detector.features_).min(axis=1).reshape(4, 4, 4)
    assert_allclose(grid, expected, rtol=1e-5, atol=1e-6)
    top = np.sort(expected.reshape(4, -1))[:, -1]  # 0.02 of 16 places: one of them
    assert_allclose(detector.score_samples(X), -top, rtol=1e-5, atol=1e-6)
    scores, maps = detector.scores_and_maps(X)
    assert maps.shape == (4, 16, 16)
    assert_array_equal(maps, detector.anomaly_map(X))
    assert_array_equal(scores, detector.score_samples(X))


def test_a_defect_is_found_where_it_is():
    detector = patch_detector().fit(parts(40, 0))
    good, bad = parts(10, 1), parts(10, 2)
    bad[:, 4:8, 8:12] = 4
    assert detector.score_samples(good).min() > detector.score_samples(bad).max()
    brightest = detector.anomaly_map(bad).reshape(10, -1).argmax(axis=1)
    rows, columns = np.divmod(brightest, 16)
    assert ((rows >= 2) & (rows < 10) & (columns >= 6) & (columns < 14)).all()


def test_the_bank_is_bounded_and_covers_what_it_leaves_out():
    as_they_are = FeatureMaps(rotate=False)
    detector = patch_detector(bank_size=60, feature_maps=as_they_are).fit(parts(30, 0))
    every = patch_detector(feature_maps=as_they_are).fit(parts(30, 0))
    assert detector.features_.shape == (60, 3)
    assert every.features_.shape == (24 * 16, 3)  # a fifth is held out
    random = every.features_[np.random.default_rng(0).permutation(24 * 16)[:60]]
    radius = [brute_force(every.features_, bank, 1).max() for bank in (detector.features_, random)]
    assert radius[0] < radius[1]


class Slopes(nn.Module):
    """Differences of rows, as means of squares of four pixels."""

    def forward(self, x):
        return [nn.functional.avg_pool2d(x - x.roll(1, dims=2), 4)]


def test_parts_that_lie_anywhere_are_known_at_right_angles():
    rows = [(parts(30, 0), parts(30, 1)), (parts(10, 2), parts(10, 3))]
    train, X = (np.repeat(a[:, :1], 16, axis=1) + 0.05 * b for a, b in rows)
    as_they_are = FeatureMaps(rotate=False)
    known, unknown = (
        DeepKNNDetector(Slopes(), patches=True, feature_maps=maps, random_state=0).fit(train)
        for maps in (None, as_they_are)
    )
    assert len(known.features_) == 4 * len(unknown.features_)
    turned = np.rot90(X, axes=(1, 2))
    assert known.score_samples(turned).mean() > 0.2 * unknown.score_samples(turned).mean()
