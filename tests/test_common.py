"""Every detector through scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmmrr import MMRRDetector
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)


class FoldedRotationAutoencoder(RotationAutoencoderDetector):
    """Takes any vector as an image of one row: the checks feed 1 to 10 features."""

    def _resolve_image_shape(self, found, n_features):
        return (1, n_features, 1)


# Some checks fit a handful of samples, of which one chooses the weights: that loss may not fall.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        MMRRDetector(),
        OCSVMDetector(),
        KDEDetector(),
        DeepKNNDetector(),
        FoldedRotationAutoencoder(max_iter=20),
    ]
)
def test_scikit_learn_compatible(estimator, check):
    check(estimator)
