"""Every detector through scikit-learn's own checks."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skmmrr import MMRRDetector


@parametrize_with_checks([MMRRDetector()])
def test_scikit_learn_compatible(estimator, check):
    check(estimator)
