"""LoadImages: paths in, images out, in pipelines and cross-validation."""

import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skmmrr import MMRRDetector, Network
from skmmrr.baselines import KDEDetector
from skmmrr.datasets import load_image_folder
from skmmrr.preprocessing import LoadImages


@pytest.fixture
def paths(tmp_path, images):
    """Forty 8s as files."""
    names = [tmp_path / f"{i:02}.png" for i in range(40)]
    for path, image in zip(names, images, strict=False):
        Image.fromarray((image * 15).astype(np.uint8)).save(path)
    return names


def test_reads_as_the_folder_does(paths):
    expected = load_image_folder(paths[0].parent, size=(6, 5)).images
    assert_array_equal(LoadImages((6, 5)).fit_transform(paths), expected)
    assert LoadImages(mode="grey").transform([str(path) for path in paths]).shape == (40, 8, 8)


def test_fits_detectors_on_lists_of_paths(paths, images):
    detector = MMRRDetector(3, max_iter=2, network=Network(width=8), random_state=0)
    on_paths = make_pipeline(LoadImages(mode="grey"), detector).fit(paths[:30])
    scores = on_paths.score_samples(paths[30:])
    on_arrays = clone(detector).fit((images[:30] * 15).astype(np.uint8))
    assert_array_equal(scores, on_arrays.score_samples((images[30:40] * 15).astype(np.uint8)))
    assert set(on_paths.predict(paths)) <= {-1, 1}


def test_works_in_cross_validation(paths):
    pipeline = make_pipeline(LoadImages((8, 8), mode="grey"), KDEDetector(random_state=0))
    assert np.isfinite(cross_val_score(pipeline, paths, cv=3)).all()


def test_images_outlive_the_step_and_can_be_changed(paths):
    images = LoadImages(mode="grey").transform(paths[:2])
    images[0] = 7
    assert (images[0] == 7).all()
    assert isinstance(images, np.memmap)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "at least one"),
        ("a.png", TypeError, "put it in a list"),
        ([3], TypeError, "Got int"),
        (["nowhere.png"], FileNotFoundError, "nowhere.png"),
    ],
)
def test_what_is_no_list_of_paths(X, error, message):
    with pytest.raises(error, match=message):
        LoadImages().transform(X)


def test_damaged_and_differing_pictures_are_named(paths):
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(paths[5])
    with pytest.raises(ValueError, match=r"05.png has .* \(3, 3\), the first .* \(8, 8\)"):
        LoadImages().transform(paths)
    paths[5].write_bytes(b"text")
    with pytest.raises(ValueError, match=r"05.png is damaged"):
        LoadImages((8, 8)).transform(paths)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs")
def test_a_fifo_is_not_opened(paths):
    paths[5].unlink()
    os.mkfifo(paths[5])
    with pytest.raises(ValueError, match=r"05.png is not a regular file"):
        LoadImages((8, 8)).transform(paths)


@pytest.mark.parametrize(
    ("parameters", "message"), [({"size": 8}, "'size' of LoadImages"), ({"mode": "hsv"}, "'mode'")]
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        LoadImages(**parameters).fit([])
