"""Files of every format that was ever released, or will be with the next release: they open.

``python tests/core/test_saved_files.py [NAME...]`` writes those of the present format. A format
that was released stays here unchanged.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits

import skmmrr
from skmmrr import FeatureMaps, MMRRDetector, Network, Training
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    MLSADDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)
from skmmrr.inspection import PictureDetector
from skmmrr.mmrr import spec as specs

FOLDER = Path(__file__).parent / "saved"
SMALL = dict(max_iter=6, precision="float32", random_state=0)
ROI = np.tri(8, 8, 1, dtype=bool)
DETECTORS = {
    "mmrr_unet": MMRRDetector(
        3, backbone="unet", network=Network(width=4), n_estimators=2, **SMALL
    ),
    "mmrr_mlp": MMRRDetector(
        3, backbone="mlp", network=Network(width=4), mask="bernoulli", **SMALL
    ),
    "mmrr_plain": MMRRDetector(
        3, adjust=False, refine=False, embed=False, network=Network(width=4), **SMALL
    ),
    "mmrr_features": MMRRDetector(
        3,
        features="efficientnet-lite0",
        feature_maps=FeatureMaps(input_size=32),
        network=Network(width=4),
        **SMALL,
    ),
    "rotation": RotationAutoencoderDetector(
        latent_channels=2, training=Training(batch_size=8), **SMALL
    ),
    "mlsad": MLSADDetector(
        (1, 2, 4),
        fakes="patchgan",
        score_levels=(2, 4),
        generator_max_iter=2,
        keep_generators=True,
        network=Network(width=4),
        training=Training(batch_size=8),
        **SMALL,
    ),
    "patches": DeepKNNDetector(
        "efficientnet-lite0",
        patches=True,
        feature_maps=FeatureMaps(input_size=32, align=True),
        bank_size=20,
        precision="float32",
        random_state=0,
    ),
    "knn": DeepKNNDetector(adjust=True, random_state=0),
    "kde": KDEDetector(random_state=0),
    "ocsvm": OCSVMDetector(random_state=0),
    "pictures": PictureDetector(
        MMRRDetector(3, backbone="mlp", network=Network(width=4), **SMALL),
        size=(12, 12),
        mode="grey",
        tile=8,
        roi=ROI,
        max_tiles=40,
        random_state=0,
    ),
}


def digits():
    """Training images and others, as those of the files."""
    images, target = load_digits(return_X_y=True)
    return images[target == 8][:20].reshape(-1, 8, 8), images[:12].reshape(-1, 8, 8)


def as_taken(detector, images, folder):
    """Images, or their files for a detector of those."""
    if getattr(detector, "patches", False):  # parts on a background, to be aligned
        return np.pad(images[:, 1:-1, 2:-2], ((0, 0), (1, 1), (2, 2)))
    if not isinstance(detector, PictureDetector):
        return images
    paths = [folder / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray((15 * image).astype(np.uint8)).save(path)
    return paths


def fitted(name, folder):
    detector = DETECTORS[name]
    train = as_taken(detector, digits()[0], folder)
    return detector.fit(train).calibrate(train[:10])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.safetensors")), ids=lambda path: path.stem)
def test_a_saved_file_opens_and_scores_as_it_did(path, tmp_path):
    detector = skmmrr.load(path)
    expected = np.load(path.with_suffix(".npy"))
    test = as_taken(detector, digits()[1], tmp_path)
    assert_allclose(detector.decision_function(test), expected, rtol=1e-3, atol=1e-4)
    assert ((detector.p_values(test) > 0) & (detector.p_values(test) <= 1)).all()


def test_there_is_a_file_of_every_detector():
    assert {path.stem.removeprefix("v1_") for path in FOLDER.glob("v1_*.safetensors")} == set(
        DETECTORS
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("backbone", ["unet", "mlp"])
def test_what_the_defaults_are_today_does_not_matter_to_a_file(backbone, monkeypatch, tmp_path):
    train, test = digits()
    detector = MMRRDetector(3, backbone=backbone, max_iter=3, random_state=0).fit(train)
    detector.save(tmp_path / "model")
    scores = detector.score_samples(test)
    for name in ("_UNET", "_IMAGE_MLP", "_VECTOR_MLP"):
        other = getattr(specs, name)._replace(width=6, n_blocks=3, most_members=1)
        monkeypatch.setattr(specs, name, other)
    monkeypatch.setattr(specs, "_AVERAGED", (8,))
    monkeypatch.setattr(specs, "_LEAST_SIDE", 1)
    again = skmmrr.load(tmp_path / "model")
    assert_array_equal(again.score_samples(test), scores)
    assert str(again.spec_) == str(detector.spec_)
    other = MMRRDetector(3, backbone=backbone, max_iter=3, random_state=0).fit(train)
    assert other.spec_.sizes["width"] == 6  # the defaults did change


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or DETECTORS:
        with TemporaryDirectory() as folder:
            detector = fitted(name, Path(folder))
            detector.save(FOLDER / f"v1_{name}.safetensors")
            test = as_taken(detector, digits()[1], Path(folder))
            np.save(FOLDER / f"v1_{name}.npy", detector.decision_function(test))
