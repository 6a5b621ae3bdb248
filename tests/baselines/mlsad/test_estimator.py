"""MLSADDetector: scores, levels, maps, generators, and what is refused."""

import pickle
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

import skmmrr
from skmmrr import Network, SavedFileError, Training
from skmmrr.baselines import PAPER_MLSAD, MLSADDetector
from skmmrr.core import training
from skmmrr.core.seeds import numpy_generator
from skmmrr.core.training import HISTORY_COLUMNS

SMALL = dict(network=Network(width=8), training=Training(batch_size=8), random_state=0)
QUICK = SMALL | dict(max_iter=3, precision="float32")
WHOLE = QUICK | dict(levels=(1, 2, 4, 8), fakes="patchgan", stride=1, generator_max_iter=2)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def detector(images):
    return MLSADDetector(**WHOLE, keep_generators=True).fit(images[:60])


# Scores


def test_the_score_is_the_mean_of_all_windows_and_then_of_the_levels(detector, images):
    x = torch.tensor(images[60:64] / 8 - 1).float()[:, None]
    with torch.no_grad():
        levels = [
            torch.sigmoid(detector.network_.detectors[f"level {level}"](x)).mean(dim=(1, 2))
            for level in (1, 2, 4, 8)
        ]
    expected = torch.stack(levels, dim=1)
    assert_allclose(detector.level_scores(images[60:64]), expected, rtol=1e-5)
    assert_allclose(-detector.score_samples(images[60:64]), expected.mean(dim=1), rtol=1e-5)


def test_levels_of_the_score_may_be_chosen_after_the_fit(detector, images):
    chosen, scores = clone_of(detector), detector.level_scores(images[60:])
    for levels, columns in (((4,), [2]), ((1, 8), [0, 3]), ((1, 2, 4, 8), [0, 1, 2, 3])):
        chosen.set_params(score_levels=levels)
        assert_allclose(chosen.score_samples(images[60:]), -scores[:, columns].mean(axis=1))
    with pytest.raises(NotFittedError, match="calibrate"):
        chosen.predict(images)
    assert set(chosen.calibrate(images[:60]).predict(images)) <= {-1, 1}
    with pytest.raises(ValueError, match=r"'score_levels' .* some of \(1, 2, 4, 8\)"):
        chosen.set_params(score_levels=(16,)).score_samples(images)


def clone_of(detector):
    return pickle.loads(pickle.dumps(detector))


def test_a_score_depends_on_the_image_alone(detector, images):
    expected = detector.score_samples(images)
    order = np.random.default_rng(0).permutation(len(images))
    assert_array_equal(detector.score_samples(images[order]), expected[order])
    assert_array_equal(detector.score_samples(images[3:4]), expected[3:4])


def test_a_map_spreads_every_window_over_its_pixels(detector, images):
    detector = clone_of(detector).set_params(score_levels=(4,))
    x = torch.tensor(images[:2] / 8 - 1).float()[:, None]
    with torch.no_grad():
        windows = torch.sigmoid(detector.network_.detectors["level 4"](x)).numpy()
    expected = np.zeros((2, 8, 8))
    for i, row, column in np.ndindex(2, 8, 8):
        covering = windows[i, max(0, row - 3) : row + 1, max(0, column - 3) : column + 1]
        expected[i, row, column] = covering.mean()
    assert_allclose(detector.anomaly_map(images[:2]), expected, rtol=1e-5)


def test_a_map_is_the_mean_of_those_of_the_levels(detector, images):
    single = [
        clone_of(detector).set_params(score_levels=(level,)).anomaly_map(images[:2])
        for level in (1, 2, 4, 8)
    ]
    assert_allclose(detector.anomaly_map(images[:2]), np.mean(single, axis=0))


def test_pixels_that_a_stride_leaves_out_have_the_mean_of_all_windows():
    X = np.random.default_rng(0).uniform(size=(12, 11, 10))
    detector = MLSADDetector((8,), stride=2, **QUICK).fit(X)
    maps, scores = detector.anomaly_map(X), detector.level_scores(X)
    assert maps.shape == X.shape
    assert_allclose(maps[:, -1], np.tile(scores, 10))


@pytest.mark.filterwarnings("error")
def test_learns_where_windows_of_digits_belong(images):
    detector = MLSADDetector((4,), max_iter=300, **{**SMALL, "network": Network(width=32)}).fit(
        images[:100]
    )
    flipped = images[100:, ::-1, ::-1].transpose(0, 2, 1)
    X, y = np.concatenate([images[100:], flipped]), np.repeat([1, -1], 74)
    assert roc_auc_score(y, detector.score_samples(X)) > 0.8


