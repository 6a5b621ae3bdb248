"""RotationAutoencoderDetector: the thesis's equations, any image, and what is refused."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from skmmrr import Training
from skmmrr.baselines import RotationAutoencoderDetector
from skmmrr.baselines._rotation_autoencoder import RotationSpec
from skmmrr.baselines._rotation_network import RotationAutoencoder, draw_weight, rotations
from skmmrr.core.initialisation import initialise

QUICK = dict(max_iter=4, training=Training(batch_size=16), random_state=0)


@pytest.fixture(scope="module")
def detector(images):
    return RotationAutoencoderDetector(**QUICK, precision="float32").fit(images[:60])


def legacy_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002


def by_hand(detector, image):
    """A_rec and A_cls of one image of 0 to 16, straight from (3.7) and (3.11)."""
    network, x = detector.network_, torch.tensor(image / 16).float()[None, None]
    with torch.no_grad():
        rec = ((network.decoder(network.encoder(x)) - x) ** 2).sum()
        given = []
        for turns in range(4):
            turned = torch.tensor(np.rot90(image / 16, turns).copy()).float()[None, None]
            features = [network.encoder(turned), network.rotation_encoder(turned)]
            logits = network.classifier(torch.cat(features, 1).flatten(1))
            given.append(functional.softmax(logits, dim=1)[0, turns])
    return rec.item(), -np.mean(given)


# The four scores


def test_primary_scores_are_equations_3_7_and_3_11(detector, images):
    scores = detector.anomaly_scores(images[60:64])
    expected = np.array([by_hand(detector, image) for image in images[60:64]])
    assert_allclose(scores.rec, expected[:, 0], rtol=1e-5)
    assert_allclose(scores.cls, expected[:, 1], rtol=1e-5)


def test_overall_scores_are_equations_3_12_to_3_14(detector, images):
    train, scores = detector.anomaly_scores(images[:60]), detector.anomaly_scores(images[60:])
    rec, cls = ((scores[part] - train[part].min()) / np.ptp(train[part]) for part in ("rec", "cls"))
    assert_allclose(scores.ws, 0.5 * rec + 0.5 * cls)
    assert_allclose(scores.max, np.maximum(0.5 * rec, 0.5 * cls))


def test_every_score_can_be_had_after_one_fit(images):
    detector = RotationAutoencoderDetector(**QUICK).fit(images[:60])
    scores = detector.anomaly_scores(images[60:])
    for rule in ("rec", "cls", "ws", "max"):
        detector.set_params(score_rule=rule)
        assert_array_equal(detector.score_samples(images[60:]), -scores[rule])
    with pytest.raises(NotFittedError, match="calibrate"):
        detector.predict(images)
    assert set(detector.calibrate(images[:60]).predict(images)) <= {-1, 1}
    detector.set_params(alpha=0.9, score_rule="ws")
    assert not np.allclose(detector.score_samples(images[60:]), -scores.ws)
    with pytest.raises(ValueError, match="'alpha'"):
        detector.set_params(alpha=7).score_samples(images)


@pytest.mark.parametrize(
    ("rule", "weight", "untrained"),
    [
        ("rec", "classification_weight", "classifier"),
        ("cls", "reconstruction_weight", "decoder"),
    ],
)
def test_base_models_train_their_part_alone(images, rule, weight, untrained):
    detector = RotationAutoencoderDetector(rule, **{weight: 0}, **QUICK).fit(images[:60])
    assert list(detector.anomaly_scores(images[:5])) == [rule]
    drawn = detector.spec_.initialised_network()
    parts = {getattr(network, untrained) for network in (detector.network_, drawn)}
    for after, before in zip(*(part.parameters() for part in parts), strict=True):
        assert_array_equal(after.detach(), before.detach())
    with pytest.raises(ValueError, match=r"'score_rule' .*the other part of the loss is 0"):
        detector.set_params(score_rule="ws").score_samples(images)
    with pytest.raises(ValueError, match="fitted for"):
        detector.set_params(**{weight: 1}).score_samples(images)


def test_learns_to_reconstruct_and_to_tell_rotations(images):
    detector = RotationAutoencoderDetector(
        max_iter=300, training=Training(learning_rate=1e-3), random_state=0
    )
    detector.fit(images[:100])
    rng = np.random.default_rng(0)
    noise = rng.permuted(images[:74].reshape(74, 64), axis=1).reshape(74, 8, 8)
    X, y = np.concatenate([images[100:], noise]), np.repeat([1, -1], 74)
    for rule, score in detector.anomaly_scores(X).items():
        assert roc_auc_score(y, -score) > 0.8, rule


def test_none_is_the_learning_rate_of_the_thesis(images):
    detector = RotationAutoencoderDetector(**QUICK).fit(images[:20])
    assert_array_equal(detector.history_["training"]["learning_rate"], 1e-4)


def test_the_sum_of_a_map_is_the_reconstruction_score(detector, images):
    maps = detector.anomaly_map(images[60:64])
    assert maps.shape == (4, 8, 8)
    assert_allclose(maps.sum(axis=(1, 2)), detector.anomaly_scores(images[60:64]).rec, rtol=1e-6)


# What images may be


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # after one step
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 2), (4, 4), (8, 8), (9, 5, 3), (33, 20), (64, 64, 2), (28, 28, 4)]
)
def test_any_size_and_number_of_channels(shape):
    X = np.random.default_rng(0).uniform(size=(12, *shape))
    detector = RotationAutoencoderDetector(
        max_iter=1, training=Training(batch_size=4), image_shape=shape, random_state=0
    )
    detector.fit(X.reshape(12, -1))
    assert detector.score_samples(X.reshape(12, -1)).shape == (12,)
    assert detector.anomaly_map(X.reshape(12, -1)).shape == (12, *shape[:2])


def test_depth_follows_the_size():
    for side, depth in ((4, 0), (8, 1), (28, 3), (32, 3), (33, 4), (256, 6)):
        with torch.device("meta"):
            network = RotationAutoencoder((side, side, 1), 16, 1)
        strided = [m for m in network.encoder.modules() if getattr(m, "stride", None) == (2, 2)]
        assert len(strided) == depth


def test_padding_does_not_count():
    network = RotationAutoencoder((5, 7, 1), 16, 1)
    initialise(network, torch.Generator().manual_seed(0), draw_weight)
    network.eval()
    square = network.pad(torch.zeros(2, 1, 5, 7))
    assert square.shape == (2, 1, 8, 8)
    assert network.squared_error(network.encode(square), square).shape == (2, 1, 5, 7)
    assert (network.crop(square) == 0.5).all()
    assert square.sum() == 0.5 * 2 * 35


def test_rotations_are_counter_clockwise():
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    turned = rotations(image)
    assert turned[1, 0, 0].tolist() == [[2.0, 4.0], [1.0, 3.0]]
    for turns in range(4):
        assert_array_equal(turned[turns, 0, 0], np.rot90(image[0, 0], turns))


def test_layers_are_the_thesis_s_for_32x32():
    with torch.device("meta"):
        network = RotationAutoencoder((32, 32, 1), 16, 1)
    kernels = [m for m in network.encoder if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in kernels] == [32, 64, 128, 16]
    assert [m.stride[0] for m in kernels] == [2, 2, 2, 1]
    mirrored = [m for m in network.decoder if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [m.out_channels for m in mirrored] == [128, 64, 32, 1]


# scikit-learn's ways


def test_same_seed_same_scores_and_global_states_untouched(images):
    torch_state, numpy_state = torch.get_rng_state(), legacy_state()
    scores = [
        RotationAutoencoderDetector(**QUICK).fit(images[:40]).score_samples(images[40:])
        for _ in range(2)
    ]
    assert_array_equal(*scores)
    assert_array_equal(torch.get_rng_state(), torch_state)
    assert_array_equal(legacy_state(), numpy_state)


def test_a_score_depends_on_the_sample_alone(detector, images):
    expected = detector.score_samples(images)
    order = np.random.default_rng(0).permutation(len(images))
    assert_array_equal(detector.score_samples(images[order]), expected[order])
    assert_array_equal(detector.score_samples(images[3:4]), expected[3:4])


def test_pickles_and_clones(detector, images):
    again = pickle.loads(pickle.dumps(detector))
    assert_array_equal(again.score_samples(images[:5]), detector.score_samples(images[:5]))
    assert clone(detector).get_params() == detector.get_params()


def test_shows_progress_if_asked(images, capsys):
    RotationAutoencoderDetector(**QUICK, verbose=1).fit(images[:40])
    assert "training" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"score_rule": "best"}, "'score_rule' .* one of"),
        ({"score_rule": "ws", "classification_weight": 0}, "'score_rule' .* must be 'rec'"),
        ({"classification_weight": 0, "reconstruction_weight": 0}, "must be positive"),
        ({"reconstruction_weight": -1.0}, r"'reconstruction_weight' .* \[0, inf\)"),
        ({"alpha": 1.5}, "'alpha'"),
        ({"rotation_ratio": 0}, "'rotation_ratio'"),
        ({"latent_channels": 0}, "'latent_channels'"),
        ({"training": Training(batch_size=1)}, "'training.batch_size' .* at least 2"),
    ],
)
def test_bad_parameters(images, parameters, message):
    with pytest.raises(ValueError, match=message):
        RotationAutoencoderDetector(**parameters).fit(images[:20])


def test_vectors_are_refused_with_the_reason(vectors):
    with pytest.raises(ValueError, match="how images look when they are rotated"):
        RotationAutoencoderDetector().fit(vectors)


class Planned(Exception):
    """Raised in place of a training."""


@pytest.fixture
def planned_batch(monkeypatch):
    """Batch size and elements of a padded image of the fit of images of a shape, untrained."""

    def plan(spec):
        raise Planned(spec.budget.batch_size, spec.planned_network().n_elements)

    def planned(shape, **parameters):
        with pytest.raises(Planned) as found:
            RotationAutoencoderDetector(**parameters).fit(np.zeros((10, *shape), np.uint8))
        return found.value.args

    monkeypatch.setattr(RotationSpec, "initialised_network", plan)
    return planned


@pytest.mark.parametrize(
    ("shape", "batch"),
    [((32, 32, 3), 64), ((64, 64, 3), 64), ((100, 128, 3), 21), ((256, 256, 3), 5)],
)
def test_batches_of_large_images_are_smaller(planned_batch, shape, batch):
    found, n_elements = planned_batch(shape)
    assert found == batch
    assert batch * n_elements <= 2**20
    assert planned_batch(shape, training=Training(batch_size=40))[0] == 40


def test_elongated_images_build_two_squares_at_once_and_warn(planned_batch):
    """Ten of 2x1000 trained nine squares of 1024x1024 at once, in 4 GB."""
    with pytest.warns(UserWarning, match=r"\(2, 1000\) to 1024x1024, 524 times their pixels"):
        assert planned_batch((2, 1000)) == (2, 1024**2)


def test_larger_images_are_refused_before_anything_is_built(planned_batch):
    with pytest.raises(ValueError, match=r"at most 2048 pixels a side.*\(2, 3000\).*LoadImages"):
        RotationAutoencoderDetector().fit(np.zeros((3, 2, 3000)))
