"""Thresholds that every detector shares: by contamination, and conformal."""

import copy
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import betabinom
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skmmrr import MMRRDetector, Network
from skmmrr.baselines import DeepKNNDetector, KDEDetector, OCSVMDetector


@pytest.fixture(scope="module")
def fitted():
    return KDEDetector(random_state=0).fit(np.random.default_rng(1).normal(size=(300, 2)))


@pytest.fixture
def detector(fitted):
    """Fitted, and the test's own: it may be calibrated and refitted."""
    return copy.deepcopy(fitted)


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.3])
@pytest.mark.parametrize("detector_class", [KDEDetector, OCSVMDetector, DeepKNNDetector])
def test_the_conformal_rate_holds_on_average(detector_class, rate, rng):
    detector = detector_class(random_state=0).fit(rng.normal(size=(100, 2)))
    fresh = rng.normal(size=(20_000, 2))
    scores = detector.score_samples(fresh)
    flagged = []
    for _ in range(200):
        calibration = rng.choice(len(fresh), 60, replace=False)
        detector.calibrate(fresh[calibration], false_positive_rate=rate)
        flagged.append(np.mean(scores < detector.offset_))
    assert rate - 0.02 < np.mean(flagged) < rate + 0.01
    assert np.mean(flagged) <= np.floor(rate * 61) / 61 + 0.01


def test_the_threshold_is_the_score_that_the_rate_allows_below(detector, rng):
    X = rng.normal(size=(99, 2))
    detector = clone(detector).fit(X).calibrate(X, false_positive_rate=0.1)
    assert (detector.predict(X) == -1).sum() == 9
    assert np.sort(detector.score_samples(X))[9] == detector.offset_


def test_p_values_count_calibration_scores_that_are_not_higher(detector, rng):
    X, fresh = rng.normal(size=(50, 2)), rng.normal(size=(20, 2))
    detector = clone(detector).fit(rng.normal(size=(80, 2))).calibrate(X)
    expected = [
        (1 + np.sum(detector.score_samples(X) <= score)) / 51
        for score in detector.score_samples(fresh)
    ]
    assert_allclose(detector.p_values(fresh), expected)
    assert detector.p_values([[99.0, 99.0]]) == 1 / 51


def test_p_values_of_normal_samples_are_uniform(detector, rng):
    detector.calibrate(rng.normal(size=(2000, 2)))
    p = detector.p_values(rng.normal(size=(2000, 2)))
    assert_allclose(np.quantile(p, [0.05, 0.5, 0.95]), [0.05, 0.5, 0.95], atol=0.03)


def test_flagged_samples_are_those_of_low_p_values(rng):
    X, fresh = rng.normal(size=(99, 2)), rng.normal(size=(500, 2))
    detector = DeepKNNDetector(random_state=0).fit(rng.normal(size=(80, 2)))
    detector.calibrate(X, false_positive_rate=0.1)
    assert_array_equal(detector.predict(fresh) == -1, detector.p_values(fresh) < 0.1 + 1e-9)


def test_too_few_samples_for_the_rate_say_how_many_are_needed(detector, rng):
    with pytest.raises(ValueError, match=r"at least 19 normal .* Got 18: .* rate of 0.0527 or"):
        detector.calibrate(rng.normal(size=(18, 2)), false_positive_rate=0.05)
    detector.calibrate(rng.normal(size=(19, 2)), false_positive_rate=0.05)


@pytest.mark.parametrize("n", [6, 18, 48, 110, 1999])
def test_the_needed_number_and_the_suggested_rate_are_enough(detector, n, rng):
    X = rng.normal(size=(n, 2))
    detector.calibrate(X, false_positive_rate=1 / (n + 1))
    with pytest.raises(ValueError, match="ask for a rate of") as refused:
        detector.calibrate(X, false_positive_rate=0.9 / (n + 1))
    suggested = float(str(refused.value).split("ask for a rate of ")[1].split()[0])
    detector.calibrate(X, false_positive_rate=suggested)


@pytest.mark.parametrize("rate", [0, 1, -0.1])
def test_bad_rates(detector, rate):
    with pytest.raises(ValueError, match=r"'false_positive_rate' .* \(0, 1\)"):
        detector.calibrate([[0.0, 0.0]] * 30, false_positive_rate=rate)


