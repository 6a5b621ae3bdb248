"""Python batches of CIFAR: arrays are read from them and nothing else is run."""

import contextlib
import os
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmmrr.datasets import load_cifar10, load_cifar100

PLANES = np.random.default_rng(0).integers(256, size=(2, 3072), dtype=np.uint8)


def write(folder, batch):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))


def test_reads_images_with_their_channels_last(tmp_path):
    write(tmp_path / "cifar-10-batches-py", {b"data": PLANES, b"labels": [3, 9]})
    cifar = load_cifar10("test", data_home=tmp_path)
    assert cifar.images.shape == (2, 32, 32, 3)
    assert_array_equal(cifar.images[1, :, :, 2], PLANES[1, 2048:].reshape(32, 32))
    assert_array_equal(cifar.data, cifar.images.reshape(2, 3072))
    assert [cifar.target_names[label] for label in cifar.target] == ["cat", "truck"]


def test_joins_the_training_batches(tmp_path):
    for i in range(1, 6):
        batch = {b"data": PLANES[:1], b"labels": [i]}
        (tmp_path / f"data_batch_{i}").write_bytes(pickle.dumps(batch, protocol=2))
    assert load_cifar10(data_home=tmp_path).target.tolist() == [1, 2, 3, 4, 5]


class Attack:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        (Attack(), "asks for"),
        ([1, 2], "no data and labels"),
        ({b"labels": [1]}, "no data and labels"),
        ({b"data": PLANES, b"labels": [1]}, r"shape \(2, 3072\)"),
    ],
)
def test_another_pickle_is_refused_and_not_run(tmp_path, batch, found):
    write(tmp_path, batch)
    with pytest.raises(ValueError, match=f"test_batch is damaged.*{found}"):
        load_cifar10("test", data_home=tmp_path)


def test_a_half_written_file_is_named(tmp_path):
    write(tmp_path, {b"data": PLANES, b"labels": [3, 9]})
    path = tmp_path / "test_batch"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="test_batch is damaged"):
        load_cifar10("test", data_home=tmp_path)


def test_altered_batches_are_named(tmp_path):
    write(tmp_path, {b"data": PLANES, b"labels": [3, 9]})
    path, rng = tmp_path / "test_batch", np.random.default_rng(0)
    content = path.read_bytes()
    for _ in range(300):
        altered = bytearray(content)
        altered[rng.integers(200)] = rng.integers(256)
        path.write_bytes(altered)
        with contextlib.suppress(ValueError):  # what still reads as a batch may
            load_cifar10("test", data_home=tmp_path)


def test_a_missing_batch_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="cifar-10-batches-py/data_batch_1"):
        load_cifar10(data_home=tmp_path)


COARSE, FINE = ["aquatic_mammals", "fish"], ["beaver", "shark", "dolphin"]


def write_cifar100(folder, **changed):
    """Two test images, of a shark and of a dolphin."""
    folder.mkdir(parents=True, exist_ok=True)
    batch = {b"data": PLANES, b"coarse_labels": [1, 0], b"fine_labels": [1, 2]}
    meta = {b"coarse_label_names": [n.encode() for n in COARSE]}
    meta[b"fine_label_names"] = [n.encode() for n in FINE]
    for name, content in ({"test": batch, "meta": meta} | changed).items():
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("folder", ["", "cifar-100-python"])
@pytest.mark.parametrize(
    ("labels", "names", "found"),
    [("coarse", COARSE, ["fish", "aquatic_mammals"]), ("fine", FINE, ["shark", "dolphin"])],
)
def test_cifar100_has_coarse_and_fine_classes(tmp_path, folder, labels, names, found):
    write_cifar100(tmp_path / folder)
    cifar = load_cifar100("test", labels=labels, data_home=tmp_path)
    assert cifar.target_names == names
    assert [cifar.target_names[label] for label in cifar.target] == found
    assert_array_equal(cifar.images[1, :, :, 2], PLANES[1, 2048:].reshape(32, 32))
    assert_array_equal(cifar.data, cifar.images.reshape(2, 3072))
    assert cifar.target.dtype == np.int64


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"test": Attack()}, "test is damaged.*asks for"),
        ({"test": {b"data": PLANES, b"labels": [1, 0]}}, "test is .*no data and coarse labels"),
        ({"meta": {b"fine_label_names": [b"a"]}}, "meta is damaged.*no coarse label names"),
        ({"meta": {b"coarse_label_names": [3]}}, "meta is damaged.*no coarse label names"),
        ({"meta": {b"coarse_label_names": [b"fish"]}}, "test is damaged.*label 1, and names of 1"),
    ],
)
def test_altered_files_of_cifar100_are_named(tmp_path, changed, found):
    write_cifar100(tmp_path, **changed)
    with pytest.raises(ValueError, match=found):
        load_cifar100("test", data_home=tmp_path)


def test_what_is_not_there_of_cifar100(tmp_path):
    with pytest.raises(FileNotFoundError, match="cifar-100-python/train"):
        load_cifar100(data_home=tmp_path)
    with pytest.raises(ValueError, match=r"'labels' of load_cifar100 must be .*coarse"):
        load_cifar100(labels="rough")
