"""One call on data of one's own."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.svm import OneClassSVM

from skmmrr.benchmark import compare


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], [90, 15])
    return rng.normal(size=(105, 3)) + 4 * (y == -1)[:, None], y


def test_labelled(samples):
    X, y = samples
    upside_down = {"svm": OneClassSVM(), "forest": IsolationForest()}
    table = compare(X, y, upside_down)
    assert set(table.index) == {"svm", "forest"}
    assert table["auroc"].is_monotonic_decreasing
    assert (table["auroc"] > 0.95).all()
    assert (table["error"] == "").all()
    again = compare(X, y == -1, upside_down)
    assert again["auroc"].tolist() == table["auroc"].tolist()


def test_unlabelled(samples):
    table = compare(samples[0][:90], detectors=["KDE", "OC-SVM", IsolationForest()])
    assert "auroc" not in table
    assert table["agreement"].between(0.2, 1).all()
    assert table["false_positive_rate"].between(0, 0.5).all()


def test_a_detector_that_fails_is_told(samples):
    table = compare(*samples, ["KDE", "RotationAE"])  # which takes images alone
    assert np.isnan(table.loc["RotationAE", "auroc"])
    assert table.loc["RotationAE", "error"].startswith("ValueError: ")
    assert table.loc["KDE", "auroc"] > 0.9


def test_too_few_folds(samples):
    with pytest.raises(ValueError, match="n_splits"):
        compare(*samples, n_splits=1)
