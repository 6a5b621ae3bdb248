"""Scripts on ADBench's tables: missing values, and copies of training samples."""

import numpy as np
import pytest

from .conftest import columns


@pytest.fixture
def data_home(tmp_path):
    """A table of five features of one factor, that anomalies break."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 1)) * [1, -1, 1, 2, 1] + 0.1 * rng.normal(size=(150, 5))
    X[:30] = rng.normal(size=(30, 5))
    (tmp_path / "adbench").mkdir()
    np.savez(tmp_path / "adbench" / "1_parts.npz", X=X, y=np.arange(150) < 30)
    return tmp_path


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_missing(load, monkeypatch, data_home):
    missing = load("missing")
    monkeypatch.setitem(missing._QUICK, "max_iter", 40)
    rows = list(missing.measure_missing(["1_parts"], [0], data_home))
    assert [row["missing"] for row in rows] == ["0%", "10%", "30%"]
    assert all(float(row[way]) > 0.6 for row in rows for way in ("masked", "mean", "median"))
    assert rows[0]["masked"] == rows[0]["mean"] == rows[0]["median"]
    assert rows[1]["masked"] != rows[1]["mean"]
    assert list(rows[0]) == columns("missing")


def test_values_are_removed_at_random_but_for_one(load):
    X = np.arange(4000.0).reshape(1000, 4)
    holes = load("missing")._without(X, 0.9, np.random.default_rng(0))
    assert not np.isnan(holes).all(axis=1).any()
    assert np.isnan(holes).mean() == pytest.approx(0.9 * 3 / 4, abs=0.02)
    assert (holes[~np.isnan(holes)] == X[~np.isnan(holes)]).all()


def test_projections(load, monkeypatch, data_home):
    projections = load("projections")
    monkeypatch.setattr(projections, "_DETECTORS", {"5-NN": projections._DETECTORS["5-NN"]})
    tables, blobs = projections.measure(["1_parts"], [2], [0, 1], data_home)
    assert (tables["data"], tables["features"], blobs["data"]) == ("tables", "2", "blobs")
    assert float(tables["5-NN"]) > 0.6
    assert float(blobs["5-NN"]) > 0.8
    assert [*tables, "MMRR", "MMRR, no bins"] == [*tables, *columns("projections")[2:4]]


def test_a_projection_is_of_columns_and_of_the_same_ones_again(load, data_home):
    columns_of = load("projections")._columns
    train, test, anomalous = columns_of("1_parts", 2, 0, data_home)
    assert train.shape[1] == test.shape[1] == 2
    assert (len(train), len(test), anomalous.sum()) == (60, 90, 30)
    assert (columns_of("1_parts", 2, 0, data_home)[0] == train).all()
