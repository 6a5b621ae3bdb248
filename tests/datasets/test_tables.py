"""ADBench's files and CSV: labels become +1 and -1, and what is wrong is named."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmmrr.datasets import load_adbench, load_csv

X, Y = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 0, 1, 0, 1, 0])


@pytest.mark.parametrize("name", ["cardio", "6_cardio", "file"])
@pytest.mark.parametrize("folder", ["", "adbench"])
def test_adbench_by_name_or_file(tmp_path, folder, name):
    path = tmp_path / folder / "6_cardio.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez(path, X=X, y=Y)
    table = load_adbench(path if name == "file" else name, data_home=tmp_path)
    assert_array_equal(table.data, X)
    assert table.target.tolist() == [1, 1, -1, 1, -1, 1]


def test_adbench_says_where_it_looked(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"'musk'.*{tmp_path}"):
        load_adbench("musk", data_home=tmp_path)


@pytest.mark.parametrize(
    ("arrays", "found"),
    [({"X": X}, "y"), ({"X": X, "y": Y[:4]}, r"\(4,\)"), ({"X": Y, "y": Y}, r"\(6,\)")],
)
def test_adbench_of_other_arrays_is_refused(tmp_path, arrays, found):
    np.savez(tmp_path / "1_odd.npz", **arrays)
    with pytest.raises(ValueError, match=f"1_odd.npz is damaged.*{found}"):
        load_adbench("odd", data_home=tmp_path)


def test_adbench_cut_short_or_with_pickles_is_refused(tmp_path):
    path = tmp_path / "1_odd.npz"
    np.savez(path, X=X, y=Y)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"1_odd.npz is damaged"):
        load_adbench(path)
    np.savez(path, X=np.array([[object()]]), y=Y[:1])
    with pytest.raises(ValueError, match=r"1_odd.npz is damaged"):
        load_adbench(path)


def write(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


def test_csv_with_and_without_labels(tmp_path):
    path = write(tmp_path, "a, state,b\n1,0,2\n3,1,4.5\n")
    table = load_csv(path, target="state")
    assert_array_equal(table.data, [[1, 2], [3, 4.5]])
    assert table.target.tolist() == [1, -1]
    assert table.feature_names == ["a", "b"]
    assert load_csv(path).target is None
    assert load_csv(path).data.shape == (2, 3)


def test_csv_with_names_for_labels(tmp_path):
    path = write(tmp_path, 'a,state\n1,"good, new"\n2,broken\n')
    assert load_csv(path, target="state", anomaly_label="broken").target.tolist() == [1, -1]


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("a,b\n1,2\n3,x\n", None, r"'x' in line 3, column 'b'"),
        ("a,b\n1,2\n", "c", r"no column 'c'. It has \['a', 'b'\]"),
        ("a,b\n1,2\n1,3\n", "b", "anomaly_label"),
        ("a,b\n1,2\n1\n", None, "columns"),
    ],
)
def test_csv_that_is_wrong(tmp_path, text, target, message):
    with pytest.raises(ValueError, match=message):
        load_csv(write(tmp_path, text), target=target)
