"""CIFAR-10's Python batches: arrays are read from them and nothing else is run."""

import contextlib
import os
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmmrr.datasets import load_cifar10

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
