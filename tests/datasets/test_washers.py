"""Rendered washers: good ones alike, defects where the masks are, and nowhere else."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from skmmrr.datasets import make_washers, save_washers


@pytest.fixture(scope="module")
def washers():
    return make_washers(6, 9, size=96, random_state=0)


def test_kinds_and_targets_belong_together(washers):
    assert_array_equal(washers.kind[:6], "good")
    assert_array_equal(washers.kind[6:], ["scratch", "chip", "stain"] * 3)
    assert_array_equal(washers.target, np.where(washers.kind == "good", 1, -1))
    assert_array_equal(washers.masks.any(axis=(1, 2)), washers.kind != "good")


def test_a_washer_is_bright_steel_around_a_dark_hole_on_a_dark_bench(washers):
    good = washers.images[:6].mean(axis=(0, 3))
    assert good[48, 48] < 80
    assert good[2:8, 2:8].mean() < 80
    assert good[48, 48 + 27] > 130  # the middle of the ring


def test_defects_stand_out_inside_their_masks_alone(washers):
    usual = np.median(washers.images[:6].astype(float), axis=0).mean(axis=-1)
    for image, mask, kind in zip(
        washers.images[6:], washers.masks[6:], washers.kind[6:], strict=True
    ):
        apart = np.abs(image.mean(axis=-1) - usual)
        assert np.median(apart[mask]) > 3 * np.median(apart[~mask]), kind
        assert mask.mean() < 0.05


def test_a_picture_depends_on_the_seed_and_on_its_index_alone(washers):
    fewer = make_washers(6, 2, size=96, random_state=0)
    assert_array_equal(fewer.images, washers.images[:8])
    other = make_washers(6, 2, size=96, random_state=1)
    assert (other.images != fewer.images).mean() > 0.5


def test_the_folder_has_the_same_pictures_in_mvtec_ads_layout(tmp_path, washers):
    save_washers(tmp_path, n_train=4, n_good=2, n_defective=2, size=96, random_state=0)
    pictures = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*.png")}
    assert sorted(pictures) == [
        "ground_truth/chip/003_mask.png",
        "ground_truth/scratch/002_mask.png",
        *("test/chip/003.png", "test/good/000.png", "test/good/001.png", "test/scratch/002.png"),
        *(f"train/good/{i:03}.png" for i in range(4)),
    ]
    assert_array_equal(np.asarray(Image.open(pictures["test/chip/003.png"])), washers.images[7])
    mask = np.asarray(Image.open(pictures["ground_truth/chip/003_mask.png"]))
    assert_array_equal(mask > 0, washers.masks[7])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_good": -1}, "'n_good' of make_washers"),
        ({"n_defective": 1.5}, "'n_defective' of make_washers"),
        ({"size": 8}, "'size' of make_washers"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make_washers(**parameters)


@pytest.mark.parametrize("name", ["n_train", "n_good"])
def test_numbers_of_pictures_are_not_taken_off_each_other(tmp_path, name):
    numbers = {"n_train": 2, "n_good": 2, name: -1}
    with pytest.raises(ValueError, match=f"'{name}' of save_washers"):
        save_washers(tmp_path, **numbers)
    assert not list(tmp_path.iterdir())
