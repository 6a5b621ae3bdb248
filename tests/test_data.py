import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skmmrr._data import Samples, Scaler, share_of_mean_image


def test_training_range_becomes_minus_one_to_one_and_beyond_stays_beyond():
    X = np.array([[0.0, 100.0], [10.0, 101.0]])
    scaler = Scaler.fit(X, per_feature=True)
    assert_allclose(scaler(X), [[-1, -1], [1, 1]])
    assert_allclose(scaler(np.array([[20.0, 100.5]])), [[3, 0]])


def test_images_share_one_range():
    scaler = Scaler.fit(np.array([[0, 50], [100, 255]], dtype=np.uint8), per_feature=False)
    assert scaler.centre.shape == ()
    assert_allclose(scaler(np.array([[0, 255]], dtype=np.uint8)), [[-1, 1]])


def test_constant_features_are_centred_and_changes_show():
    scaler = Scaler.fit(np.full((3, 1), 7.0), per_feature=True)
    assert_allclose(scaler(np.array([[7.0], [9.0]])), [[0], [2]])


def test_large_offsets_cost_no_precision():
    X = 1.6e9 + np.array([[0.0], [1.0], [2.0]])
    assert_allclose(Scaler.fit(X, per_feature=True)(X), [[-1], [0], [1]])


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_absurd_values_stay_finite(value):
    scaler = Scaler.fit(np.zeros((2, 1)), per_feature=True)
    assert np.isfinite(np.square(scaler(np.array([[value]])))).all()


def test_image_batches_are_channels_last_in_memory():
    X = np.arange(2 * 4 * 3 * 2, dtype=np.uint8).reshape(2, -1)
    x = Samples(X, Scaler.fit(X, per_feature=False), (4, 3, 2)).batch(np.array([1, 0]))
    assert x.shape == (2, 2, 4, 3)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x[1, 1, 0, 0] > x[1, 0, 0, 0]  # the second channel follows the first in X


def share(images):
    X = images.reshape(len(images), -1)
    return share_of_mean_image(Samples(X, Scaler.fit(X, per_feature=False), images.shape[1:]))


@pytest.mark.parametrize("n", [3, 50, 1500])
def test_share_of_the_mean_image_is_one_of_equal_images_and_zero_of_noise(n):
    rng = np.random.default_rng(0)
    noise = rng.random((n, 12, 10, 3))
    assert share(noise) == pytest.approx(0, abs=0.05)
    assert share(np.repeat(noise[:1], n, axis=0)) == pytest.approx(1)
    assert share(rng.random((1, 12, 10, 3)) + noise) == pytest.approx(0.5, abs=0.05)


def test_share_of_the_mean_image_does_not_count_colours():
    noise = np.random.default_rng(0).random((50, 8, 8, 3))
    assert share(noise + np.array([0, 10, 20])) == pytest.approx(0, abs=0.05)


def test_share_of_the_mean_image_of_constant_pictures_is_zero():
    assert share(np.ones((5, 4, 4, 1))) == 0
