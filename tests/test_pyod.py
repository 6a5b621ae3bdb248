"""The adapters: what PyOD's own tests pin for its detectors, and what users mix them with."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pyod.models.base import BaseDetector
from pyod.models.lscp import LSCP
from pyod.utils.data import generate_data
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from skmmrr import MMRRDetector, Network, Training
from skmmrr import pyod as adapters
from skmmrr.pyod import KDE, KNN, MLSAD, MMRR, OCSVM, RotationAutoencoder

QUICK = {
    "MMRR": MMRR(n_levels=10, random_state=0),
    "OCSVM": OCSVM(random_state=0),
    "KDE": KDE(random_state=0),
    "KNN": KNN(random_state=0),
}


@pytest.fixture(scope="module")
def data():
    """200 and 100 vectors, a tenth of them abnormal: X, X_test, y, y_test."""
    return generate_data(n_train=200, n_test=100, contamination=0.1, random_state=42)


@pytest.fixture(scope="module", params=QUICK)
def fitted(request, data):
    return clone(QUICK[request.param]).fit(data[0])


# PyOD's contract


def test_training_attributes(fitted, data):
    assert isinstance(fitted, BaseDetector)
    assert fitted.decision_scores_.shape == (200,)
    assert set(fitted.labels_) == {0, 1}
    assert fitted.labels_.sum() == 20
    assert fitted.threshold_ == np.percentile(fitted.decision_scores_, 90)
    assert roc_auc_score(data[2], fitted.decision_scores_) >= 0.8


def test_scores_and_labels_of_new_samples(fitted, data):
    _, X_test, _, y_test = data
    scores = fitted.decision_function(X_test)
    assert roc_auc_score(y_test, scores) >= 0.8
    assert_array_equal(fitted.predict(X_test), (scores > fitted.threshold_).astype(int))
    assert_array_equal(scores, -fitted.detector_.score_samples(X_test))


@pytest.mark.parametrize("method", ["linear", "unify"])
def test_probabilities_and_confidence(fitted, data, method):
    probability, confidence = fitted.predict_proba(data[1], method=method, return_confidence=True)
    assert probability.shape == (100, 2)
    assert probability.min() >= 0
    assert probability.sum(axis=1) == pytest.approx(1)
    assert confidence.shape == (100,)
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_an_unknown_method_is_refused(fitted, data):
    with pytest.raises(ValueError, match="something"):
        fitted.predict_proba(data[1], method="something")


@pytest.mark.filterwarnings("ignore:The cost of rejection:UserWarning")
def test_prediction_with_rejection(fitted, data):
    labels, statistics = fitted.predict_with_rejection(data[1], return_stats=True)
    assert set(labels) <= {-2, 0, 1}
    assert 0 <= statistics[0] <= 1


@pytest.mark.parametrize("normalized", [False, True])
def test_ranks_follow_the_scores(fitted, data, normalized):
    ranks = fitted._predict_rank(data[1], normalized=normalized)
    scores = fitted.decision_function(data[1])
    assert np.abs(rankdata(ranks) - rankdata(scores)).max() <= 3  # as PyOD's own
    assert ranks.min() >= 0
    assert ranks.max() <= (1 if normalized else 200)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("scoring", ["roc_auc_score", "prc_n_score"])
def test_methods_that_pyod_has_deprecated(data, scoring, capsys):
    detector = clone(QUICK["KNN"])
    assert_array_equal(detector.fit_predict(data[0]), detector.labels_)
    assert detector.fit_predict_score(data[1], data[3], scoring=scoring) > 0.5


def test_labels_are_not_wanted(data):
    with pytest.warns(UserWarning, match="y should not be presented"):
        clone(QUICK["KNN"]).fit(data[0], data[2])


# Clones and files


def test_clones_by_the_parameters_of_the_detector_inside(fitted):
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    assert not hasattr(again, "detector_")


def test_parameters_are_the_detectors_but_for_contamination():
    own, inside = (inspect.signature(c).parameters for c in (MMRR, MMRRDetector))
    assert list(own) == list(inside)
    assert own["contamination"].default == 0.1
    assert own["n_levels"].default == inside["n_levels"].default
    assert MMRR(7).set_params(refine=False).get_params()["n_levels"] == 7


def test_pickles(fitted, data):
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.decision_function(data[1]), fitted.decision_function(data[1]))
    assert again.threshold_ == fitted.threshold_


# Thresholds, combinations, images


class Threshold:
    """What PyThresh's objects have."""

    def fit(self, scores):
        self.thresh_ = np.sort(scores)[-5]
        self.labels_ = (scores >= self.thresh_).astype(int)

    def predict(self, scores):
        return (scores >= self.thresh_).astype(int)


