"""Files of fitted detectors: the same scores, and clear errors for anything else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file, save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skmmrr
from skmmrr import FeatureMaps, MMRRDetector, Network, SavedFileError, Training
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    MLSADDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)
from skmmrr.core.files import _digest

SEED = dict(random_state=0)
ON_IMAGES = {
    "MMRR": MMRRDetector(3, max_iter=2, network=Network(width=8), **SEED),
    "MMRR, averaged": MMRRDetector(
        3, max_iter=2, backbone="unet", network=Network(width=8), downsample=3, **SEED
    ),
    "MMRR, mlp": MMRRDetector(3, max_iter=(2, 1), backbone="mlp", mask="bernoulli", **SEED),
    "MMRR, ablated": MMRRDetector(
        3, max_iter=2, network=Network(width=8), refine=False, embed=False, **SEED
    ),
    "MMRR, float64": MMRRDetector(
        3, max_iter=2, network=Network(width=8), precision="float64", **SEED
    ),
    "rotation": RotationAutoencoderDetector(max_iter=2, training=Training(batch_size=8), **SEED),
    "MLSAD": MLSADDetector((2, 4), score_levels=(4,), max_iter=2, network=Network(width=8), **SEED),
    "OC-SVM": OCSVMDetector(**SEED),
    "KDE": KDEDetector(**SEED),
    "2-NN": DeepKNNDetector(**SEED),
    "DN2": DeepKNNDetector("efficientnet-lite0", feature_maps=FeatureMaps(input_size=32), **SEED),
    "patches": DeepKNNDetector(
        "efficientnet-lite0", patches=True, feature_maps=FeatureMaps(input_size=32), **SEED
    ),
}
READ = """
import sys, numpy as np, skmmrr
detector = skmmrr.load(sys.argv[1])
X = np.load(sys.argv[2])
np.savez(sys.argv[3], scores=detector.score_samples(X), labels=detector.predict(X))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory, vectors):
    """A small detector in a file, and the file's bytes."""
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    detector = MMRRDetector(3, max_iter=2, network=Network(width=4), **SEED).fit(vectors)
    detector.save(path)
    return detector, path, path.read_bytes()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ON_IMAGES)
def test_loaded_detectors_score_bit_for_bit_the_same(name, images, tmp_path):
    detector = ON_IMAGES[name].fit(images[:30])
    detector.save(tmp_path / "model")
    again = skmmrr.load(tmp_path / "model")
    assert type(again) is type(detector)
    assert again.get_params(deep=False) == detector.get_params(deep=False)
    assert_array_equal(again.score_samples(images[30:50]), detector.score_samples(images[30:50]))
    assert_array_equal(again.predict(images[30:50]), detector.predict(images[30:50]))
    assert set(vars(again)) == set(vars(detector))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("MMRR", {"refine": False}),
        ("MMRR", {"network": Network(width=64), "mask": "constant"}),
        ("rotation", {"latent_channels": 3, "score_rule": "rec"}),
        ("DN2", {"feature_maps": FeatureMaps(input_size=64)}),
    ],
)
def test_parameters_set_after_fit_do_not_matter_to_the_network(name, later, images, tmp_path):
    detector = clone(ON_IMAGES[name]).fit(images[:30]).set_params(**later)
    detector.save(tmp_path / "model")
    again = skmmrr.load(tmp_path / "model")
    assert_array_equal(again.score_samples(images[30:40]), detector.score_samples(images[30:40]))


def test_only_our_own_classes_are_saved(vectors, tmp_path):
    class Mine(KDEDetector):
        pass

    with pytest.raises(TypeError, match="save with joblib"):
        Mine().fit(vectors).save(tmp_path / "model")


def test_another_process_reads_it(saved, vectors, tmp_path):
    detector, path, _ = saved
    np.save(tmp_path / "X.npy", vectors)
    files = [path, tmp_path / "X.npy", tmp_path / "out.npz"]
    subprocess.run([sys.executable, "-c", READ, *map(str, files)], check=True)
    with np.load(files[2]) as out:
        assert_array_equal(out["scores"], detector.score_samples(vectors))
        assert_array_equal(out["labels"], detector.predict(vectors))


def test_what_fit_and_calibrate_learned_is_there(vectors, tmp_path):
    frame = pd.DataFrame(vectors, columns=list("abcde"))
    detector = MMRRDetector(3, max_iter=2, **SEED).fit(frame)
    detector.calibrate(frame[:40], false_positive_rate=0.1).save(tmp_path / "model")
    again = skmmrr.load(tmp_path / "model")
    assert_array_equal(again.feature_names_in_, list("abcde"))
    assert_array_equal(again.p_values(frame), detector.p_values(frame))
    assert again.history_.keys() == detector.history_.keys()
    assert_array_equal(again.n_iter_, detector.n_iter_)
    again.set_params(random_state=0).fit(frame)
    assert_array_equal(again.score_samples(frame), detector.score_samples(frame))


def test_the_device_can_be_chosen(saved):
    assert skmmrr.load(saved[1], device="cpu").device == "cpu"


