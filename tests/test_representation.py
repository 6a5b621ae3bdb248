from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skmmrr import representation as representation_module
from skmmrr.representation import Representation, Samples


def test_training_range_becomes_minus_one_to_one_and_beyond_stays_beyond():
    X = np.array([[0.0, 100.0], [10.0, 101.0]])
    representation = Representation.fit(X, None)
    assert_allclose(representation.scale(X), [[-1, -1], [1, 1]])
    assert_allclose(representation.scale(np.array([[20.0, 100.5]])), [[3, 0]])


def test_images_share_one_range():
    representation = Representation.fit(np.array([[0, 50], [100, 255]], dtype=np.uint8), (1, 2, 1))
    assert representation.centre.shape == ()
    assert_allclose(representation.scale(np.array([[0, 255]], dtype=np.uint8)), [[-1, 1]])


def test_constant_features_are_centred_and_changes_show():
    representation = Representation.fit(np.full((3, 1), 7.0), None)
    assert_allclose(representation.scale(np.array([[7.0], [9.0]])), [[0], [2]])


def test_large_offsets_cost_no_precision():
    X = 1.6e9 + np.array([[0.0], [1.0], [2.0]])
    assert_allclose(Representation.fit(X, None).scale(X), [[-1], [0], [1]])


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_absurd_values_stay_finite(value):
    representation = Representation.fit(np.zeros((2, 1)), None)
    assert np.isfinite(np.square(representation.scale(np.array([[value]])))).all()


def test_image_batches_are_channels_last_in_memory():
    X = np.arange(2 * 4 * 3 * 2, dtype=np.uint8).reshape(2, -1)
    x = Samples(X, Representation.fit(X, (4, 3, 2))).batch(np.array([1, 0]))
    assert x.shape == (2, 2, 4, 3)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x[1, 1, 0, 0] > x[1, 0, 0, 0]  # the second channel follows the first in X


# Vectors in bins


def test_bins_are_a_piecewise_linear_encoding():
    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(size=400), rng.integers(3, size=400), rng.lognormal(size=400)], axis=1)
    representation = Representation.in_bins(X, 4)
    assert representation.bins.tolist() == [4, 2, 4]
    new = rng.normal(size=(50, 3)) * 4
    encoded, start = representation.scale(new), 0
    for column, train in zip(new.T, X.T, strict=True):
        edges = np.unique(np.quantile(train, [0, 0.25, 0.5, 0.75, 1]))
        for i, (low, high) in enumerate(pairwise(edges)):
            expected = 2 * (column - low) / (high - low) - 1
            bounds = -np.inf if i == 0 else -1, np.inf if i == len(edges) - 2 else 1
            assert_allclose(encoded[:, start + i], np.clip(expected, *bounds), rtol=1e-5, atol=1e-6)
        start += len(edges) - 1
    assert encoded.shape == (50, start)


def test_bins_pass_over_missing_values_and_keep_them():
    X = np.array([[0.0, 1], [1, np.nan], [2, 3], [3, 5], [4, np.nan]])
    representation = Representation.in_bins(X, 2)
    assert_allclose(representation.scale(X[:2]), [[-1, -1, -1, -1], [0, -1, np.nan, np.nan]])


def test_rounding_makes_no_bin_and_a_constant_one():
    X = np.stack([np.repeat([0, 1, 1 + 1e-12, 3], [25, 26, 25, 25]), np.full(101, 7.0)], axis=1)
    representation = Representation.in_bins(X, 4)  # edges 0, 0, 1, 1 + 1e-12 and 3
    assert representation.bins.tolist() == [2, 1]
    assert_allclose(representation.scale(np.array([[2.0, 9.0]])), [[1, 0, 2]], atol=1e-6)


def test_errors_of_bins_are_summed_by_feature_and_keep_their_mean():
    X = np.stack([np.arange(101.0), np.repeat([0, 1], [50, 51])], axis=1)
    representation = Representation.in_bins(X, 4)
    assert representation.bins.tolist() == [4, 1]
    errors = torch.tensor([[1.0, 2, 3, 4, 5]], dtype=torch.float64)
    grid = representation.to_grid(errors)
    assert_allclose(grid, [[10 * 2 / 5, 5 * 2 / 5]])
    assert_allclose(grid.mean(), errors.mean())


