"""Parts that lie anywhere: found, turned to lie alike, and their maps turned back."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import affine_transform

from skmmrr.core.kinds import SavedFileError
from skmmrr.features.registration import Registration, unregister

SIDE = 96


def arrow(side=SIDE):
    """Long, thick at its left end, bright on a dark background with a gradient."""
    y, x = np.mgrid[:side, :side] / side
    part = (abs(y - 0.5) < 0.06) & (abs(x - 0.5) < 0.35) | ((x - 0.2) ** 2 + (y - 0.5) ** 2 < 0.015)
    return 0.05 * x - 0.8 + 1.2 * part


def moved(picture, angle, shift=(0, 0)):
    """Turned by an angle in degrees about the middle, and shifted by pixels down and right."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turn, middle = np.array([[cos, -sin], [sin, cos]]), (len(picture) - 1) / 2
    offset = middle - turn @ (middle + np.array(shift))
    return affine_transform(picture, turn, offset, order=1, mode="nearest")


def arrows(n=24, side=SIDE):
    rng = np.random.default_rng(0)
    turned = [moved(arrow(side), rng.uniform(0, 360), rng.uniform(-9, 9, 2)) for _ in range(n)]
    return batch(np.stack(turned))


def batch(pictures):
    return torch.from_numpy(np.asarray(pictures, dtype=np.float32)).unsqueeze(1)


@pytest.fixture(scope="module")
def registration():
    return Registration.fit([arrows()], 64, square=False)


def test_parts_at_any_angle_and_place_lie_alike(registration):
    anywhere, alike = arrows(), registration.register(arrows())
    assert anywhere.var(dim=0).mean() > 0.3 * anywhere.var(correction=0)
    assert alike.var(dim=0).mean() < 0.03 * alike.var(correction=0)


@pytest.mark.parametrize("angle", [0, 30, 90, 135, 180, 269])
def test_a_pose_is_the_angle_and_the_shift_of_the_part(registration, angle):
    shift = np.array([7.0, -4.0])
    pictures = batch([moved(arrow(), 0), moved(arrow(), angle, shift)])
    upright, pose = registration.poses(pictures).numpy()
    turned = math.atan2(pose[1, 0], pose[0, 0]) - math.atan2(upright[1, 0], upright[0, 0])
    assert math.remainder(turned - math.radians(angle), 2 * math.pi) == pytest.approx(0, abs=0.02)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    expected = np.array([[cos, -sin], [sin, cos]]) @ upright[:, 2] + shift[::-1] / (SIDE / 2)
    assert_allclose(pose[:, 2], expected, atol=0.02)


def test_the_frame_is_as_long_as_the_part_with_a_margin(registration):
    height, width = registration.size
    assert width > 2 * height
    assert 0.5 * 64**2 < height * width < 2 * 64**2
    assert 0.7 < registration.half_sides[0] < 1  # the part has 0.72
    assert registration.half_sides[1] / registration.half_sides[0] == pytest.approx(height / width)


def test_a_network_that_needs_squares_gets_them():
    registration = Registration.fit([arrows()], 64, square=True)
    assert registration.size == (64, 64)
    assert registration.half_sides[0] == registration.half_sides[1]


@pytest.mark.parametrize("contrast", [0.3, 0.5, 1.5])
def test_a_dull_end_is_part_of_the_part(contrast):
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    rod = np.where(x < 0.5, 2, contrast) * ((abs(y - 0.5) < 0.06) & (abs(x - 0.5) < 0.35))
    rods = batch([moved(rod - 1, angle) for angle in range(0, 360, 20)])
    registration = Registration.fit([rods], 64, square=False)
    lengths = (0.7, 0.85) if contrast > 0.5 else (0.35, 0.85)
    assert lengths[0] < registration.half_sides[0] < lengths[1]


def nothing():
    return torch.full((9, 1, SIDE, SIDE), 0.3)


def discs():
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    return batch([(x - a) ** 2 + (y - 0.5) ** 2 < 0.04 for a in np.linspace(0.3, 0.7, 9)])


def noise():
    return torch.randn(9, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def too_long():
    y = np.mgrid[:SIDE, :SIDE][0] / SIDE
    return batch([moved(abs(y - 0.5) < 0.06, angle) for angle in range(0, 180, 20)])


@pytest.mark.parametrize("pictures", [nothing, discs, noise, too_long])
def test_what_has_no_angle_or_no_room_is_not_registered(pictures):
    assert Registration.fit([pictures()], 64, square=False) is None


def test_batches_do_not_count():
    in_two = Registration.fit(arrows().split(16), 64, square=False)
    at_once = Registration.fit([arrows()], 64, square=False)
    assert_array_equal(in_two.template, at_once.template)
    assert in_two.half_sides == at_once.half_sides


def test_large_pictures_are_averaged_before_they_are_sampled(registration):
    noise = 0.2 * torch.randn(2, 1, 6 * SIDE, 6 * SIDE, generator=torch.Generator().manual_seed(0))
    clean = batch([arrow(6 * SIDE)] * 2)
    difference = registration.register(clean + noise) - registration.register(clean)
    assert difference.std() < 0.06


def test_maps_are_turned_back(registration):
    """The mirror image of registering, inside the frame; nothing beyond it."""
    pictures = arrows(6)
    poses = registration.poses(pictures)
    maps = unregister(registration.register(pictures + 2)[:, 0], poses, (SIDE, SIDE))
    seen = maps > 0.5
    assert 0.2 < seen.float().mean() < 0.9
    assert (maps - 2 - pictures[:, 0])[seen].abs().mean() < 0.05
    assert (maps[~seen] < 0.5).all()


def test_a_picture_without_a_part_stays_as_it_lies(registration):
    blank = torch.full((2, 3, 40, 40), 0.3)
    poses = registration.poses(blank)
    assert poses.isfinite().all()
    assert_allclose(abs(poses[:, [0, 1], [0, 1]]), [registration.half_sides] * 2)
    assert_allclose(registration.register(blank), 0.3, rtol=1e-6)


def test_poses_do_not_depend_on_the_other_pictures(registration):
    pictures = arrows(7)
    assert_array_equal(registration.poses(pictures)[3:4], registration.poses(pictures[3:4]))


@pytest.mark.parametrize(
    "altered",
    [
        {"template": np.zeros((63, 64), np.float32)},
        {"size": (1, 4096)},
        {"size": (2, 2), "half_sides": (4.0, 4.0)},
    ],
)
def test_what_no_fit_has_is_refused(registration, altered):
    registration.check_stored()
    with pytest.raises(SavedFileError, match="a registration"):
        replace(registration, **altered).check_stored()
