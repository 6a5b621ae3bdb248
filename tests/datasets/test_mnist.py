"""IDX files: read where they lie, refused where they are damaged."""

import gzip
import struct

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmmrr.datasets import get_data_home, load_mnist

IMAGES = np.arange(3 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 0, 9], dtype=np.uint8)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write(folder, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
        content = idx(array)
        path = folder / f"t10k-{name}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content) if zipped else content)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("folder", ["", "mnist", "MNIST/raw"])
def test_reads_images_and_classes(tmp_path, folder, zipped):
    write(tmp_path / folder, zipped)
    mnist = load_mnist("test", data_home=tmp_path)
    assert_array_equal(mnist.images, IMAGES)
    assert_array_equal(mnist.data, IMAGES.reshape(3, 784))
    assert_array_equal(mnist.target, LABELS)
    assert mnist.target_names[7] == "7"


def test_resizes_by_bilinear_interpolation(tmp_path):
    write(tmp_path)
    mnist = load_mnist("test", size=(32, 32), data_home=tmp_path)
    assert (mnist.images.shape, mnist.data.shape) == ((3, 32, 32), (3, 1024))
    assert mnist.images.dtype == np.uint8
    # A pixel of the larger image lies between two of the smaller one, on each axis.
    places = np.clip((np.arange(32) + 0.5) * 28 / 32 - 0.5, 0, 27)
    rows = [np.interp(places, np.arange(28), column) for column in IMAGES[1].T.astype(float)]
    both = [np.interp(places, np.arange(28), row) for row in np.array(rows).T]
    assert_allclose(mnist.images[1].astype(float), both, atol=1.01)  # rounded on each axis


@pytest.mark.parametrize("size", [32, (0, 3), "32"])
def test_a_size_is_height_and_width(size, tmp_path):
    with pytest.raises((TypeError, ValueError), match="'size' of load_mnist must be"):
        load_mnist("test", size=size, data_home=tmp_path)


def test_looks_where_the_environment_says(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setenv("SKMMRR_DATA", str(tmp_path))
    assert len(load_mnist("test").images) == 3
    assert get_data_home("elsewhere").name == "elsewhere"
    monkeypatch.delenv("SKMMRR_DATA")
    assert get_data_home().parts[-2:] == (".cache", "skmmrr")


def test_a_missing_file_says_where_it_was_looked_for(tmp_path):
    write(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte.gz\n.*SKMMRR_DATA"):
        load_mnist("train", data_home=tmp_path)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda content: content[:-2], "1 bytes of data"),
        (lambda content: content + b"more", "bytes of data"),
        (lambda content: b"<html>not found</html>", "starts with 3c 68"),
        (lambda content: b"", "starts with nothing"),
        (lambda content: content[:7], "within its header"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, damage, found):
    write(tmp_path)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"labels-idx1-ubyte is damaged.*{found}"):
        load_mnist("test", data_home=tmp_path)


@pytest.mark.parametrize("keep", [10, -9])
def test_a_half_written_archive_is_named(tmp_path, keep):
    write(tmp_path, zipped=True)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"images-idx3-ubyte\.gz is damaged"):
        load_mnist("test", data_home=tmp_path)


def test_an_unknown_subset_is_refused():
    with pytest.raises(ValueError, match="'subset' of load_mnist must be one of"):
        load_mnist("validation")