# Pictures for pretrained networks


def test_bytes_and_floats_have_the_range_that_they_can_have():
    dark = np.full((2, 4), 51, dtype=np.uint8)
    for pictures in (dark, dark / 255):
        representation = Representation.of_photographs(pictures, (2, 2, 1))
        assert_allclose(representation.scale(pictures), -0.6, rtol=1e-6)


def test_other_pictures_have_their_training_range():
    X = np.array([[0.0, 1000.0], [500.0, 2000.0]])
    assert_allclose(Representation.of_photographs(X, (1, 2, 1)).scale(X), X / 1000 - 1)


# Maps of features


def feature_maps(n=4, sides=(3, 5), channels=3):
    """Maps whose channels have ranges of their own."""
    rng = np.random.default_rng(0)
    scales, offsets = np.array([1.0, 100.0, 1e-3]), np.array([0.0, -50.0, 7.0])
    return rng.uniform(-1, 1, size=(n, *sides, channels)) * scales + offsets


def test_each_channel_of_a_map_is_standardised_and_clipped(monkeypatch):
    monkeypatch.setattr(representation_module, "_BLOCK", 3)
    maps = feature_maps(n=40)
    X = maps.reshape(len(maps), -1)
    representation = Representation.standardise(X, maps.shape[1:])
    mean, deviation = maps.mean(axis=(0, 1, 2)), maps.std(axis=(0, 1, 2))
    assert_allclose(representation.centre, mean)
    assert_allclose(representation.half_range, 5 * deviation)
    shifted = maps + 4 * deviation  # some beyond five deviations
    expected = ((shifted - mean) / deviation).clip(-5, 5) / 5
    assert (expected == 1).any()
    assert (expected < 1).any()
    scaled = representation.scale(shifted.reshape(X.shape)).reshape(maps.shape)
    assert_allclose(scaled, expected, atol=1e-6)
    assert representation.shape == (3, 3, 5)
    rows = representation.typical_rows().reshape(2, 3, 5, 3)
    assert_allclose(rows[0], np.broadcast_to(mean, (3, 5, 3)))
    assert_allclose(rows[1], np.broadcast_to(mean + 2.5 * deviation, (3, 5, 3)))


def test_maps_of_many_channels_come_back_as_the_user_has_them():
    maps = feature_maps()
    X = maps.reshape(len(maps), -1)
    representation = Representation.standardise(X, maps.shape[1:])
    x = representation.tensor(X, torch.float64)
    assert_allclose(representation.to_user(x), representation.scale(X).reshape(maps.shape))
    assert_allclose(representation.features_last(x), representation.scale(X))
    error = torch.arange(4.0 * 45).view(4, 45)
    assert_allclose(representation.to_grid(error), error.view(4, 3, 5, 3).mean(dim=3))  # by place


def test_averaged_images_come_back_square_by_square():
    X = np.random.default_rng(0).random((2, 5 * 7))
    representation = Representation.fit(X, (5, 7, 1), downsample=2)
    assert representation.shape == (1, 3, 4)
    assert representation.every_pixel.shape == (1, 5, 7)
    maps = representation.to_maps(representation.to_grid(torch.arange(24.0).view(2, 12)))
    assert maps.shape == (2, 5, 7)
    assert_allclose(maps[0, :2, :2], 0)
    assert_allclose(maps[0, 4, 6], 11)
    stages = torch.zeros(2, 6, 1, 3, 4)
    assert representation.to_user(stages).shape == (2, 6, 3, 4)


def test_vectors_come_back_as_they_are():
    X = np.random.default_rng(0).random((2, 3))
    representation = Representation.fit(X, None)
    x = representation.tensor(X)
    assert representation.to_user(x[:, None]).shape == (2, 1, 3)
    assert representation.to_maps(x) is x
