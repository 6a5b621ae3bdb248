"""The measurements of the baselines, on data small enough to see that they measure."""

import csv

import numpy as np
import pytest
from sklearn.utils import Bunch

from skmmrr.benchmark import classical, dn2, thesis, threads


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


def test_classical(monkeypatch, ten_classes):
    monkeypatch.setitem(classical._LOADERS, "mnist", ten_classes)
    head, _, first, second, mean = classical.measure_classical("mnist", [0, 3], None)
    assert head.count("|") == 8
    cells = [float(cell) for cell in second.split("|")[2:-1]]
    assert min(cells[0], cells[1], cells[3], cells[4]) > 0.9  # any detector tells the rows apart
    assert cells[2] == 0.95  # as printed
    assert first.startswith("| 0 |")
    assert mean.startswith("| mean |")


def test_dn2(monkeypatch, ten_classes):
    monkeypatch.setattr(dn2, "load_cifar10", ten_classes)
    *_, row, _ = dn2.measure_dn2([1], n_train=12, n_test=24, data_home=None)
    assert row.startswith("| 1 |")
    assert row.endswith(" 0.977 |")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_thesis_appends_and_resumes(monkeypatch, tmp_path, ten_classes):
    monkeypatch.setattr(thesis, "load_mnist", ten_classes)
    for model in thesis._MODELS.values():
        monkeypatch.setitem(model, "max_iter", 2)
    out = tmp_path / "thesis.csv"
    table = thesis.measure_thesis([4], [0], None, out)
    written = out.read_text()
    assert len(list(csv.DictReader(written.splitlines()))) == 8
    assert "| A_ws |" in table
    assert table.splitlines()[2].startswith("| AE |")
    assert thesis.measure_thesis([4], [0], None, out) == table
    assert out.read_text() == written
    thesis.measure_thesis([4, 5], [0], None, out)
    assert out.read_text().startswith(written)


def test_threads(monkeypatch):
    for name in list(threads._DETECTORS):
        if "MMRR" in name or "autoencoder" in name:
            monkeypatch.delitem(threads._DETECTORS, name)
    head, _, *rows = threads.measure_threads(8, n_test=20).splitlines()
    assert head.startswith("| detector |")
    assert [row.split(" | ")[1] for row in rows] == ["0.0e+00"] * 3
