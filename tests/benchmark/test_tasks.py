"""Data sets by name, cut by the papers' protocols; what is missing is told at once."""

import gzip
import pickle
import struct

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits

from skmmrr.benchmark import find_tasks, tasks
from skmmrr.benchmark.tasks import array_tasks


def write_idx(folder, n_train=40, n_test=20):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        for name, shape in (("images-idx3", (n, 28, 28)), ("labels-idx1", (n,))):
            array = rng.integers(256, size=shape) if len(shape) == 3 else np.arange(n) % 10
            header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
            content = gzip.compress(header + array.astype(np.uint8).tobytes())
            (folder / f"{prefix}-{name}-ubyte.gz").write_bytes(content)


def test_digits_split_by_seed():
    (task,) = find_tasks("digits", classes=["3"])
    split, again, other = task.load(0), task.load(0), task.load(1)
    n = (load_digits().target == 3).sum()
    assert len(split.train) == int(0.6 * n)
    assert (split.y_test == 1).sum() == n - len(split.train)
    assert not {image.tobytes() for image in split.train} & {i.tobytes() for i in split.test}
    assert_array_equal(split.train, again.train)
    assert not np.array_equal(split.train, other.train)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_classes_by_name_and_number_under_the_protocols(tmp_path, name):
    write_idx(tmp_path / name)
    found = find_tasks(name, data_home=tmp_path)
    assert len(found) == 10
    assert find_tasks(name, classes=[found[4].label], data_home=tmp_path)[0].label == found[4].label
    (task,) = find_tasks(name, classes=["4"], data_home=tmp_path)
    split = task.load(0)
    assert (len(split.train), len(split.test), (split.y_test == 1).sum()) == (4, 20, 2)
    (task,) = find_tasks(name, classes=["4"], protocol="class anomalous", data_home=tmp_path)
    split = task.load(0)
    assert (len(split.train), (split.y_test == -1).sum()) == (36, 2)
    pooled = {"protocol": "class anomalous, pooled", "data_home": tmp_path}
    (task,) = find_tasks(name, classes=["4"], **pooled)
    split = task.load(0)
    assert (len(split.train), (split.y_test == 1).sum(), (split.y_test == -1).sum()) == (43, 11, 6)
    assert not np.array_equal(split.train, task.load(1).train)


def test_mnist_at_the_papers_size(tmp_path):
    write_idx(tmp_path / "mnist")
    (task,) = find_tasks("mnist:32", classes=["4"], data_home=tmp_path)
    split = task.load(0)
    assert task.dataset == "mnist:32"
    assert (split.train.shape, split.test.shape) == ((4, 32, 32), (20, 32, 32))
    with pytest.raises(ValueError, match=r"size of mnist:big must be .*pixels. Got 'big'"):
        find_tasks("mnist:big", data_home=tmp_path)