def test_learns_what_noise_and_shuffled_pixels_are(images):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 17, size=(74, 8, 8))
    shuffled = rng.permuted(images[100:], axis=0)
    settings = SMALL | dict(network=Network(width=32), position_weight=0, structure_weight=1)
    detector = MLSADDetector((1, 2), max_iter=300, **settings).fit(images[:100])
    normal, noisy, broken = (detector.level_scores(X) for X in (images[100:], noise, shuffled))
    y = np.repeat([0, 1], 74)
    assert roc_auc_score(y, np.concatenate([normal[:, 0], noisy[:, 0]])) > 0.95
    assert roc_auc_score(y, np.concatenate([normal[:, 1], broken[:, 1]])) > 0.8


# What is trained


def test_phases_are_in_order_and_generators_are_trained_when_needed(detector):
    expected = ["level 1", "level 2", "fakes 2", "level 4", "fakes 4", "level 8"]
    assert list(detector.history_) == expected
    assert detector.n_iter_.tolist() == [3, 3, 2, 3, 2, 3]
    assert detector.levels_.tolist() == [1, 2, 4, 8]
    assert [level.fakes for level in detector.spec_.levels.values()] == [
        *("noise", "shuffled"),
        *("patchgan", "patchgan"),
    ]


def test_the_history_has_both_terms_of_the_loss(detector, images):
    for name, columns in detector.history_.items():
        terms = {"structure_loss", "position_loss"} if name.startswith("level") else set()
        assert set(columns) == {*HISTORY_COLUMNS, *terms}
    terms = detector.history_["level 8"]
    assert terms["structure_loss"].shape == terms["step"].shape
    weighted = 0.6 * terms["structure_loss"] + 0.4 * terms["position_loss"]
    assert (weighted < terms["validation_loss"]).all()  # by the term of normal windows
    alone = MLSADDetector(**QUICK).fit(images[:60])
    assert set(alone.history_["level 4"]) == {*HISTORY_COLUMNS, "position_loss"}


def test_fakes_of_integers_lie_on_their_grid(images):
    detector = MLSADDetector((1,), **QUICK).fit(images[:20].astype(int))
    values = np.unique(np.round((np.linspace(-1, 1, 500) + 1) / detector.spec_.grain))
    assert detector.spec_.grain == 1 / 8
    assert_array_equal(values, np.arange(17))
    assert MLSADDetector((1,), **QUICK).fit(images[:20]).spec_.grain == 0


def test_generators_are_dropped_unless_they_are_kept(detector, images, tmp_path):
    dropped = MLSADDetector(**WHOLE).fit(images[:60])
    assert_array_equal(dropped.score_samples(images), detector.score_samples(images))
    assert not dropped.network_.games
    with pytest.raises(ValueError, match=r"no generator of level 2 \(it has: none\)"):
        dropped.sample_fakes(2, 3)
    for fitted in (dropped, detector):
        fitted.save(tmp_path / "model")
        again = skmmrr.load(tmp_path / "model")
        assert_array_equal(again.score_samples(images), fitted.score_samples(images))
    assert_array_equal(again.sample_fakes(4, 5), detector.sample_fakes(4, 5))


def test_kept_generators_draw_images_in_the_range_of_x(detector):
    fakes = detector.sample_fakes(2, 30)
    assert fakes.shape == (30, 8, 8)
    assert fakes.min() >= 0
    assert fakes.max() <= 16
    assert fakes.std(axis=0).min() > 0


@pytest.mark.parametrize("name", ["level 1", "fakes 2", "level 4", "fakes 4"])
def test_ctrl_c_in_any_phase_keeps_the_levels_before(name, images, monkeypatch):
    def press_in_its_first_step(phase, *rest, stepper=training.stepper):
        make = stepper(phase, *rest)

        def step(x, number):
            if phase.name == name:
                signal.raise_signal(signal.SIGINT)
            return make(x, number)

        return step

    monkeypatch.setattr(training, "stepper", press_in_its_first_step)
    with pytest.warns(training.TrainingInterrupted, match=name):
        detector = MLSADDetector(**WHOLE).fit(images[:60])
    expected = {"level 1": [1], "fakes 2": [1, 2], "level 4": [1, 2, 4], "fakes 4": [1, 2, 4]}[name]
    assert detector.levels_.tolist() == expected
    assert np.isfinite(detector.decision_function(images)).all()
    assert len(detector.network_.detectors) == len(expected)


def test_ctrl_c_in_a_first_generator_gives_the_fit_up(images, monkeypatch):
    monkeypatch.setattr(
        training,
        "stepper",
        lambda *_: lambda x, number: signal.raise_signal(signal.SIGINT) or torch.tensor(0.0),
    )
    detector = MLSADDetector(**WHOLE | {"levels": (4,)})
    with pytest.warns(training.TrainingInterrupted), pytest.raises(KeyboardInterrupt):
        detector.fit(images[:60])
    assert not hasattr(detector, "network_")