def test_a_device_is_ignored_where_there_is_no_such_parameter(vectors, tmp_path):
    KDEDetector().fit(vectors).save(tmp_path / "model")
    assert not hasattr(skmmrr.load(tmp_path / "model", device="cpu"), "device")


def test_saving_leaves_the_detector_alone(saved, vectors, tmp_path):
    detector, _, _ = saved
    before, scores = set(vars(detector)), detector.score_samples(vectors)
    weights = [id(p) for p in detector.network_.parameters()]
    detector.save(tmp_path / "again")
    assert set(vars(detector)) == before
    assert [id(p) for p in detector.network_.parameters()] == weights
    assert_array_equal(detector.score_samples(vectors), scores)


def test_an_error_while_writing_leaves_the_old_file_and_no_other(saved, monkeypatch, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"the old one")

    def full(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        saved[0].save(path)
    assert path.read_bytes() == b"the old one"
    assert os.listdir(tmp_path) == ["model"]


def test_a_missing_folder_is_named(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere to write model in\. Make it"):
        saved[0].save(tmp_path / "nowhere" / "model")


def test_leftovers_of_killed_saves_are_removed_and_nothing_else(saved, tmp_path):
    others = [".model", ".model.0123456g", ".model.012345678", "model.01234567", ".else.01234567"]
    for name in [*others, ".model.01234567", ".model.89abcdef"]:
        (tmp_path / name).write_bytes(b"half a file")
    (tmp_path / ".model.00000000").mkdir()
    saved[0].save(tmp_path / "model")
    assert set(os.listdir(tmp_path)) == {*others, ".model.00000000", "model"}


def test_a_save_leaves_alone_what_another_process_is_writing(saved, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / ".model.01234567").open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        saved[0].save(tmp_path / "model")
    assert (tmp_path / ".model.01234567").exists()


# What is refused


def test_two_hundred_damaged_files(saved, tmp_path):
    _, _, content = saved
    rng, path = np.random.default_rng(0), tmp_path / "damaged"
    for i in range(200):
        damaged = bytearray(content)
        if i % 4 == 0:
            del damaged[rng.integers(len(content)) :]
        elif i % 4 == 1:
            damaged += bytes(rng.integers(1, 50))
        else:  # flips, half of them in the header
            end = len(content) if i % 4 == 2 else 8 + int.from_bytes(content[:8], "little")
            for place in rng.integers(end, size=rng.integers(1, 4)):
                damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        if bytes(damaged) == content:
            continue
        with pytest.raises(ValueError, match="damaged is not a detector that skmmrr can load"):
            skmmrr.load(path)


def rewrite(path, change):
    """The file with other metadata, as somebody may write it."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    metadata = header["__metadata__"]
    change(metadata)
    arrays = load_file(path)
    save_file(arrays, path.with_name("changed"), metadata)
    return path.with_name("changed")


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("version", "2", "version 2 and this skmmrr reads 1"),
        ("format", "something", "something else"),
        ("content", "{}", "does not match its digest"),
        ("sha256", "0", "does not match its digest"),
    ],
)
def test_altered_files(saved, key, value, found):
    changed = rewrite(saved[1], lambda metadata: metadata.update({key: value}))
    with pytest.raises(ValueError, match=found):
        skmmrr.load(changed)


@pytest.mark.parametrize("content", [b"", b"text" * 100, b"\xff" * 64, b"PK\x03\x04" + bytes(99)])
def test_foreign_files(tmp_path, content):
    (tmp_path / "foreign").write_bytes(content)
    with pytest.raises(ValueError, match="foreign is not a detector"):
        skmmrr.load(tmp_path / "foreign")


def test_a_class_of_another_library_is_refused(saved):
    def pretend(metadata):
        metadata["content"] = metadata["content"].replace("MMRRDetector", "os.system")
        metadata["sha256"] = _digest(metadata["content"], load_file(saved[1]))

    with pytest.raises(ValueError, match=r"'os\.system', not one of"):
        skmmrr.load(rewrite(saved[1], pretend))


def test_limits_are_told_and_raised(saved, tmp_path):
    _, path, content = saved
    with pytest.raises(
        SavedFileError, match=r"'bytes' is .* more than the limit of 10, .*limits={'bytes'"
    ):
        skmmrr.load(path, limits={"bytes": 10})
    skmmrr.load(path, limits={"bytes": len(content)})
    skmmrr.load(path).set_params(n_levels=1001).save(tmp_path / "many")
    with pytest.raises(SavedFileError, match="'n_levels' is 1001, more than the limit of 1000"):
        skmmrr.load(tmp_path / "many")
    assert skmmrr.load(tmp_path / "many", limits={"n_levels": 1001}).n_levels == 1001
    with pytest.raises(ValueError, match=r"'limits' of load .* \['bytes', .*Got {'byte': 10}"):
        skmmrr.load(path, limits={"byte": 10})


def with_content(path, change):
    """The file with another content, and a digest that fits."""

    def alter(metadata):
        content = json.loads(metadata["content"])
        change(content)
        metadata["content"] = json.dumps(content)
        metadata["sha256"] = _digest(metadata["content"], load_file(path))

    return rewrite(path, alter)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda p: p.update(size={"tuple": [4097, 4096]}), "'pixels' is 16781312, more than"),
        (lambda p: p.update(overlap=0.89), "'tiles_per_pixel' is 64, more than the limit of 50"),
        (lambda p: p.update(size={"tuple": [12, 7]}), r"\(12, 7\) hold no tile of 8 pixels"),
        (lambda p: p.update(size="x"), "parts do not agree"),
        (lambda p: p["detector"]["parameters"].update(n_levels=10**9), "'n_levels' is 1000000000"),
    ],
)
def test_costs_of_pictures_are_limited(change, found, tmp_path):
    good = Path(__file__).parent / "saved" / "v1_pictures.safetensors"
    (tmp_path / "pictures").write_bytes(good.read_bytes())
    changed = with_content(tmp_path / "pictures", lambda content: change(content["parameters"]))
    with pytest.raises(SavedFileError, match=found):
        skmmrr.load(changed, limits={"tiles_per_pixel": 50})
    skmmrr.load(good, limits={"pixels": 144, "tiles_per_pixel": 4})


@pytest.mark.parametrize("change", [{"grid": 512}, {"shape": [512, 512, 152]}])
def test_places_of_feature_maps_are_limited(change, tmp_path):
    good = Path(__file__).parent / "saved" / "v1_patches.safetensors"
    (tmp_path / "patches").write_bytes(good.read_bytes())
    fitted = with_content(
        tmp_path / "patches", lambda content: content["fitted"]["extractor_"].update(change)
    )
    with pytest.raises(SavedFileError, match="'places' is 262144, more than the limit of 65536"):
        skmmrr.load(fitted)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda c: c["fitted"].pop("n_iter_"), "'fitted' must be an object with the keys"),
        (lambda c: c["fitted"].pop("offset_"), "'offset_' and 'threshold_params_', or neither"),
        (lambda c: c["fitted"].update(_fit=1), "'fitted' must be an object with the keys"),
        (lambda c: c["fitted"].update(offset_="1"), "'offset_' must be a finite number"),
        (lambda c: c["fitted"].update(offset_=float("nan")), "NaN is not a number"),
        (lambda c: c["fitted"].update(offset_=10**40), "41 digits"),
        (lambda c: c["fitted"].update(n_features_in_=6), "'n_features_in_' must be 5"),
        (lambda c: c["fitted"]["spec_"].update(seed=-1), "'spec_.seed' must be an integer from 0"),
        (lambda c: c["fitted"]["spec_"]["sizes"].update(width=5), "the weight '0.embedding"),
        (lambda c: c["fitted"]["spec_"]["sizes"].update(n_blocks=10**6), "blocks of networks"),
        (lambda c: c["fitted"]["network_"].pop(), "arrays that belong nowhere"),
        (lambda c: c["parameters"].pop("n_levels"), "'parameters' must be an object"),
        (lambda c: c["parameters"].update(n_levels=10**9), "'n_levels' is 1000000000, more than"),
        (lambda c: c["parameters"].update(mask="iron"), "parts do not agree: The parameter 'mask'"),
        (lambda c: c["parameters"].update(device="toaster"), "parts do not agree: .*toaster"),
        (
            lambda c: c["parameters"].update(verbose="much"),
            "'verbose' of MMRRDetector must be an int",
        ),
    ],
)
def test_what_a_file_must_be_is_told(saved, change, found):
    expected = f"(?s)changed is not a detector.*{found}.*Save it again"
    with pytest.raises(SavedFileError, match=expected):
        skmmrr.load(with_content(saved[1], change))


def test_missing_file_and_unfitted_detector(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        skmmrr.load(tmp_path / "nowhere")
    with pytest.raises(NotFittedError):
        MMRRDetector().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_an_attribute_of_ones_own_is_not_saved(vectors, tmp_path):
    detector = KDEDetector().fit(vectors)
    detector.note_ = "mine"
    with pytest.raises(TypeError, match="'note_', which no fit gives it"):
        detector.save(tmp_path / "model")


def test_code_as_a_parameter_is_refused(vectors, tmp_path):
    for features in (torch.nn.Identity(), np.abs):
        detector = DeepKNNDetector(features).fit(vectors)
        for later in ({}, {"features": None}):
            with pytest.raises(TypeError, match=r"'features' .* joblib"):
                detector.set_params(**later).save(tmp_path / "model")


def test_a_random_state_is_not_saved(vectors, tmp_path):
    detector = KDEDetector(random_state=np.random.RandomState(0)).fit(vectors)
    with pytest.warns(UserWarning, match="RandomState, which is not saved"):
        detector.save(tmp_path / "model")
    assert skmmrr.load(tmp_path / "model").random_state is None


def test_without_safetensors_the_extra_is_named(monkeypatch, saved, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"skmmrr\[files\]"):
        saved[0].save(tmp_path / "model")
    with pytest.raises(ImportError, match=r"skmmrr\[files\]"):
        skmmrr.load(saved[1])
