"""Measurements on data small enough to see that they measure, and their committed files."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from skmmrr import MMRRDetector
from skmmrr.baselines import KDEDetector

from .conftest import FOLDER, columns


@pytest.fixture
def ten_classes():
    """A loader of images in which class k has a bright row k."""

    def load(subset, data_home=None):
        rng = np.random.default_rng(subset == "test")
        target = np.repeat(np.arange(10), 12)
        images = rng.integers(60, size=(120, 28, 28), dtype=np.uint8)
        images[np.arange(120), 2 * target] += 150
        names = [str(k) for k in range(10)]
        return Bunch(images=images, data=images.reshape(120, -1), target=target, target_names=names)

    return load


def test_classical(load, monkeypatch, ten_classes):
    classical = load("classical")
    monkeypatch.setitem(classical._LOADERS, "mnist", ten_classes)
    first, second, mean = classical.measure_classical("mnist", [0, 3], None)
    for name in ("OC-SVM", "OC-SVM peeking", "KDE", "KDE peeking"):
        assert float(second[name]) > 0.9  # any detector tells the classes apart
    assert second["OC-SVM published"] == "0.950"
    assert (first["class"], mean["class"]) == ("0", "mean")
    assert list(first) == columns("classical_mnist") == columns("classical_cifar10")


def test_dn2(load, monkeypatch, ten_classes):
    dn2 = load("dn2")
    monkeypatch.setitem(dn2._LOADERS, "cifar10", ten_classes)
    row, mean, published = dn2.measure_dn2("cifar10", [1], None)
    assert row["class"] == "1"
    assert row["unit length"] == mean["unit length"] > "0.9"
    assert published["unit length"] == "0.925"
    assert list(row) == columns("dn2_cifar10") == columns("dn2_fashion-mnist")


@pytest.fixture
def thesis(load, monkeypatch, ten_classes):
    thesis = load("thesis")
    monkeypatch.setattr(thesis, "_LOADERS", dict.fromkeys(thesis._LOADERS, ten_classes))
    for model in thesis._MODELS.values():
        monkeypatch.setitem(model, "max_iter", 2)
    return thesis


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_thesis_appends_and_resumes(thesis, tmp_path):
    out = tmp_path / "thesis.csv"
    thesis.measure_thesis("mnist", [4], [0], 25, None, out)
    written = out.read_text(encoding="utf-8")
    rows = pd.read_csv(out)
    assert rows.columns.tolist() == columns("thesis")
    assert len(rows) == 8
    assert thesis.tables(rows)["mnist_pooled_25_aupr"].index[:2].tolist() == ["AE", "Rotation"]
    thesis.measure_thesis("mnist", [4], [0], 25, None, out)
    assert out.read_text(encoding="utf-8") == written
    thesis.measure_thesis("mnist", [4, 5], [0], 25, None, out)
    assert out.read_text(encoding="utf-8").startswith(written)
    assert len(pd.read_csv(out)) == 16
    thesis.measure_thesis("fashion-mnist", [4], [0], 2, None, out)
    assert set(thesis.tables(pd.read_csv(out))) == {
        f"{name}_{table}"
        for name in ("mnist_pooled_25", "fashion-mnist_pooled_2")
        for table in ("aupr", "probability")
    }


def test_the_thesis_trains_for_its_epochs_with_the_sets_own_weights(load, monkeypatch):
    thesis, made = load("thesis"), []

    class Stopped(Exception):
        pass

    def detector(**parameters):
        made.append(parameters)
        raise Stopped

    monkeypatch.setattr(thesis, "RotationAutoencoderDetector", detector)
    with pytest.raises(Stopped):  # 48,600 images of five digits: 46,170 train, 721.4 batches
        next(thesis._rows(np.empty((48_600, 1)), None, np.ones(1), 0, 25, {"rotation_ratio": 2}))
    assert made[0]["max_iter"] == 18_036
    assert made[0]["rotation_ratio"] == 2


def test_splits_of_the_thesis(thesis):
    pooled, files = thesis.measure_splits("mnist", [4, 5], None)
    assert list(pooled) == columns("thesis_splits")
    # of 24 images a class, 44 normal ones test beside all 24, or 108 beside 12
    assert (pooled["share of anomalies"], files["share of anomalies"]) == ("0.353", "0.100")
    assert float(pooled["AUPR of principal components"]) > 0.353  # an unseen row is bright


def test_tables_of_the_thesis_are_those_of_its_rows(load):
    rows = pd.read_csv(FOLDER / "thesis.csv")
    for name, table in load("thesis").tables(rows).items():
        page = (FOLDER / f"thesis_{name}.csv").read_text(encoding="utf-8")
        assert table.to_csv(lineterminator="\n") == page


def test_threads(load, monkeypatch):
    threads = load("threads")
    for name in list(threads._DETECTORS):
        if "MMRR" in name or "autoencoder" in name:
            monkeypatch.delitem(threads._DETECTORS, name)
    rows = list(threads.measure_threads(8, n_test=20))
    assert list(rows[0]) == columns("threads")
    assert [row["difference"] for row in rows] == ["0.0e+00"] * 3


def test_levels(load, monkeypatch):
    levels = load("levels")
    monkeypatch.setattr(
        levels, "MMRRDetector", lambda **_: MMRRDetector(max_iter=5, random_state=0)
    )
    (row,) = levels.measure_levels([8])
    assert list(row) == columns("levels")
    assert float(row["Spearman, 8 nodes"]) > 0.8


def test_conformal(load, monkeypatch):
    conformal = load("conformal")
    monkeypatch.setattr(conformal, "MMRRDetector", lambda *_, **__: KDEDetector())
    rows = list(conformal.measure_conformal(rate=0.1, n_calibration=300, n_splits=2))
    assert len(rows) == 4
    assert list(rows[0]) == columns("conformal")
    assert all(0 < float(row["mean"]) < 0.3 for row in rows)


def test_thresholds(load):
    names = ["LOF", "OC-SVM", "2-NN"]
    rows = list(load("thresholds").measure_thresholds(names, seeds=[0]))
    assert [row["detector"] for row in rows] == 3 * names
    assert list(rows[0]) == columns("thresholds")
    assert all(0.05 < float(row["0.1"]) < 0.15 for row in rows)


def test_trimming(load, tmp_path):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(300, 3)), rng.normal(4, 0.1, size=(20, 3))])
    np.savez(tmp_path / "blobs.npz", X=X, y=np.repeat([0, 1], [300, 20]))
    (row,) = load("contaminated").measure_trimming([tmp_path / "blobs.npz"], seeds=[0])
    assert list(row) == columns("contaminated")
    assert float(row["2-NN"]) < 0.5 < 0.95 < float(row["2-NN, trimmed"])


def test_steps_on_idle_and_busy_cores(load, monkeypatch):
    threads = load("threads")
    monkeypatch.setattr(threads, "_IDLE", 1)
    monkeypatch.setattr(threads, "_BUSY", 1)
    monkeypatch.setattr(threads.multiprocessing, "cpu_count", lambda: 0)  # nobody is busy here
    (row,) = threads.measure_steps({"a table": ((4,), "mlp")})
    assert list(row) == columns("threads_steps")
    assert row["threads of a fit on two cores"] == "1"
    assert float(row["ms, 1 thread"]) > 0
