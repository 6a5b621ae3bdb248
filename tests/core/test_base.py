"""Thresholds that every detector shares: by contamination, and conformal."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skmmrr.baselines import DeepKNNDetector, KDEDetector, OCSVMDetector

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def detector():
    return KDEDetector(random_state=0).fit(RNG.normal(size=(300, 2)))


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.3])
@pytest.mark.parametrize("detector_class", [KDEDetector, OCSVMDetector, DeepKNNDetector])
def test_the_conformal_rate_holds_on_average(detector_class, rate):
    detector = detector_class(random_state=0).fit(RNG.normal(size=(100, 2)))
    fresh = RNG.normal(size=(20_000, 2))
    scores = detector.score_samples(fresh)
    flagged = []
    for _ in range(200):
        calibration = RNG.choice(len(fresh), 60, replace=False)
        detector.calibrate(fresh[calibration], false_positive_rate=rate)
        flagged.append(np.mean(scores < detector.offset_))
    assert rate - 0.02 < np.mean(flagged) < rate + 0.01
    assert np.mean(flagged) <= np.floor(rate * 61) / 61 + 0.01


def test_the_threshold_is_the_score_that_the_rate_allows_below(detector):
    X = RNG.normal(size=(99, 2))
    detector = clone(detector).fit(X).calibrate(X, false_positive_rate=0.1)
    assert (detector.predict(X) == -1).sum() == 9
    assert np.sort(detector.score_samples(X))[9] == detector.offset_


def test_p_values_count_calibration_scores_that_are_not_higher(detector):
    X, fresh = RNG.normal(size=(50, 2)), RNG.normal(size=(20, 2))
    detector = clone(detector).fit(RNG.normal(size=(80, 2))).calibrate(X)
    expected = [
        (1 + np.sum(detector.score_samples(X) <= score)) / 51
        for score in detector.score_samples(fresh)
    ]
    assert_allclose(detector.p_values(fresh), expected)
    assert detector.p_values([[99.0, 99.0]]) == 1 / 51


def test_p_values_of_normal_samples_are_uniform(detector):
    detector.calibrate(RNG.normal(size=(2000, 2)))
    p = detector.p_values(RNG.normal(size=(2000, 2)))
    assert_allclose(np.quantile(p, [0.05, 0.5, 0.95]), [0.05, 0.5, 0.95], atol=0.03)


def test_flagged_samples_are_those_of_low_p_values():
    X, fresh = RNG.normal(size=(99, 2)), RNG.normal(size=(500, 2))
    detector = DeepKNNDetector(random_state=0).fit(RNG.normal(size=(80, 2)))
    detector.calibrate(X, false_positive_rate=0.1)
    assert_array_equal(detector.predict(fresh) == -1, detector.p_values(fresh) < 0.1 + 1e-9)


def test_too_few_samples_for_the_rate_say_how_many_are_needed(detector):
    with pytest.raises(ValueError, match=r"at least 19 normal .* Got 18: .* rate of 0.0527 or"):
        detector.calibrate(RNG.normal(size=(18, 2)), false_positive_rate=0.05)
    detector.calibrate(RNG.normal(size=(19, 2)), false_positive_rate=0.05)


@pytest.mark.parametrize("n", [6, 18, 48, 110, 1999])
def test_the_needed_number_and_the_suggested_rate_are_enough(detector, n):
    X = RNG.normal(size=(n, 2))
    detector.calibrate(X, false_positive_rate=1 / (n + 1))
    with pytest.raises(ValueError, match="ask for a rate of") as refused:
        detector.calibrate(X, false_positive_rate=0.9 / (n + 1))
    suggested = float(str(refused.value).split("ask for a rate of ")[1].split()[0])
    detector.calibrate(X, false_positive_rate=suggested)


@pytest.mark.parametrize("rate", [0, 1, -0.1])
def test_bad_rates(detector, rate):
    with pytest.raises(ValueError, match=r"'false_positive_rate' .* \(0, 1\)"):
        detector.calibrate([[0.0, 0.0]] * 30, false_positive_rate=rate)


def test_a_failed_calibration_changes_nothing(detector):
    detector.calibrate(RNG.normal(size=(60, 2)), false_positive_rate=0.1)
    before = detector.offset_, detector.calibration_scores_
    with pytest.raises(ValueError, match="at least 99"):
        detector.calibrate(RNG.normal(size=(60, 2)), false_positive_rate=0.01)
    assert (detector.offset_, detector.calibration_scores_) == before


def test_p_values_need_a_calibration_and_follow_the_parameters():
    detector = DeepKNNDetector().fit(RNG.normal(size=(50, 2)))
    with pytest.raises(NotFittedError, match="calibrate"):
        detector.p_values([[0.0, 0.0]])
    detector.calibrate(RNG.normal(size=(50, 2))).set_params(n_neighbors=5)
    with pytest.raises(NotFittedError, match="calibrate"):
        detector.p_values([[0.0, 0.0]])


def test_warnings_point_at_the_line_that_fits_or_calibrates():
    X = np.ones((5, 2))
    with pytest.warns(UserWarning, match="same score") as at_fit:
        detector = KDEDetector(contamination=0.1).fit(X)
    with pytest.warns(UserWarning, match="same score") as at_calibration:
        detector.calibrate(X)
    assert at_fit[0].filename == at_calibration[0].filename == __file__


def test_a_refit_forgets_the_calibration(detector):
    detector.calibrate(RNG.normal(size=(60, 2)))
    detector.fit(RNG.normal(size=(60, 2)))
    with pytest.raises(NotFittedError, match="calibrate"):
        detector.p_values([[0.0, 0.0]])
