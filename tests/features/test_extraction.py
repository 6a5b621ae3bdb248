"""Features of samples: their place, their precision, where they are kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter
from torch import nn

from skmmrr import FeatureMaps
from skmmrr.core.kinds import SavedFileError
from skmmrr.features import FeatureExtractor, extraction
from skmmrr.features.extraction import smooth_maps

CPU = torch.device("cpu")


class Stages(nn.Module):
    """Fine and coarse: channels times ten, and means of squares."""

    def forward(self, x):
        return [10 * x, nn.functional.avg_pool2d(x, 2)]


def pictures(n=5, size=(4, 4)):
    return np.random.default_rng(0).integers(256, size=(n, *size, 3), dtype=np.uint8)


def fitted(X, features=None, options=None, maps=True, unit_length=False):
    rows = X.reshape(len(X), -1)
    shape = (*X.shape[1:], 1)[:3] if X.ndim > 2 else None
    features = features or Stages()
    return FeatureExtractor.fit(rows, shape, features, options, maps, unit_length, "Detector")


def rows_of(extractor, X):
    return extractor.rows(X.reshape(len(X), -1), CPU, "float32")


def standardised(X):
    return (X / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


def squares(a):
    return a.reshape(len(a), 2, 2, 2, 2, 3).mean(axis=(2, 4))


def test_stages_lie_on_the_grid_of_the_last_one():
    X = pictures()
    X[0, 0, 0], X[0, 0, 1] = 0, 255  # the training range
    extractor = fitted(X)
    assert extractor.shape == (2, 2, 6)
    rows = rows_of(extractor, X)
    assert rows.dtype == np.float16
    expected = squares(standardised(X))
    expected = np.concatenate([10 * expected, expected], axis=3)
    assert_allclose(rows.reshape(5, 2, 2, 6), expected, rtol=2e-3, atol=2e-3)


def test_coarse_stages_are_interpolated_on_a_finer_grid():
    extractor = fitted(pictures(), options=FeatureMaps(grid=4))
    assert extractor.shape == (4, 4, 6)
    rows = rows_of(extractor, pictures()).reshape(5, 4, 4, 6)
    corner = rows[:, 0, 0, 3:]
    coarse = rows_of(fitted(pictures()), pictures()).reshape(5, 2, 2, 6)[:, 0, 0, 3:]
    assert_allclose(corner, coarse, atol=1e-2)


@pytest.mark.parametrize(("maps", "options"), [(False, None), (True, FeatureMaps(grid=1))])
def test_rows_are_means_over_the_picture(maps, options):
    X = pictures()
    extractor = fitted(X, options=options, maps=maps)
    assert extractor.map_shape is None
    maps = fitted(X)
    expected = rows_of(maps, X).reshape(5, 4, 6).mean(axis=1, dtype=float)
    rows = rows_of(extractor, X)
    assert rows.dtype == np.float32
    assert_allclose(rows, expected, rtol=1e-2, atol=1e-2)


def test_rows_may_have_unit_length_and_maps_do_not():
    X = pictures()
    rows = rows_of(fitted(X, maps=False, unit_length=True), X)
    plain = rows_of(fitted(X, maps=False), X)
    assert_allclose(rows, plain / np.linalg.norm(plain, axis=1, keepdims=True), rtol=1e-6)
    assert_array_equal(rows_of(fitted(X, unit_length=True), X), rows_of(fitted(X), X))


def test_a_callable_gives_maps_channels_last():
    X = pictures(size=(3, 5))
    extractor = fitted(X, lambda X: X[:, :, :, :2] / 7)
    assert extractor.map_shape == (3, 5, 2)
    assert_allclose(rows_of(extractor, X), (X[..., :2] / 7).reshape(5, -1), rtol=1e-3)


def test_a_grid_is_of_networks():
    with pytest.raises(ValueError, match="grid' of Detector brings maps of a network to a grid"):
        fitted(pictures(), lambda X: X, FeatureMaps(grid=2))


def test_pictures_that_are_too_small_for_a_network_are_told():
    with pytest.raises(ValueError, match=r"cannot take pictures of this size\. Set feature_maps"):
        fitted(pictures(size=(32, 32)), "efficientnet-lite0", FeatureMaps(input_size=8))


def test_values_beyond_half_precision_are_its_largest():
    extractor = fitted(pictures(), lambda X: X[..., :1] * 1e6)
    assert rows_of(extractor, pictures()).max() == np.finfo(np.float16).max


def test_rows_do_not_depend_on_their_company():
    X = pictures(9)
    extractor = fitted(X)
    assert_array_equal(rows_of(extractor, X[4:5])[0], rows_of(extractor, X)[4])


def test_many_features_lie_in_a_temporary_file(monkeypatch):
    X = pictures()
    extractor = fitted(X)
    expected = rows_of(extractor, X)
    monkeypatch.setattr(extraction, "_IN_MEMORY", 10)
    rows = rows_of(extractor, X)
    assert isinstance(rows, np.memmap)
    assert_array_equal(rows, expected)


def test_a_module_without_maps_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"feature maps of shape .* Got \[\(48,\)\]"):
        fitted(pictures(), nn.Flatten())


def test_another_network_of_the_same_name_is_refused():
    extractor = fitted(pictures(size=(32, 32)), "efficientnet-lite0", FeatureMaps(input_size=32))
    extractor.network, extractor.digest = None, "0" * 64
    with pytest.raises(ValueError, match="not those that this Detector was fitted with"):
        extractor.load("Detector")


@pytest.mark.parametrize("sigma", [0.0, 0.7, 3.0])
def test_maps_are_smoothed_as_scipy_does(sigma):
    maps = torch.rand(2, 9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = maps.numpy()
    if sigma:
        expected = gaussian_filter(expected, sigma, mode="nearest", axes=(1, 2))
    assert_allclose(smooth_maps(maps, (9, 7), sigma), expected, rtol=1e-12)


def test_maps_take_the_size_of_the_picture():
    maps = torch.arange(4.0).view(1, 2, 2)
    assert smooth_maps(maps, (8, 6), 0).shape == (1, 8, 6)
    assert_allclose(smooth_maps(maps, (8, 6), 0)[0, [0, -1], [0, -1]], [0, 3])


# Rotated copies


def learned(extractor, X):
    return extractor.learned_rows(X.reshape(len(X), -1), CPU, "float32")


def every_turn(X):
    return np.concatenate([np.rot90(X, turn, axes=(1, 2)) for turn in range(4)])


@pytest.mark.parametrize("features", [Stages(), lambda X: X.astype(float)])
def test_rotated_copies_have_the_features_of_rotated_pictures(features):
    X = pictures()
    extractor = fitted(X, features, FeatureMaps(rotate=True))
    assert_allclose(learned(extractor, X), rows_of(extractor, every_turn(X)), rtol=1e-3)


def test_pictures_are_rotated_where_they_do_not_lie_alike():
    anywhere, rng = pictures(20), np.random.default_rng(1)
    alike = (anywhere[:1] * 0.8 + rng.integers(50, size=anywhere.shape)).astype(np.uint8)
    cases = ((anywhere, True), (alike, False), (anywhere[:, :3], False), (anywhere[:1], False))
    for X, rotated in cases:
        extractor = fitted(X)
        assert len(learned(extractor, X)) == (4 if rotated else 1) * len(X)
        assert extractor.rotate is rotated


def test_a_choice_of_ones_own_is_kept_and_rows_are_never_rotated():
    X = pictures(20)
    assert len(learned(fitted(X, options=FeatureMaps(rotate=False)), X)) == 20
    assert len(learned(fitted(X, options=FeatureMaps(grid=1, rotate=True)), X)) == 20


@pytest.mark.parametrize("name", ["rotate", "align"])
def test_only_square_pictures_can_be_turned(name):
    with pytest.raises(ValueError, match=rf"'feature_maps.{name}' .* square .* \(4, 6, 3\)"):
        fitted(pictures(size=(4, 6)), Stages(), FeatureMaps(**{name: True}))


# Aligned parts


def wedges(n=24, angles=360, seed=0):
    """Parts with one thick end, at some angle, on a noisy background."""
    rng, found = np.random.default_rng(seed), []
    for angle in rng.uniform(0, angles, n):
        y, x = np.mgrid[-1:1:48j, -1:1:48j]
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        along, across = cos * x + sin * y, cos * y - sin * x
        part = (abs(along) < 0.7) & (abs(across) < 0.12 - 0.1 * along)
        found.append(40 + 120 * part + rng.integers(20, size=(48, 48)))
    return np.repeat(np.array(found, dtype=np.uint8)[..., None], 3, axis=3)


@pytest.mark.parametrize(
    ("X", "options", "aligned"),
    [
        (wedges(), FeatureMaps(), True),
        (wedges(), FeatureMaps(align=False), False),
        (wedges(), FeatureMaps(rotate=True), False),
        (wedges(), FeatureMaps(grid=1), False),
        (wedges(angles=1), FeatureMaps(), False),  # they lie alike
        (wedges(angles=1), FeatureMaps(align=True), True),
        (wedges()[:1], FeatureMaps(), False),
        (wedges()[:, :40], FeatureMaps(), False),
        (pictures(24, (48, 48)), FeatureMaps(), False),  # textures fill them
    ],
)
def test_pictures_are_aligned_where_that_makes_parts_lie_alike(X, options, aligned):
    extractor = fitted(X, Stages(), options)
    rows = learned(extractor, X)
    assert (extractor.registration is not None) is aligned
    assert not (aligned and extractor.rotate)
    assert rows.shape[1] == np.prod(extractor.shape)


def test_aligned_parts_are_not_rotated_too():
    with pytest.raises(ValueError, match=r"'feature_maps.align' .* both True"):
        fitted(wedges(), Stages(), FeatureMaps(align=True, rotate=True))


@pytest.mark.parametrize(("features", "options"), [(lambda X: X, {}), (Stages(), {"grid": 1})])
def test_only_what_a_network_sees_can_be_aligned(features, options):
    with pytest.raises(ValueError, match=r"'feature_maps.align' .* maps of a network"):
        fitted(wedges(), features, FeatureMaps(align=True, **options))


def test_what_cannot_be_aligned_is_refused():
    X = pictures(20, (48, 48))
    with pytest.raises(ValueError, match=r"align is True, but .* Set align=False"):
        learned(fitted(X, Stages(), FeatureMaps(align=True)), X)


@pytest.mark.parametrize("grid", [3, 4, 8, 9])
def test_a_grid_of_ones_own_has_all_stages(grid):
    X = wedges()
    extractor = fitted(X, "efficientnet-lite0", FeatureMaps(input_size=96, grid=grid))
    learned(extractor, X)
    assert extractor.registration is not None
    assert extractor.shape == (grid, grid, 152)


def test_a_convolutional_network_sees_no_more_than_the_part():
    X = wedges()
    extractor = fitted(X, "efficientnet-lite0", FeatureMaps(input_size=96))
    learned(extractor, X)
    height, width, _ = extractor.map_shape
    assert width > 1.5 * height


@pytest.mark.parametrize(
    ("altered", "message"),
    [
        ({"features": None, "digest": None}, "only square pictures that a network sees"),
        ({"input_size": None}, "only square pictures that a network sees"),
        ({"input_size": 8}, "its frame is too large"),
    ],
)
def test_a_registration_that_no_fit_has_is_refused(altered, message):
    X = wedges()
    extractor = fitted(X, "efficientnet-lite0", FeatureMaps(input_size=96))
    learned(extractor, X)
    extractor.check_stored()
    with pytest.raises(SavedFileError, match=message):
        replace(extractor, **altered).check_stored()


def test_maps_of_aligned_parts_lie_as_the_pictures_do():
    X = wedges()
    extractor = fitted(X, Stages(), FeatureMaps(align=True, smoothing=0))
    grid = torch.from_numpy(learned(extractor, X).astype(np.float32)).view(-1, *extractor.shape)
    maps = extractor.maps_of(grid[..., 0], X.reshape(len(X), -1))
    expected = 10 * (X[..., 0].astype(np.float32) / 127.5 - 1)
    middle = np.s_[:, 12:36, 12:36]  # never out of sight
    assert np.corrcoef(maps.numpy()[middle].ravel(), expected[middle].ravel())[0, 1] > 0.9
