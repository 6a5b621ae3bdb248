import numpy as np
import pytest

from skmmrr.core.alignment import lie_alike, share_of_mean_image
from skmmrr.representation import Representation, Samples


def samples(images):
    X = images.reshape(len(images), -1)
    return Samples(X, Representation.fit(X, images.shape[1:]))


def share(images):
    return share_of_mean_image(samples(images))


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


def test_parts_that_move_by_little_lie_alike():
    rng = np.random.default_rng(0)
    part = rng.random((1, 12, 12, 3))
    assert lie_alike(samples(part + 0.1 * rng.random((20, 12, 12, 3))))
    assert not lie_alike(samples(np.stack([np.rot90(part[0], k % 4) for k in range(20)])))
