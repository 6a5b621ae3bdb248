"""Fakes without a network: what they keep of normal images, and what they break."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skmmrr.baselines.mlsad import fakes


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pool():
    """Images whose pixels name their image and their place."""
    number = torch.arange(5.0).view(5, 1, 1, 1) * 100
    place = torch.arange(12.0).view(1, 1, 4, 3)
    return torch.cat([number + place, -(number + place)], dim=1)


def test_noise_is_uniform():
    drawn = fakes.noise((2000, 1, 2, 2), generator())
    counts = np.histogram(drawn, bins=8, range=(-1, 1))[0]
    assert drawn.abs().max() <= 1
    assert_allclose(counts, 1000, atol=150)


def test_shuffled_pixels_stay_at_their_place_with_their_channels(pool):
    made = fakes.shuffled(pool, 50, generator())
    assert_allclose(made[:, 0], -made[:, 1])
    assert_allclose(made[:, 0] % 100, torch.arange(12.0).view(4, 3).expand(50, 4, 3))


def test_shuffled_pixels_come_from_images_of_their_own(pool):
    sources = (fakes.shuffled(pool, 4000, generator())[:, 0] // 100).flatten(1)
    counts = torch.stack([(sources == i).sum(dim=0) for i in range(5)])
    assert_allclose(counts, 800, atol=150)
    together = (sources[:, 0] == sources[:, 1]).double().mean()  # neighbours, by chance alone
    assert together == pytest.approx(0.2, abs=0.03)


@pytest.fixture
def images():
    """White noise of a mean of its own at every pixel."""
    mean = 0.3 * torch.rand((2, 12, 10), generator=generator(1)) - 0.15
    return mean + 0.1 * torch.randn((400, 2, 12, 10), generator=generator(2))


def test_blended_pixels_have_the_mean_and_the_variance_of_normal_ones(images):
    mean = images.mean(dim=0)
    made = torch.cat([fakes.blended(images, mean, 500, 4, generator(i)) for i in range(4)])
    assert_allclose(made.mean(dim=0), mean, atol=0.02)
    assert_allclose(made.std(dim=0), images.std(dim=0), rtol=0.15)


def test_blended_tiles_are_pieces_of_images_at_their_place():
    """Where one tile has all the weight, a fake is a normal image."""
    constant = torch.linspace(-1, 1, 9).view(9, 1, 1, 1).expand(9, 1, 8, 8).contiguous()
    made = fakes.blended(constant, torch.zeros(1, 8, 8), 200, 8, generator())
    steps = made.diff(dim=3).abs().max()
    assert steps < 0.5  # no seams: from one tile to the next in several pixels
    assert (made.flatten(1).std(dim=1) > 0.05).double().mean() > 0.8  # several tiles an image
    one = fakes.blended(constant[4:5], constant[4], 3, 8, generator())
    assert_allclose(one, constant[4].expand(3, 1, 8, 8), atol=1e-6)  # of one image: itself


@pytest.mark.parametrize("make", ["noise", "shuffled", "blended"])
def test_same_generator_same_fakes(make, images):
    draw = {
        "noise": lambda g: fakes.noise((3, 2, 12, 10), g),
        "shuffled": lambda g: fakes.shuffled(images, 3, g),
        "blended": lambda g: fakes.blended(images, images.mean(dim=0), 3, 4, g),
    }[make]
    assert torch.equal(draw(generator()), draw(generator()))
    assert not torch.equal(draw(generator()), draw(generator(1)))
    assert draw(generator()).shape == (3, 2, 12, 10)
