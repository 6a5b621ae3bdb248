"""How busy images are, and what that explains of their errors."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from skmmrr._complexity import Adjustment, total_variation


def by_loops(image):
    """Total variation of an image of (height, width, channels)."""
    height, width, channels = image.shape
    total = 0.0
    for row in range(height):
        for column in range(width):
            for channel in range(channels):
                here = image[row, column, channel]
                if row + 1 < height:
                    total += abs(image[row + 1, column, channel] - here)
                if column + 1 < width:
                    total += abs(image[row, column + 1, channel] - here)
    return total / image.size


def as_tensor(images):
    return torch.from_numpy(np.moveaxis(images, -1, 1))


@pytest.mark.parametrize("shape", [(5, 7, 1), (4, 3, 2), (6, 6, 4), (1, 5, 1), (5, 1, 1)])
def test_total_variation_is_the_mean_absolute_difference_of_neighbours(shape):
    images = np.random.default_rng(0).normal(size=(3, *shape))
    assert_allclose(
        total_variation(as_tensor(images)), [by_loops(i) + 1e-3 for i in images], rtol=1e-6
    )


def test_colours_are_compared_as_in_jpeg_files():
    image = np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8)
    converted = np.asarray(Image.fromarray(image).convert("YCbCr"), dtype=float)
    found = total_variation(as_tensor(image[None].astype(float)))
    assert_allclose(found, by_loops(converted), rtol=0.01)  # whole numbers there


def test_flat_images_have_some_variation():
    assert_allclose(total_variation(torch.full((2, 3, 4, 4), 0.7)), 1e-3, rtol=1e-3)


def power_law(n=200, slope=1.5, noise=0.1):
    """Variations, and errors that are a power of them."""
    rng = np.random.default_rng(0)
    variation = rng.uniform(0.1, 0.5, n)
    return variation, 0.3 * variation**slope * np.exp(noise * rng.normal(size=n))


def test_a_power_law_is_found_and_taken_off():
    variation, errors = power_law(noise=0)
    adjustment = Adjustment.fit(variation, errors)
    assert adjustment.slope == pytest.approx(1.5)
    assert_allclose(errors * adjustment.factor(variation), 0.3 * np.median(variation) ** 1.5)


def test_copies_and_odd_images_hardly_move_the_slope():
    variation, errors = power_law()
    errors[:10] = 0  # of images that are there twice
    variation[10:15], errors[10:15] = 1e-3, 0.5
    variation[15:20], errors[15:20] = 2, 1e-3
    assert Adjustment.fit(variation, errors).slope == pytest.approx(1.5, abs=0.1)


def test_nothing_is_extrapolated():
    adjustment = Adjustment(slope=2.0, usual=0.2, least=0.1, most=0.4)
    assert_allclose(adjustment.factor(np.array([0.001, 0.1, 0.2, 0.4, 9.0])), [4, 4, 1, 0.25, 0.25])


def test_errors_that_do_not_depend_on_the_variation_are_rarely_adjusted():
    rng = np.random.default_rng(0)
    fits = [Adjustment.fit(rng.uniform(0.1, 1, 30), rng.uniform(0.1, 1, 30)) for _ in range(100)]
    assert np.mean([fit.slope != 0 for fit in fits]) < 0.15


@pytest.mark.parametrize("n", [1, 2, 4])
def test_errors_of_few_images_are_not_adjusted(n):
    assert Adjustment.fit(*power_law(n)).slope == 0


@pytest.mark.parametrize("errors", [np.full(9, 0.2), np.arange(9.0)])
def test_errors_of_images_that_are_alike_are_not_adjusted(errors):
    adjustment = Adjustment.fit(np.full(9, 0.3), errors)
    assert_array_equal(adjustment.factor(np.array([0.1, 0.3, 2.0])), 1)


def test_arrays_and_tensors_have_the_same_factors():
    adjustment = Adjustment(slope=0.7, usual=0.2, least=0.1, most=0.4)
    variation = np.linspace(0.05, 0.6, 20)
    assert_allclose(adjustment.factor(torch.from_numpy(variation)), adjustment.factor(variation))
