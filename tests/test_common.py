"""Every detector through scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmmrr import MMRRDetector
from skmmrr.baselines import KDEDetector, OCSVMDetector


# Some checks fit a handful of samples, of which one chooses the weights: that loss may not fall.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([MMRRDetector(), OCSVMDetector(), KDEDetector()])
def test_scikit_learn_compatible(estimator, check):
    check(estimator)
