"""How busy images are, and what that explains of their errors."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from skmmrr.core.complexity import Adjustment, total_variation


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


def factors(adjustment, variation):
    return adjustment.factor(torch.tensor(variation, dtype=torch.float64)).numpy()


def test_a_power_law_is_found_and_taken_off():
    variation, errors = power_law(noise=0)
    adjustment = Adjustment.fit(variation, errors)
    assert adjustment.slope == pytest.approx(1.5)
    assert_allclose(errors * factors(adjustment, variation), 0.3 * np.median(variation) ** 1.5)


def test_copies_and_odd_images_hardly_move_the_slope():
    variation, errors = power_law()
    errors[:10] = 0  # of images that are there twice
    variation[10:15], errors[10:15] = 1e-3, 0.5
    variation[15:20], errors[15:20] = 2, 1e-3
    assert Adjustment.fit(variation, errors).slope == pytest.approx(1.5, abs=0.1)


def test_no_error_is_extrapolated():
    adjustment = Adjustment(
        slope=2.0, rarity_weight=0.0, usual=0.2, least=0.1, most=0.4, spread=0.5
    )
    assert_allclose(factors(adjustment, [0.001, 0.1, 0.2, 0.4, 9.0]), [4, 4, 1, 0.25, 0.25])


def test_an_unusual_variation_counts_like_an_unusual_error_by_a_quarter():
    rng = np.random.default_rng(0)
    variation, noise = np.exp(rng.normal(-1, 0.2, 2000)), rng.normal(0, 0.3, 2000)
    adjustment = Adjustment.fit(variation, variation**1.5 * np.exp(noise))
    off = np.exp(-1 + 0.2 * np.array([-3.0, -1.0, 0.0, 1.0, 3.0]))  # standard deviations
    density = 0.3 / 4 * np.array([9, 1, 0, 1, 9]) / 2
    logarithms = np.log(factors(adjustment, off) * (off * np.e) ** 1.5)
    assert_allclose(logarithms, density, atol=0.04)


def test_images_plainer_or_busier_than_all_normal_ones_are_abnormal_and_finite():
    variation, errors = power_law()
    adjustment = Adjustment.fit(variation, errors)
    odd = factors(adjustment, [1e-30, 1e-4, 1e4, 1e30])
    assert_array_equal(odd[[0, 3]], odd[[1, 2]])  # no more than ten standard deviations count
    assert odd.max() < 50
    normal = (errors * factors(adjustment, variation)).max()
    assert min(odd[0] * errors.min(), odd[3] * errors.max()) > normal


def test_few_odd_images_and_any_number_of_copies_hardly_move_what_is_rare():
    variation, errors = power_law()
    expected = Adjustment.fit(variation, errors)
    errors[:80] = 0
    errors[190:195], errors[195:] = 1e-3, 2
    found = Adjustment.fit(variation, errors)
    assert found.rarity_weight == pytest.approx(expected.rarity_weight, rel=0.35)


def test_no_normal_image_is_very_rare():
    variation, errors = power_law()
    variation[:190] = np.random.default_rng(0).normal(0.3, 0.003, 190)  # and a minority, and
    variation[199] = 1e-3  # a blank frame
    adjustment = Adjustment.fit(variation, errors)
    assert adjustment.rarity_weight > 0
    assert (np.abs(np.log(variation / adjustment.usual)) < 5.01 * adjustment.spread).all()


def test_where_images_are_equally_busy_no_variation_is_rare():
    variation, errors = power_law()
    variation = 0.3 + variation / 100
    assert Adjustment.fit(variation, errors).rarity_weight == 0


def test_errors_that_do_not_depend_on_the_variation_rarely_have_a_slope():
    rng = np.random.default_rng(0)
    fits = [Adjustment.fit(rng.uniform(0.1, 1, 30), rng.uniform(0.1, 1, 30)) for _ in range(100)]
    assert np.mean([fit.slope != 0 for fit in fits]) < 0.15


@pytest.mark.parametrize("n", [1, 2, 4])
def test_errors_of_few_images_are_not_adjusted(n):
    adjustment = Adjustment.fit(*power_law(n))
    assert_array_equal(factors(adjustment, [0.1, 0.3, 2.0]), 1)


@pytest.mark.parametrize("errors", [np.full(9, 0.2), np.arange(9.0)])
def test_errors_of_images_that_are_alike_are_not_adjusted(errors):
    adjustment = Adjustment.fit(np.full(9, 0.3), errors)
    assert_array_equal(factors(adjustment, [0.1, 0.3, 2.0]), 1)