@pytest.mark.parametrize(
    ("side", "level"), [(1, 1), (2, 1), (5, 2), (8, 4), (28, 12), (32, 16), (64, 16)]
)
def test_the_default_level_is_the_highest_up_to_half_of_an_image(side, level):
    X = np.random.default_rng(0).uniform(size=(6, side, side + 3))
    detector = MLSADDetector(**QUICK | {"max_iter": 1}).fit(X)
    assert detector.levels_.tolist() == [level]


@pytest.mark.parametrize("shape", [(2, 2), (9, 5, 3), (33, 20), (16, 16, 2)])
def test_any_size_and_number_of_channels(shape):
    X = np.random.default_rng(0).uniform(size=(12, *shape))
    detector = MLSADDetector(**QUICK, image_shape=shape).fit(X.reshape(12, -1))
    assert detector.score_samples(X.reshape(12, -1)).shape == (12,)
    assert detector.anomaly_map(X.reshape(12, -1)).shape == (12, *shape[:2])


def test_the_papers_settings_are_literal():
    detector = MLSADDetector(**PAPER_MLSAD, random_state=0)
    X = np.random.default_rng(0).integers(0, 256, size=(12, 32, 32, 3)).astype(np.uint8)
    rows = detector._validate_X(X, reset=True)
    resolved = detector._resolve_spec(rows, 0, torch.device("cpu"))
    assert resolved.phases == (
        *("level 1", "level 2", "fakes 2", "level 4", "fakes 4", "level 8"),
        *("fakes 8", "level 16"),
    )
    network = resolved.initialised_network()
    heads = [d.output.in_channels for d in network.detectors.values()]
    assert heads == [128, 128, 256, 512, 512]
    assert {d.stride for d in network.detectors.values()} == {1}
    n_weights = [sum(p.numel() for p in d.parameters()) for d in network.detectors.values()]
    assert_allclose(n_weights, [75e3, 76e3, 303e3, 1.03e6, 3.39e6], rtol=0.03)


# scikit-learn's ways


def test_same_seed_same_scores_and_global_states_untouched(images):
    state = torch.get_rng_state()
    scores = [MLSADDetector(**QUICK).fit(images[:40]).score_samples(images[40:]) for _ in range(2)]
    assert_array_equal(*scores)
    assert_array_equal(torch.get_rng_state(), state)
    other = MLSADDetector(**QUICK | {"random_state": 1}).fit(images[:40])
    assert not np.allclose(other.score_samples(images[40:]), scores[0])


def test_pickles_and_clones(detector, images):
    assert_array_equal(clone_of(detector).score_samples(images), detector.score_samples(images))
    assert clone(detector).get_params() == detector.get_params()


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"levels": 4}, TypeError, "'levels' .* tuple of rising ints"),
        ({"levels": ()}, TypeError, "'levels'"),
        ({"levels": (4, 2)}, ValueError, "'levels' .* rising"),
        ({"levels": (3,)}, ValueError, "'levels' .* 1, 2, 4"),
        ({"levels": (6,), "stride": 2}, ValueError, "'levels' .* twice the stride"),
        ({"levels": (16,)}, ValueError, "'levels' .* at most 8"),
        ({"score_levels": [2]}, TypeError, "'score_levels'"),
        ({"fakes": "gan"}, ValueError, "'fakes'"),
        ({"fakes": "patchgan", "levels": (6,), "stride": 1}, ValueError, "'fakes' .* needs 3"),
        ({"level_gap": 1}, ValueError, "'level_gap' .* at least 2"),
        ({"levels": (4,), "position_weight": 0}, ValueError, "nothing to tell"),
        ({"structure_weight": -1}, ValueError, "'structure_weight'"),
        ({"dropout": 1.0}, ValueError, "'dropout'"),
        ({"n_windows": 0}, ValueError, "'n_windows'"),
        ({"information": "entropy"}, ValueError, "'information'"),
        ({"training": Training(level_power=2.0)}, ValueError, "'training.level_power'"),
        ({"network": Network(n_resolutions=2)}, ValueError, "'network.n_resolutions'"),
    ],
)
def test_bad_parameters(images, parameters, error, message):
    with pytest.raises(error, match=message):
        MLSADDetector(**{"max_iter": 1, "generator_max_iter": 1} | parameters).fit(images[:20])


def test_vectors_are_refused_with_the_reason(vectors):
    with pytest.raises(ValueError, match="windows of neighbouring pixels"):
        MLSADDetector().fit(vectors)


def test_the_split_is_that_of_all_detectors(detector):
    held_out, _ = detector._split(60, detector.spec_.seed)
    assert len(held_out) == 3
    assert_array_equal(held_out, numpy_generator(detector.spec_.seed, "split").permutation(60)[:3])


def test_a_file_with_more_layers_than_weights_is_refused_before_they_are_made(detector):
    spec = replace(detector.spec_, n_blocks=1000)
    with pytest.raises(SavedFileError, match="layers have more than its weights"):
        spec.planned_network(4, n_weights=200)