def test_a_failed_calibration_changes_nothing(detector, rng):
    detector.calibrate(rng.normal(size=(60, 2)), false_positive_rate=0.1)
    before = detector.offset_, detector.calibration_scores_
    with pytest.raises(ValueError, match="at least 99"):
        detector.calibrate(rng.normal(size=(60, 2)), false_positive_rate=0.01)
    assert (detector.offset_, detector.calibration_scores_) == before


def test_p_values_need_a_calibration_and_follow_the_parameters(rng):
    detector = DeepKNNDetector().fit(rng.normal(size=(50, 2)))
    with pytest.raises(NotFittedError, match="calibrate"):
        detector.p_values([[0.0, 0.0]])
    detector.calibrate(rng.normal(size=(50, 2))).set_params(n_neighbors=5)
    with pytest.raises(NotFittedError, match="calibrate"):
        detector.p_values([[0.0, 0.0]])


def test_warnings_point_at_the_line_that_fits_or_calibrates():
    X = np.ones((5, 2))
    with pytest.warns(UserWarning, match="same score") as at_fit:
        detector = KDEDetector(contamination=0.1).fit(X)
    with pytest.warns(UserWarning, match="same score") as at_calibration:
        detector.calibrate(X)
    assert at_fit[0].filename == at_calibration[0].filename == __file__


def test_a_refit_forgets_the_calibration(detector, rng):
    detector.calibrate(rng.normal(size=(60, 2)))
    detector.fit(rng.normal(size=(60, 2)))
    with pytest.raises(NotFittedError, match="calibrate"):
        detector.p_values([[0.0, 0.0]])


# The threshold that a fit sets


KEEPING = pytest.mark.parametrize("detector_class", [DeepKNNDetector, KDEDetector, OCSVMDetector])


@KEEPING
@pytest.mark.parametrize(("contamination", "rate"), [(0.1, 0.1), (0.3, 0.3), ("auto", 0.05)])
def test_the_share_is_that_of_new_samples_and_of_those_of_the_fit(
    detector_class, contamination, rate
):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(400, 8)), rng.normal(size=(4000, 8))
    detector = detector_class(contamination=contamination, random_state=0).fit(X)
    assert_allclose((detector.predict(X) == -1).sum(), rate * 400, atol=1)
    assert abs((detector.predict(new) == -1).mean() - rate) < 0.04


def flagged_by_a_quantile(rate, n_scores, n_new, error):
    """Least and most of new samples below a quantile of scores like theirs, but for this error.

    The quantile lies between two scores; the number below the k-th of n is beta-binomial.
    """
    place = rate * (n_scores - 1)
    low, high = math.floor(place) + 1, math.ceil(place) + 1
    return (
        betabinom.ppf(error / 2, n_new, low, n_scores + 1 - low),
        betabinom.ppf(1 - error / 2, n_new, high, n_scores + 1 - high),
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_networks_set_the_threshold_by_samples_that_did_not_train():
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(240, 8)), rng.normal(size=(2000, 8))
    detector = MMRRDetector(4, contamination=0.1, max_iter=300, random_state=0)
    labels = detector.fit_predict(X)
    assert (labels == -1).sum() == 24

    scores, n_held_out = detector.score_samples(new), len(detector.held_out_scores_)
    least, most = flagged_by_a_quantile(0.1, n_held_out, 2000, error=0.01)
    assert least <= (detector.predict(new) == -1).sum() <= most
    in_sample = np.quantile(detector.score_samples(X), 0.1)  # scores of X are not like new ones
    assert (scores < in_sample).sum() > flagged_by_a_quantile(0.1, 240, 2000, error=0.01)[1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("n", "contamination", "n_scores"),
    [(40, 0.1, 2 + 5 * 8), (500, 0.1, 25 + 100), (2200, 0.1, 110), (40, "auto", 2)],
)
def test_networks_are_fitted_again_until_enough_was_held_out(n, contamination, n_scores):
    X = np.random.default_rng(0).normal(size=(n, 3))
    small = {"network": Network(width=4), "max_iter": 1, "random_state": 0}
    detector = MMRRDetector(2, contamination=contamination, **small)
    assert len(detector.fit(X).held_out_scores_) == n_scores


