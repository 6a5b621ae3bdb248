"""MMRRDetector: what its docstring promises."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmmrr
from skmmrr import MMRRDetector, Network, PAPER_32x32, PAPER_256x256, Training
from skmmrr.mmrr.levels import level_quadrature
from skmmrr.mmrr.scoring import LevelPasses

QUICK = dict(n_levels=3, max_iter=2, network=Network(width=8), random_state=0)


# What it detects


def test_tells_uniform_outliers_from_blobs():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [4, 4], [-3, 5]])
    blobs = centres[rng.integers(3, size=1300)] + 0.6 * rng.normal(size=(1300, 2))
    X = np.concatenate([blobs[1200:], rng.uniform(-8, 10, size=(100, 2))])
    y = np.repeat([1, -1], 100)
    detector = MMRRDetector(random_state=0).fit(blobs[:1200])
    assert roc_auc_score(y, detector.score_samples(X)) > 0.95
    assert (detector.predict(X[:100]) == 1).mean() > 0.85  # 60 held-out ones set the threshold


@pytest.mark.parametrize("backbone", ["unet", "mlp"])
def test_anomaly_map_points_at_the_changed_pixels(backbone):
    images = np.tile(np.linspace(0, 1, 8), (30, 8, 1))
    images = images + 0.02 * np.random.default_rng(0).normal(size=images.shape)
    detector = MMRRDetector(5, backbone=backbone, n_estimators=1, max_iter=60, random_state=0)
    detector.fit(images[:29])
    broken = images[29:].copy()
    broken[0, 2:4, 0:2] = 1.0
    where = detector.anomaly_map(broken)[0]
    assert where[2:4, 0:2].min() > np.delete(where.ravel(), [16, 17, 24, 25]).max()


# What X may be


def image_forms(images):
    flat = images.reshape(len(images), -1)
    return {
        "(n, h, w)": images,
        "(n, h, w, 1)": images[..., None],
        "flat": flat,
        "list": images.tolist(),
        "float32": images.astype(np.float32),
        "uint8": images.astype(np.uint8),
        "Fortran order": np.asfortranarray(images),
    }


@pytest.mark.parametrize("form", ["(n, h, w, 1)", "flat", "list", "float32", "uint8"])
def test_forms_of_images_are_interchangeable_at_fit(images, form):
    expected = MMRRDetector(**QUICK).fit(images[:20]).score_samples(images[20:30])
    detector = MMRRDetector(**QUICK, image_shape=(8, 8)).fit(image_forms(images[:20])[form])
    assert_array_equal(detector.score_samples(images[20:30]), expected)
    assert detector.n_features_in_ == 64
    assert detector.image_shape_ == (8, 8, 1)


@pytest.mark.parametrize(
    "form", ["(n, h, w, 1)", "flat", "list", "float32", "uint8", "Fortran order"]
)
def test_forms_of_images_are_interchangeable_at_predict(image_detector, images, form):
    X = image_forms(images[:5])[form]
    assert_array_equal(image_detector.score_samples(X), image_detector.score_samples(images[:5]))


@pytest.mark.parametrize("shape", [(6, 5), (1, 7), (3, 9, 3), (11, 10, 2)])
def test_any_height_width_and_channel_count(shape):
    X = np.random.default_rng(0).random((6, *shape))
    detector = MMRRDetector(**QUICK, image_shape=shape).fit(X)
    assert detector.anomaly_map(X).shape == (6, *shape[:2])
    assert detector.explain(X).restored.shape == (6, 3, *shape)


@pytest.mark.parametrize("backbone", ["unet", "mlp"])
@pytest.mark.parametrize(
    ("sides", "averaged"),
    [
        ((6, 40), 1),
        ((8, 8), 1),
        ((14, 20), 1),
        ((28, 28), 2),
        ((55, 64), 2),
        ((64, 56), 4),
        ((256, 256), 4),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_large_images_are_averaged_down_by_default(backbone, sides, averaged):
    X = np.random.default_rng(0).random((4, *sides))
    sizes = Network(width=2, n_resolutions=1)
    detector = MMRRDetector(2, max_iter=1, backbone=backbone, network=sizes, random_state=0)
    assert detector.fit(X).spec_.representation.downsample == averaged


@pytest.mark.parametrize("backbone", ["unet", "mlp"])
def test_networks_see_the_means_of_squares(backbone):
    X = np.random.default_rng(0).random((6, 12, 8, 3))
    means = X.reshape(6, 6, 2, 4, 2, 3).mean(axis=(2, 4))
    means[0, 0, 0], means[0, 0, 1] = 0, 1  # the range that both learn
    X[0, :2, :2], X[0, :2, 2:4] = 0, 1
    paper = QUICK | {"backbone": backbone, "adjust": False}
    whole = MMRRDetector(**paper, downsample=2).fit(X)
    small = MMRRDetector(**paper, downsample=1).fit(means)
    assert_allclose(whole.explain(X).x, small.explain(means).x, atol=1e-6)
    maps = small.anomaly_map(means)
    assert_allclose(whole.anomaly_map(X), maps.repeat(2, axis=1).repeat(2, axis=2), rtol=0.05)
    assert_allclose(whole.score_samples(X), -whole.anomaly_map(X).mean(axis=(1, 2)), rtol=1e-5)


def test_squares_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match=r"'downsample'.*at most.*5 pixels\. Got 6\."):
        MMRRDetector(**QUICK, downsample=6).fit(np.random.default_rng(0).random((6, 9, 5)))


@pytest.mark.parametrize("downsample", [2, 3, 7])
def test_sides_need_not_be_multiples_of_the_squares(downsample):
    X = np.random.default_rng(0).random((6, 11, 10, 2))
    detector = MMRRDetector(**QUICK, downsample=downsample).fit(X)
    assert detector.anomaly_map(X).shape == (6, 11, 10)
    seen = (-(-11 // downsample), -(-10 // downsample), 2)
    assert detector.explain(X).refined.shape == (6, 3, *seen)


def test_read_only_memmap_of_bytes_is_read_in_batches(tmp_path, images):
    file = np.memmap(tmp_path / "images", np.uint8, "w+", shape=images.shape)
    file[:] = images
    file.flush()
    X = np.memmap(tmp_path / "images", np.uint8, "r", shape=images.shape)
    expected = MMRRDetector(**QUICK).fit(images).score_samples(images)
    assert_array_equal(MMRRDetector(**QUICK).fit(X).score_samples(X), expected)


@pytest.mark.parametrize("backbone", ["unet", "mlp"])
def test_every_backbone_takes_images_flat_or_not(images, backbone):
    detector = MMRRDetector(**QUICK, backbone=backbone, image_shape=(8, 8)).fit(images)
    flat = images.reshape(len(images), -1)
    assert_array_equal(detector.score_samples(flat), detector.score_samples(images))
    assert detector.anomaly_map(flat).shape == images.shape
    assert detector.explain(flat[:2]).restored.shape == (2, 3, 8, 8)


def test_aligned_images_take_perceptrons_and_others_u_nets(images):
    rng = np.random.default_rng(0)
    shifted = np.array([np.roll(x, rng.integers(8, size=2), axis=(0, 1)) for x in images])
    assert MMRRDetector(**QUICK).fit(images).spec_.backbone == "mlp"
    assert MMRRDetector(**QUICK).fit(shifted).spec_.backbone == "unet"
    assert MMRRDetector(**QUICK, backbone="unet").fit(images).spec_.backbone == "unet"


def test_images_too_large_for_perceptrons_take_u_nets():
    pattern = np.random.default_rng(0).random((1, 160, 104))
    alike = np.repeat(pattern, 4, axis=0)
    sizes = Network(width=2, n_resolutions=1)
    detector = MMRRDetector(2, max_iter=1, network=sizes, random_state=0)
    assert detector.set_params(downsample=4).fit(alike).spec_.backbone == "mlp"
    assert detector.set_params(downsample=1).fit(alike).spec_.backbone == "unet"


@pytest.mark.parametrize(
    "X",
    [
        np.random.default_rng(0).normal(size=(2, 3)),
        np.ones((10, 3)),
        np.repeat(np.random.default_rng(0).normal(size=(2, 3)), 5, axis=0),
        np.random.default_rng(0).normal(size=(5, 1)),
        np.arange(20).reshape(10, 2),
        np.arange(20).reshape(10, 2) % 3 == 0,
    ],
    ids=["two samples", "constant", "duplicates", "one feature", "int", "bool"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_awkward_training_sets_work(X):
    scores = MMRRDetector(**QUICK).fit(X).score_samples(X)
    assert np.isfinite(scores).all()


def test_unseen_values_beyond_the_range_are_abnormal(vector_detector, vectors):
    far = vectors[:1].copy()
    far[0, 1] = 1e6
    assert vector_detector.score_samples(far) < vector_detector.score_samples(vectors).min()


# What scores are


def test_a_score_does_not_depend_on_company(image_detector, vector_detector, images, vectors):
    rng = np.random.default_rng(0)
    for detector, X in ((image_detector, images[:40]), (vector_detector, vectors)):
        scores = detector.score_samples(X)
        order = rng.permutation(len(X))
        assert_array_equal(detector.score_samples(X[order]), scores[order])
        assert_array_equal(detector.score_samples(X[7:19]), scores[7:19])
        for i in (0, 5, 37):
            assert_array_equal(detector.score_samples(X[i : i + 1]), scores[i : i + 1])
        other = copy.deepcopy(detector).set_params(training__batch_size=3)
        assert_array_equal(other.score_samples(X), scores)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_score_does_not_depend_on_company_at_other_thread_counts(image_detector, images, threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        scores = image_detector.score_samples(images[:40])
        assert_allclose(image_detector.score_samples(images[3:9]), scores[3:9], rtol=1e-9)
    finally:
        torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:The validation loss")  # of some seeds, in two steps
@pytest.mark.parametrize("random_state", [0, None])
def test_global_random_states_are_untouched(vectors, random_state):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    MMRRDetector(**QUICK | {"random_state": random_state}).fit(vectors).score_samples(vectors)
    assert_array_equal(torch.get_rng_state(), torch_state)
    assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_same_seed_same_scores(images, vectors):
    for X in (images, vectors):
        first, second = (MMRRDetector(**QUICK).fit(X).score_samples(X) for _ in range(2))
        assert_array_equal(first, second)


@pytest.mark.filterwarnings("ignore:The validation loss")
def test_without_a_seed_refits_differ_but_scores_repeat(vectors):
    detector = MMRRDetector(**(QUICK | {"random_state": None}))
    scores = detector.fit(vectors).score_samples(vectors)
    assert_array_equal(detector.score_samples(vectors), scores)
    assert (detector.fit(vectors).score_samples(vectors) != scores).any()


@pytest.mark.parametrize("adjust", [True, False])
def test_scores_and_maps_of_pixels_come_in_one_pass(image_detector, images, adjust, monkeypatch):
    detector, passes = copy.deepcopy(image_detector).set_params(adjust=adjust), []
    expected = detector.score_samples(images[:9]), detector.anomaly_map(images[:9])
    original = LevelPasses.over

    def over(self, samples, *rest):
        passes.append(len(samples))
        return original(self, samples, *rest)

    monkeypatch.setattr(LevelPasses, "over", over)
    scores, maps = detector.scores_and_maps(images[:9])
    assert passes == [9]
    assert_array_equal(scores, expected[0])
    assert_array_equal(maps, expected[1])


@pytest.mark.parametrize("n_bins", [None, 1])
def test_scores_and_maps_of_vectors_that_lack_values(vectors, n_bins):
    X = np.where(np.random.default_rng(1).random(vectors.shape) < 0.1, np.nan, vectors)
    detector = MMRRDetector(4, n_bins=n_bins, max_iter=5, random_state=0).fit(X)
    scores, maps = detector.scores_and_maps(X)
    assert_array_equal(scores, detector.score_samples(X))
    assert_array_equal(maps, detector.anomaly_map(X))


def test_score_is_the_negative_mean_of_the_level_losses(image_detector, images):
    losses = image_detector.level_losses(images[:4])
    assert losses.shape == (4, 5)
    assert_allclose(image_detector.score_samples(images[:4]), -losses.mean(axis=1))


@pytest.fixture(scope="module")
def contrasts():
    return np.random.default_rng(0).uniform(0.1, 1, 80)


@pytest.fixture(scope="module")
def of_all_contrasts(contrasts):
    noise = np.random.default_rng(1).random((80, 6, 6)) - 0.5
    return 0.5 + contrasts[:, None, None] * noise


@pytest.mark.parametrize("refine", [True, False])
def test_adjusted_scores_do_not_follow_the_contrast_of_normal_images(
    of_all_contrasts, contrasts, refine
):
    detector = MMRRDetector(**QUICK, n_estimators=1).fit(of_all_contrasts[:60])
    slopes = {}
    for adjust in (True, False):
        detector.set_params(adjust=adjust, refine=refine)
        scores = detector.score_samples(of_all_contrasts[60:])
        slopes[adjust] = abs(np.polyfit(np.log(contrasts[60:]), np.log(-scores), 1)[0])
    assert slopes[True] < slopes[False] / 2


def test_adjustment_can_be_left_out_after_fit_and_not_brought_in(of_all_contrasts):
    images = of_all_contrasts
    paper, left_out = (MMRRDetector(**QUICK, adjust=a).fit(images) for a in (False, True))
    assert (left_out.score_samples(images) != paper.score_samples(images)).any()
    left_out.set_params(adjust=False)
    assert_array_equal(left_out.score_samples(images), paper.score_samples(images))
    with pytest.raises(NotFittedError, match=r"'adjust': True.*calibrate"):
        left_out.predict(images)
    with pytest.raises(ValueError, match=r"'adjust'.*adjust=False.*Refit"):
        paper.set_params(adjust=True).score_samples(images)


def test_errors_of_vectors_without_bins_are_not_adjusted(vectors):
    detector = MMRRDetector(**QUICK, n_bins=1).fit(vectors[:100])
    assert detector.adjustment_ is None
    assert not hasattr(detector, "usual_errors_")
    paper = copy.deepcopy(detector).set_params(adjust=False)
    assert_array_equal(paper.decision_function(vectors), detector.decision_function(vectors))


@pytest.fixture(scope="module")
def binned_detector(vectors):
    return MMRRDetector(max_iter=60, n_bins=4, random_state=0).fit(vectors[:100])


def test_errors_of_bins_are_relative_to_usual_ones(binned_detector, vectors):
    for refine, kind in ((True, "refined"), (False, "restored")):
        detector = copy.deepcopy(binned_detector).set_params(refine=refine)
        stages = detector.explain(vectors)
        errors = np.square(stages.x[:, None] - stages.refined).mean(axis=1)
        usual = detector.usual_errors_.by_kind[kind]
        weighted = errors * usual.mean() / (usual + 0.05 * usual.mean())
        assert_allclose(-detector.score_samples(vectors), weighted.mean(axis=1), rtol=1e-4)
        plain = detector.set_params(adjust=False)
        assert_allclose(-plain.score_samples(vectors), errors.mean(axis=1), rtol=1e-4)


def test_usual_errors_are_medians_of_training_samples(binned_detector, vectors):
    _, trained = binned_detector._split(100, binned_detector.spec_.seed)  # of those fitted on
    levels, weights = level_quadrature("gauss-legendre", 8)
    stages = binned_detector.explain(vectors[trained], levels)
    errors = np.square(stages.x[:, None] - stages.refined)
    errors = np.average(errors, axis=1, weights=weights)
    usual = binned_detector.usual_errors_.by_kind["refined"]
    assert_allclose(usual, np.median(errors, axis=0), rtol=1e-4)


def test_bins_see_missing_values_and_say_which_feature(binned_detector, vectors):
    missing = np.arange(5) == 2
    X = np.where(missing, np.nan, vectors)
    shares = binned_detector.contributions(X)
    assert (shares[:, missing] == 0).all()
    assert_allclose(shares.sum(axis=1), -binned_detector.score_samples(X), rtol=1e-12)
    assert_allclose(shares * 5, binned_detector.anomaly_map(X), rtol=1e-12)


def test_bins_are_kept_in_files(binned_detector, vectors, tmp_path):
    binned_detector.save(tmp_path / "d.safetensors")
    again = skmmrr.load(tmp_path / "d.safetensors")
    assert_array_equal(again.score_samples(vectors), binned_detector.score_samples(vectors))


def test_weights_of_bins_cannot_be_brought_in_after_a_fit(vectors):
    detector = MMRRDetector(**QUICK, n_bins=3, adjust=False).fit(vectors)
    assert not hasattr(detector, "usual_errors_")
    with pytest.raises(ValueError, match="was fitted with adjust=False"):
        detector.set_params(adjust=True).score_samples(vectors)


def test_mean_of_a_map_is_the_anomaly_score(image_detector, vector_detector, images, vectors):
    for detector, X in ((image_detector, images[:9]), (vector_detector, vectors[:9])):
        maps = detector.anomaly_map(X)
        assert maps.shape == X.shape
        assert_allclose(maps.reshape(9, -1).mean(axis=1), -detector.score_samples(X), rtol=1e-5)


def test_level_losses_follow_from_what_explain_returns(image_detector, images):
    image_detector = copy.deepcopy(image_detector).set_params(adjust=False)
    stages = image_detector.explain(images[:3])
    assert stages.mask.shape == stages.restored.shape == stages.refined.shape == (3, 5, 8, 8)
    assert_allclose(
        stages.mask.mean(axis=(2, 3)), np.tile(image_detector.levels_, (3, 1)), atol=1e-6
    )
    error = np.square(stages.x[:, None] - stages.refined).mean(axis=(2, 3))
    assert_allclose(image_detector.level_losses(images[:3]), error, rtol=1e-5)


def test_losses_and_maps_are_means_over_the_members(images):
    detector = MMRRDetector(**QUICK, n_estimators=3, adjust=False).fit(images)
    assert len(detector.network_) == 3
    members = [detector.explain(images[:4], member=member) for member in range(3)]
    errors = [np.square(m.x[:, None] - m.refined) for m in members]
    losses = [error.mean(axis=(2, 3)) for error in errors]
    assert_allclose(detector.level_losses(images[:4]), np.mean(losses, axis=0), rtol=1e-5)
    assert_allclose(detector.anomaly_map(images[:4]), np.mean(errors, axis=(0, 2)), rtol=1e-5)
    distances = [np.abs(losses[i] - losses[j]).min() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(distances) > 0  # other weights, and other noise


def test_a_member_alone_is_a_detector_of_one(images):
    paper = QUICK | {"adjust": False}
    alone, three = (MMRRDetector(**paper, n_estimators=n).fit(images) for n in (1, 3))
    three.network_ = three.network_[:1]
    three.network_.load_state_dict(alone.network_.state_dict())
    assert_array_equal(three.score_samples(images), alone.score_samples(images))


def test_noise_seed_changes_the_losses_and_not_the_estimator(image_detector, images):
    before = image_detector.level_losses(images[:3])
    assert (image_detector.level_losses(images[:3], noise_seed=1) != before).any()
    assert_array_equal(image_detector.level_losses(images[:3]), before)


def test_scores_are_a_mean_so_that_rules_are_comparable(image_detector, images):
    detector = copy.deepcopy(image_detector).set_params(n_levels=60)
    uniform = detector.score_samples(images)
    detector.set_params(level_rule="gauss-legendre", n_levels=8)
    assert len(detector.levels_) == 10
    assert detector.level_losses(images[:2]).shape == (2, 10)
    assert_allclose(detector.score_samples(images).mean(), uniform.mean(), rtol=0.1)


def test_refinement_can_be_left_out_after_fit(image_detector, images):
    detector = copy.deepcopy(image_detector).set_params(refine=False, adjust=False)
    stages = image_detector.explain(images[:2])
    error = np.square(stages.x[:, None] - stages.restored).mean(axis=(2, 3))
    assert_allclose(detector.level_losses(images[:2]), error, rtol=1e-5)
    detector = MMRRDetector(**QUICK, refine=False).fit(images).set_params(refine=True)
    with pytest.raises(ValueError, match=r"'refine'.*no refinement network"):
        detector.score_samples(images)


def test_phase_one_does_not_know_of_phase_two(images):
    with_it, without = (MMRRDetector(**QUICK, refine=r).fit(images) for r in (True, False))
    with_it.set_params(refine=False)
    assert_array_equal(with_it.score_samples(images), without.score_samples(images))


def test_scoring_changes_nothing_on_the_estimator(image_detector, images):
    before = pickle.dumps(image_detector)
    for method in ("score_samples", "predict", "anomaly_map", "level_losses", "explain"):
        getattr(image_detector, method)(images[:2])
    assert pickle.dumps(image_detector) == before


@pytest.mark.parametrize("top_share", [None, 0.4])
def test_contributions_are_the_shares_of_the_score(vector_detector, vectors, top_share):
    detector = copy.deepcopy(vector_detector).set_params(top_share=top_share)
    found = detector.contributions(vectors)
    assert isinstance(found, np.ndarray)
    assert_allclose(found.sum(axis=1), -detector.score_samples(vectors), rtol=1e-12)
    n_counted = 5 if top_share is None else 2
    assert ((found > 0).sum(axis=1) == n_counted).all()
    maps = detector.anomaly_map(vectors)
    assert_allclose(found[found > 0], maps[found > 0] / n_counted)


def test_contributions_have_the_names_of_a_frame(vector_detector, vectors):
    frame = pd.DataFrame(vectors[:7], columns=list("abcde"), index=list("tuvwxyz"))
    named = MMRRDetector(**QUICK).fit(frame)
    found = named.contributions(frame[::-1])
    pd.testing.assert_index_equal(found.columns, frame.columns)
    pd.testing.assert_index_equal(found.index, frame.index[::-1])
    assert_array_equal(found.loc["u"], named.contributions(frame)[1:2].to_numpy()[0])
    with pytest.raises(ValueError, match="feature names should match"):
        named.contributions(frame[["b", "a", "c", "d", "e"]])


def test_contributions_are_of_vectors_alone(image_detector, images):
    with pytest.raises(ValueError, match=r"is for vectors.*anomaly_map"):
        image_detector.contributions(images[:2])
    with pytest.raises(NotFittedError):
        MMRRDetector().contributions([[0.0]])


# Thresholds


def test_auto_contamination_is_the_5_percent_quantile_of_held_out_normals(vectors):
    detector = MMRRDetector(**QUICK, validation_fraction=0.5).fit(vectors)
    flagged = (detector.predict(vectors) == -1).mean()
    assert 0.02 < flagged < 0.1


def test_contamination_is_a_share_of_the_training_samples(vectors):
    labels = MMRRDetector(**QUICK, contamination=0.25).fit_predict(vectors)
    assert (labels == -1).sum() == 30


@pytest.mark.parametrize(
    "change", [{"n_levels": 9}, {"level_rule": "gauss-legendre"}, {"refine": False}]
)
def test_a_threshold_is_never_stale(image_detector, images, change):
    detector = copy.deepcopy(image_detector).set_params(**change)
    before = image_detector.score_samples(images[:2])
    assert (detector.score_samples(images[:2]) != before).any()
    for method in (detector.predict, detector.decision_function):
        with pytest.raises(NotFittedError, match=r"belongs to .*calibrate\(X\)"):
            method(images)
    scores = detector.calibrate(images).score_samples(images)
    assert_allclose(detector.offset_, np.quantile(scores, 0.05))
    assert (detector.predict(images) == np.where(scores >= detector.offset_, 1, -1)).all()


# Ablations and presets


@pytest.mark.parametrize("mask", ["learned", "constant", "bernoulli"])
@pytest.mark.parametrize("embed", [True, False])
def test_ablations_fit_and_score(images, mask, embed):
    detector = MMRRDetector(**QUICK, mask=mask, embed=embed).fit(images[:10])
    assert np.isfinite(detector.score_samples(images)).all()
    assert_allclose(detector.explain(images[:2]).mask[:, [0, -1]].mean(axis=(2, 3)), [[0, 1]] * 2)


@pytest.mark.parametrize(("preset", "resolutions"), [(PAPER_32x32, 4), (PAPER_256x256, 5)])
def test_presets_splat_into_the_constructor(preset, resolutions):
    detector = MMRRDetector(**preset | {"max_iter": 1, "n_levels": 2})
    detector.set_params(network__width=2, network__n_blocks=1)
    detector.fit(np.random.default_rng(0).random((3, 32, 32)))
    assert len(detector.network_[0].restoration.backbone.encoder) == resolutions
    assert clone(MMRRDetector(**preset)).get_params()["training__learning_rate"] == 1e-4
    assert preset["network"].width == 128  # set_params works on a copy


# Training, as seen from outside


def test_history_and_n_iter_report_both_phases(image_detector):
    assert list(image_detector.history_) == ["restoration", "refinement"]
    assert_array_equal(image_detector.n_iter_, [20, 20])
    for log in image_detector.history_.values():
        assert set(log) == {"step", "train_loss", "validation_loss", "learning_rate"}


def test_phases_may_have_budgets_of_their_own(images):
    detector = MMRRDetector(**{**QUICK, "max_iter": (4, 3)}).fit(images)
    assert_array_equal(detector.n_iter_, [4, 3])
    assert_array_equal(MMRRDetector(**QUICK, refine=False).fit(images).n_iter_, [2])


def test_tied_scores_warn():
    with pytest.warns(UserWarning, match="same score"):
        MMRRDetector(**QUICK, contamination=0.1).fit(np.ones((20, 2)))


def test_verbose_shows_both_phases(capsys, vectors):
    MMRRDetector(**QUICK).fit(vectors)
    assert capsys.readouterr() == ("", "")
    MMRRDetector(**QUICK, verbose=1).fit(vectors)
    error = capsys.readouterr().err
    assert "restoration" in error
    assert "refinement" in error


# scikit-learn's tools


def test_pickle_and_joblib_keep_scores(image_detector, images, tmp_path):
    joblib.dump(image_detector, tmp_path / "detector")
    for again in (pickle.loads(pickle.dumps(image_detector)), joblib.load(tmp_path / "detector")):
        assert_array_equal(
            again.score_samples(images[:5]), image_detector.score_samples(images[:5])
        )


def test_networks_live_on_the_cpu_so_that_pickles_load_anywhere(image_detector):
    assert {p.device.type for p in image_detector.network_.parameters()} == {"cpu"}


def test_clone_forgets_the_fit(image_detector):
    assert not hasattr(clone(image_detector), "network_")


def test_pipeline_and_cross_validation(vectors):
    pipeline = make_pipeline(StandardScaler(), MMRRDetector(**QUICK))
    assert np.isfinite(cross_val_score(pipeline, vectors, cv=2)).all()


def test_grid_search_with_labels_in_parallel(vectors):
    X = np.concatenate([vectors, vectors[:20] + 50])
    y = np.repeat([1, -1], [120, 20])
    cv, parameters = StratifiedKFold(2), {"embed": [True, False]}
    detector = MMRRDetector(**QUICK)
    grid = GridSearchCV(detector, parameters, scoring="roc_auc", cv=cv, n_jobs=2).fit(X, y)
    assert grid.best_score_ > 0.5


def test_grid_search_without_labels(vectors):
    grid = GridSearchCV(MMRRDetector(**QUICK), {"max_iter": [1, 40]}, cv=2).fit(vectors)
    assert grid.best_params_ == {"max_iter": 40}
    expected = grid.best_estimator_.score_samples(vectors).mean()
    assert_allclose(grid.best_estimator_.score(vectors), expected)


def test_data_frames_give_feature_names(vectors):
    frame = pd.DataFrame(vectors, columns=list("abcde"))
    detector = MMRRDetector(**QUICK).fit(frame)
    assert_array_equal(detector.feature_names_in_, list("abcde"))
    with pytest.raises(ValueError, match="feature names"):
        detector.score_samples(frame[list("edcba")])


def test_html_repr_names_the_class():
    assert "MMRRDetector" in MMRRDetector()._repr_html_()


# Bad input


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"n_levels": 0}, ValueError, "'n_levels' of MMRRDetector must be an int of at least 2"),
        ({"level_rule": "simpson"}, ValueError, "'level_rule'.*'uniform'.*Got 'simpson'"),
        ({"contamination": 0.9}, ValueError, r"'contamination'.*\(0, 0.5\].*Got 0.9"),
        ({"contamination": "often"}, TypeError, "'contamination'.*'auto' is allowed"),
        ({"mask": "soft"}, ValueError, "'mask'.*'bernoulli'"),
        ({"backbone": "vit"}, ValueError, "'backbone'.*'unet'"),
        ({"backbone": "unet"}, ValueError, "needs images.*image_shape"),
        ({"image_shape": (2, 3)}, ValueError, r"'image_shape'.*multiply out.*6.*5 features"),
        ({"image_shape": 5}, ValueError, r"'image_shape'.*\(height, width\)"),
        ({"image_shape": (5, 0)}, ValueError, "positive ints"),
        ({"max_iter": 0}, ValueError, "'max_iter'.*at least 1.*None chooses"),
        ({"max_iter": (5, 0)}, ValueError, "'max_iter'.*at least 1.*None chooses"),
        ({"max_iter": (5,)}, ValueError, r"'max_iter'.*\(restoration, refinement\).*Got \(5,\)"),
        ({"max_iter": ()}, ValueError, "'max_iter'"),
        ({"max_iter": [5, 5]}, TypeError, r"'max_iter'.*or a tuple .*Got \[5, 5\]"),
        ({"training": Training(batch_size=1.5)}, TypeError, "'training.batch_size'.*Got 1.5"),
        ({"training": Training(learning_rate=-1)}, ValueError, "'training.learning_rate'"),
        ({"downsample": 0}, ValueError, "'downsample'"),
        ({"training": Training(level_power=0)}, ValueError, "'training.level_power'"),
        ({"validation_fraction": 1.0}, ValueError, r"'validation_fraction'.*\(0, 1\)"),
        ({"training": Training(optimizer="sgd")}, ValueError, "training.optimizer'.*'radam'"),
        ({"training": Training(schedule="step")}, ValueError, "'training.schedule'"),
        ({"precision": "int8"}, ValueError, "'precision'"),
        ({"refine": "yes"}, TypeError, "'refine'.*True or False"),
        ({"device": "cuda:7"}, ValueError, "'device'.*Use device='auto'"),
        ({"random_state": "lucky"}, ValueError, "'random_state' must be None, an int"),
    ],
)
def test_bad_parameters_are_named(vectors, params, error, match):
    with pytest.raises(error, match=match):
        MMRRDetector(**params).fit(vectors)


def with_value(X, value):
    X = np.array(X, dtype=complex if isinstance(value, complex) else float)
    X[1, 1] = value
    return X


@pytest.mark.parametrize(
    ("spoil", "error", "match"),
    [
        (lambda X: with_value(X, np.inf), ValueError, "infinity"),
        (lambda X: with_value(X, 1j), ValueError, "Complex"),
        (lambda X: sparse.csr_array(X), TypeError, "[Ss]parse"),
        (lambda X: X[:0], ValueError, "0 sample"),
        (lambda X: X[:, :0], ValueError, "0 feature"),
        (lambda X: X[0], ValueError, "Reshape your data"),
        (lambda X: X.astype(str).astype(object) + "?", ValueError, "could not convert"),
        (lambda X: X.reshape(2, 2, 3, 10, 5), ValueError, "5 dimensions"),
    ],
    ids=["inf", "complex", "sparse", "empty", "no feature", "1-d", "strings", "5-d"],
)
def test_bad_samples_are_refused(vector_detector, vectors, spoil, error, match):
    with pytest.raises(error, match=match):
        MMRRDetector().fit(spoil(vectors))
    with pytest.raises(error, match=match):
        vector_detector.predict(spoil(vectors))


def test_one_sample_is_too_few(vectors):
    with pytest.raises(ValueError, match="1 sample"):
        MMRRDetector().fit(vectors[:1])


def test_channels_first_is_refused_with_the_transpose(image_detector):
    X = np.random.default_rng(0).random((5, 3, 16, 12))
    with pytest.raises(ValueError, match=r"channels-first.*X\.transpose\(0, 2, 3, 1\)"):
        MMRRDetector().fit(X)
    with pytest.raises(ValueError, match=r"X\.transpose\(0, 2, 3, 1\)"):
        image_detector.predict(np.zeros((2, 1, 8, 8)))
    assert MMRRDetector(**QUICK, image_shape=(3, 16, 12)).fit(X).image_shape_ == (3, 16, 12)


@pytest.mark.parametrize("shape", [(2, 8, 9), (2, 8, 8, 3), (2, 16, 16)])
def test_images_of_another_shape_are_refused(image_detector, shape):
    with pytest.raises(ValueError, match=r"was fitted on \(8, 8, 1\)"):
        image_detector.predict(np.zeros(shape))


def test_flat_images_of_another_size_are_refused(image_detector):
    with pytest.raises(ValueError, match="65 features, but MMRRDetector is expecting 64"):
        image_detector.predict(np.zeros((2, 65)))


def test_explain_refuses_levels_outside_the_unit_interval(image_detector, images):
    with pytest.raises(ValueError, match=r"'levels' of MMRRDetector.explain .*in \[0, 1\]"):
        image_detector.explain(images[:1], levels=[0.5, 1.5])


@pytest.mark.parametrize("member", [-1, 1])
def test_explain_refuses_a_member_that_is_not_there(image_detector, images, member):
    with pytest.raises(ValueError, match=rf"'member' of MMRRDetector.explain .*Got {member}"):
        image_detector.explain(images[:1], member=member)


@pytest.mark.parametrize(
    "method", ["predict", "score_samples", "anomaly_map", "level_losses", "explain"]
)
def test_unfitted_detectors_say_so(vectors, method):
    with pytest.raises(NotFittedError, match="fit"):
        getattr(MMRRDetector(), method)(vectors)


def test_a_failed_fit_trains_nothing(vectors):
    detector = MMRRDetector(level_rule="simpson")
    with pytest.raises(ValueError, match="level_rule"), warnings.catch_warnings():
        detector.fit(vectors)
    assert not vars(detector).keys() & {"network_", "n_features_in_"}