def test_cifar100_has_a_task_for_each_coarse_class(tmp_path):
    names = [b"class %d" % i for i in range(20)]
    for name, n in (("train", 40), ("test", 20)):
        batch = {b"data": np.zeros((n, 3072), np.uint8), b"coarse_labels": [*range(20)] * (n // 20)}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol=2))
    (tmp_path / "meta").write_bytes(pickle.dumps({b"coarse_label_names": names}, protocol=2))
    found = find_tasks("cifar100", data_home=tmp_path)
    assert [task.label for task in found] == [f"class {i}" for i in range(20)]
    split = found[3].load(0)
    assert (split.train.shape, (split.y_test == 1).sum()) == ((2, 32, 32, 3), 1)


def test_development_leaves_the_test_images_alone(tmp_path):
    write_idx(tmp_path / "mnist")
    (task,) = find_tasks("mnist", classes=["4"], protocol="development", data_home=tmp_path)
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz").unlink()
    tasks._load.cache_clear()
    split, mnist = task.load(0), tasks.load_mnist("train", data_home=tmp_path)
    own = {image.tobytes() for image in mnist.images[mnist.target == 4]}
    train, normal, others = (
        {image.tobytes() for image in images}
        for images in (split.train, split.test[split.y_test == 1], split.test[split.y_test == -1])
    )
    assert (len(split.train), list(split.y_test)) == (3, [1, -1])
    assert train | normal == own
    assert not train & normal
    assert not others & own
    assert others <= {image.tobytes() for image in mnist.images}


def test_takes_some_samples_of_all_classes(tmp_path):
    (digits,) = find_tasks("digits", classes=["0"], n_test=50)  # sorted: normal ones come first
    assert set(digits.load(0).y_test) == {-1, 1}
    with pytest.raises(ValueError, match="n_test"):
        find_tasks("digits", n_test=0)
    write_idx(tmp_path / "mnist")
    task = find_tasks("mnist", data_home=tmp_path, n_train=2, n_test=7)[0]
    split = task.load(0)
    assert (task.subset, len(split.train), len(split.test), len(split.y_test)) == ("2/7", 2, 7, 7)


def test_augmentation_adds_a_changed_copy_of_each_image(tmp_path, monkeypatch):
    write_idx(tmp_path / "mnist")
    monkeypatch.setitem(tasks._LOADERS, "cifar10", tasks.load_mnist)
    plain, augmented = (
        find_tasks(name, data_home=tmp_path)[0].load(0) for name in ("cifar10", "cifar10+aug")
    )
    assert_array_equal(augmented.train[: len(plain.train)], plain.train)
    assert len(augmented.train) == 2 * len(plain.train)
    assert not np.array_equal(augmented.train[len(plain.train) :], plain.train)
    assert_array_equal(augmented.test, plain.test)


@pytest.mark.parametrize(
    ("protocol", "n_train", "n_anomalies"),
    [("pyod", 60, None), ("adbench", 70, 14), ("novelty", 48, 0), ("adbench-novelty", 40, 0)],
)
def test_tables_are_split_and_standardised(tmp_path, protocol, n_train, n_anomalies):
    X = np.random.default_rng(0).normal(5, 3, size=(100, 4))
    X[::5, 0] = 100  # tells anomalies in the training samples
    np.savez(tmp_path / "1_parts.npz", X=X, y=np.arange(100) % 5 == 0)
    (task,) = find_tasks("adbench:parts", protocol=protocol, data_home=tmp_path)
    split = task.load(0)
    assert (len(split.train), len(split.train) + len(split.test)) == (n_train, 100)
    assert split.train.mean(axis=0) == pytest.approx(0, abs=1e-9)
    if n_anomalies is not None:
        assert (split.y_test == -1).sum() == 20 - n_anomalies


def test_adbench_novelty_trains_on_ten_thousand_at_most(tmp_path, monkeypatch):
    monkeypatch.setitem(tasks._MOST_TRAINING, "adbench-novelty", 30)
    np.savez(tmp_path / "1_parts.npz", X=np.arange(200.0).reshape(100, 2), y=np.arange(100) < 20)
    (task,) = find_tasks("adbench:parts", protocol="adbench-novelty", data_home=tmp_path)
    split, other = task.load(0), task.load(1)
    assert (len(split.train), len(split.test), (split.y_test == -1).sum()) == (30, 70, 20)
    rows = np.concatenate([split.train, split.test])
    assert len(np.unique(rows, axis=0)) == 100  # each sample once
    assert not np.array_equal(split.train, other.train)


def test_resampled_tables_have_copies_of_training_samples_among_the_test_samples(tmp_path):
    protocol = {"protocol": "adbench-novelty, resampled", "data_home": tmp_path}
    X, y = np.arange(600.0).reshape(200, 3), np.arange(200) >= 180
    np.savez(tmp_path / "1_small.npz", X=X, y=y)
    split, other = (find_tasks("adbench:small", **protocol)[0].load(seed) for seed in (0, 1))
    assert len(split.train) + len(split.test) == 1000
    known = {row.tobytes() for row in split.train}
    assert np.mean([row.tobytes() in known for row in split.test[split.y_test == 1]]) > 0.8
    assert not known & {row.tobytes() for row in split.test[split.y_test == -1]}
    assert not np.array_equal(split.train[:50], other.train[:50])


def test_resampled_tables_of_a_thousand_are_halved_in_the_order_of_the_file(tmp_path):
    X, y = np.arange(3000.0).reshape(1000, 3), np.arange(1000) >= 900
    np.savez(tmp_path / "1_large.npz", X=X, y=y)
    protocol = {"protocol": "adbench-novelty, resampled", "data_home": tmp_path}
    split = find_tasks("adbench:large", **protocol)[0].load(0)
    assert (len(split.train), len(split.test), (split.y_test == -1).sum()) == (450, 550, 100)
    assert (np.diff(split.train[:, 0]) > 0).all()


def test_all_tables_that_are_there(tmp_path):
    (tmp_path / "adbench").mkdir()
    for name in ("10_b", "2_a"):
        np.savez(tmp_path / "adbench" / f"{name}.npz", X=np.eye(4), y=[0, 0, 0, 1])
    assert [t.dataset for t in find_tasks("adbench", data_home=tmp_path)] == [
        "adbench:2_a",
        "adbench:10_b",
    ]


def test_mvtec_brings_masks(tmp_path):
    root = tmp_path / "mvtec_ad" / "nut"
    for place in (
        "train/good/0.png",
        "test/good/0.png",
        "test/cut/0.png",
        "ground_truth/cut/0_mask.png",
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L" if "mask" in place else "RGB", (32, 32), "white").save(root / place)
    (task,) = find_tasks("mvtec:nut:16", data_home=tmp_path)
    split = task.load(0)
    assert split.train.shape == (1, 16, 16, 3)
    assert_array_equal(split.y_test, [-1, 1])
    assert_array_equal(split.masks.mean(axis=(1, 2)), [1, 0])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("imagenet", {}, "There is no data set 'imagenet'. There are digits, mnist"),
        ("digits", {"classes": ["ten"]}, "digits has no class 'ten'. It has 0, 1"),
        ("digits", {"protocol": "pyod"}, "'digits' has no protocol 'pyod'. It has class normal"),
        ("mvtec:bottle:big", {}, "must be a number of pixels. Got 'big'"),
    ],
)
def test_wrong_names(name, options, message):
    with pytest.raises(ValueError, match=message):
        find_tasks(name, **options)


@pytest.mark.parametrize("name", ["mnist", "cifar10", "mvtec:bottle", "adbench", "adbench:cardio"])
def test_missing_data_is_told_before_anything_runs(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="SKMMRR_DATA"):
        find_tasks(name, data_home=tmp_path)


def test_folds_of_samples_at_hand():
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 4 == 0
    found = [task.load(0) for task in array_tasks(X, y, 3)]
    assert sorted(np.concatenate([split.test[:, 0] for split in found])) == sorted(X[:, 0])
    assert all(set(split.train[:, 0]) <= set(X[~y][:, 0]) for split in found)
    unlabelled = [task.load(0) for task in array_tasks(X, None, 4)]
    assert sorted(np.concatenate([split.test[:, 0] for split in unlabelled])) == sorted(X[:, 0])
    assert all((split.y_test == 1).all() for split in unlabelled)
