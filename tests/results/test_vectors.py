import numpy as np

from .conftest import columns


def test_adbench_files_are_split_by_their_labels(load, tmp_path):
    X, y = np.arange(20.0).reshape(10, 2), np.repeat([0, 1], 5)
    np.savez(tmp_path / "set.npz", X=X, y=y)
    train, test, labels = load("vectors")._adbench(tmp_path / "set.npz", seed=0)
    assert train.shape == (3, 2)
    assert labels.tolist() == [1, 1, -1, -1, -1, -1, -1]
    assert (test[2:] == X[5:]).all()


def test_blobs_are_told_from_uniform_outliers(load):
    (row,) = load("vectors").measure_vectors([], seeds=[0])
    assert row["data"] == "blobs"
    assert list(row) == columns("vectors")
    assert float(row["MMRR"]) > 0.9
    assert float(row["MMRR, no bins"]) > 0.95
