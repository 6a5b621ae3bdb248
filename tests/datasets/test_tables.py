"""ADBench's files and CSV: labels become +1 and -1, and what is wrong is named."""

import re
import sys

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
    with pytest.raises(FileNotFoundError, match=f"'musk'.*{re.escape(str(tmp_path))}"):
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
    np.savez_compressed(path, X=np.zeros((500, 3)), y=np.zeros(500))
    content = bytearray(path.read_bytes())
    content[100:130] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"1_odd.npz is damaged"):
        load_adbench(path)
    np.savez(path, X=np.array([[object()]]), y=Y[:1])
    with pytest.raises(ValueError, match=r"1_odd.npz is damaged"):
        load_adbench(path)


def write(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
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


def test_csv_as_excel_writes_it(tmp_path):
    (tmp_path / "table.csv").write_bytes("\ufeffy,a\r\n0,1\r\n1,5\r\n".encode())
    table = load_csv(tmp_path / "table.csv", target="y")
    assert table.target.tolist() == [1, -1]


def test_csv_label_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path, "a,state\n1,0\n2,1\n")
    assert load_csv(path, target="state", anomaly_label=1).target.tolist() == [1, -1]
    with pytest.raises(ValueError, match=r"no 'brokn' in its column 'state'. It has \['0', '1'\]"):
        load_csv(path, target="state", anomaly_label="brokn")
    with pytest.raises(ValueError, match="'anomaly_label' of load_csv needs 'target'"):
        load_csv(path, anomaly_label=1)


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("a,b\n1,2\n3,x\n", None, r"'x' in line 3, column 'b'"),
        ("a,b\n1,2\n", "c", r"no column 'c'. It has \['a', 'b'\]"),
        ("a,b\n1,2\n1,3\n", "b", "anomaly_label"),
        ("a,b\n\n1,2\n1\n", None, "'' in line 4, column 'b'"),
        ("a,b\n\n\n1,x\n", None, "'x' in line 4"),
        ("a,b\n1,2,3\n", None, "Expected 2 fields in line 2, saw 3"),
        ("a,b\n1,nan\n", None, "'nan' in line 2"),
        ("", None, "not a table with a header line"),
        ("a,b\n", None, "a header line and a row"),
    ],
)
def test_csv_that_is_wrong(tmp_path, text, target, message):
    with pytest.raises(ValueError, match=message):
        load_csv(write(tmp_path, text), target=target)


def test_csv_without_pandas_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"load_csv needs pandas.*skmmrr\[benchmark\]"):
        load_csv(write(tmp_path, "a\n1\n"))