def test_threshold_objects_as_contamination(data):
    detector = KNN(contamination=Threshold()).fit(data[0])
    assert detector.labels_.sum() == 5
    assert_array_equal(
        detector.predict(data[1]),
        detector.contamination.predict(detector.decision_function(data[1])),
    )


@pytest.mark.parametrize("contamination", [0, 0.6, "auto"])
def test_other_contamination_is_refused(contamination):
    with pytest.raises((TypeError, ValueError), match=r"'contamination' of KNN .* \(0, 0.5\]"):
        KNN(contamination=contamination)


def test_the_threshold_is_one_for_new_samples(fitted):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(300, 6)), rng.normal(size=(2000, 6))
    detector = clone(fitted).fit(X)
    assert detector.labels_.sum() == 30
    assert 0.05 < detector.predict(new).mean() < 0.15


def test_training_samples_that_are_kept_are_scored_without_themselves(data):
    detector = KNN(n_neighbors=1).fit(data[0])
    assert (detector.decision_scores_ > 0).all()
    assert_array_equal(detector.decision_scores_, detector.decision_function(data[0]))


def test_ensembles_of_pyod_take_the_detectors(data):
    detectors = [clone(detector) for detector in QUICK.values()]
    ensemble = LSCP(detectors, n_bins=len(detectors), random_state=0).fit(data[0])
    assert roc_auc_score(data[3], ensemble.decision_function(data[1])) >= 0.8


@pytest.mark.parametrize("adapter", [RotationAutoencoder, MLSAD])
def test_images(adapter, images):
    detector = adapter(max_iter=4, training=Training(batch_size=16), random_state=0)
    detector.fit(images[:40])
    assert detector.predict_proba(images[40:50]).shape == (10, 2)
    assert detector.detector_.anomaly_map(images[:2]).shape == (2, 8, 8)


def test_every_adapter_is_public_and_documented():
    for name in adapters.__all__:
        assert issubclass(getattr(adapters, name), BaseDetector)
        assert "for PyOD" in getattr(adapters, name).__doc__


def test_without_pyod_the_extra_is_named():
    code = "import sys; sys.modules['pyod'] = None; import skmmrr.pyod"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'skmmrr[pyod]'" in result.stderr


def test_groups_of_parameters_are_reached_on_a_copy():
    sizes = Network(width=8)
    detector = MMRR(network=sizes).set_params(network__width=4, training__batch_size=3)
    assert detector.network.width == 4
    assert detector.training.batch_size == 3
    assert sizes.width == 8
    with pytest.raises(ValueError, match="There is no parameter network__depth of MMRR"):
        detector.set_params(network__depth=3)


def test_a_fit_that_fails_leaves_the_detector_of_before(data, monkeypatch):
    X, X_test, _, _ = data
    detector = OCSVM(random_state=0).fit(X)
    labels, threshold = detector.predict(X_test), detector.threshold_
    monkeypatch.setattr(OCSVM, "_process_decision_scores", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        detector.fit(X[:50])
    assert detector.threshold_ == threshold
    assert_array_equal(detector.predict(X_test), labels)