@pytest.mark.parametrize(("rate", "needed"), [(0.02, 196), (0.1, 36), (0.3, 10)])
def test_a_rate_is_warned_of_that_the_scores_cannot_carry(rate, needed):
    rng = np.random.default_rng(0)
    enough = np.quantile(rng.uniform(size=(10_000, needed)), rate, axis=1)  # as shares of new ones
    assert_allclose(enough.std(), rate / 2, rtol=0.15)
    X = rng.normal(size=(needed, 2))
    detector = KDEDetector(contamination=rate, random_state=0).fit(X)
    few = rf"^contamination={rate} of KDEDetector rests on .* {needed - 1} .* at least {needed} "
    with pytest.warns(UserWarning, match=few) as at_calibration:
        detector.calibrate(X[1:])
    assert at_calibration[0].filename == __file__
    with pytest.warns(UserWarning, match=few):
        detector.fit(X[1:])
    assert detector.set_params(contamination="auto").fit(X[:5]).offset_ < 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_networks_are_warned_of_by_what_they_held_out():
    X = np.random.default_rng(0).normal(size=(30, 3))
    small = {"network": Network(width=4), "max_iter": 1, "random_state": 0}
    few = "^contamination=0.1 of MMRRDetector rests on the scores of 32 samples"
    with pytest.warns(UserWarning, match=few):
        MMRRDetector(2, contamination=0.1, **small).fit(X)


def test_without_a_threshold_nothing_is_predicted_until_it_is_calibrated():
    X = np.random.default_rng(0).normal(size=(100, 2))
    detector = KDEDetector(contamination=None).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    with pytest.raises(NotFittedError, match=r"contamination=None .* calibrate"):
        detector.predict(X)
    with pytest.raises(ValueError, match=r"contamination=None .*false_positive_rate"):
        detector.calibrate(X)
    detector.calibrate(X, false_positive_rate=0.1)
    assert (detector.predict(X) == -1).sum() == 9


# The false discovery rate


def test_few_of_those_flagged_are_normal():
    rng = np.random.default_rng(0)
    detector = KDEDetector(random_state=0).fit(rng.normal(size=(200, 2)))
    false, missed = [], []
    for _ in range(100):
        detector.calibrate(rng.normal(size=(500, 2)))
        X = np.concatenate([rng.normal(size=(90, 2)), rng.normal(6, 1, size=(10, 2))])
        flagged = detector.flag(X, fdr=0.2)
        false.append(flagged[:90].sum() / max(1, flagged.sum()))
        missed.append(1 - flagged[90:].mean())
    assert 0.1 < np.mean(false) < 0.2  # 0.18 in expectation
    assert np.mean(missed) < 0.05


def test_flags_are_benjamini_and_hochbergs(detector):
    rng = np.random.default_rng(0)
    detector.calibrate(rng.normal(size=(300, 2)))
    X = rng.normal(size=(80, 2)) * 2
    p = np.sort(detector.p_values(X))
    below = np.flatnonzero(p <= 0.1 * np.arange(1, 81) / 80)
    assert detector.flag(X, fdr=0.1).sum() == below[-1] + 1 > 0


@pytest.mark.parametrize("fdr", [0, 1, "half"])
def test_bad_false_discovery_rates(detector, fdr):
    with pytest.raises((ValueError, TypeError), match=r"'fdr' of KDEDetector\.flag"):
        detector.flag([[0.0, 0.0]], fdr=fdr)


# Searches


@pytest.mark.parametrize("y", [[1, -1, 1], [0, 1, 1], [True, False, True]])
def test_labels_of_both_kinds_that_would_not_count_are_warned_of(detector, y):
    with pytest.warns(UserWarning, match=r"KDEDetector\.score .*SCORERS"):
        detector.score(np.zeros((3, 2)), y)


@pytest.mark.parametrize("y", [None, [1, 1, 1], [0, 1, 2], [0.5, 0.1, 2], [None, "a", 1]])
def test_other_y_is_ignored(detector, y):
    assert detector.score(np.zeros((3, 2)), y) == detector.score(np.zeros((3, 2)))
