import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skmmrr._data import Samples, Scaler


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
