"""Every detector through scikit-learn's own checks, and two of ours."""

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from skmmrr import MMRRDetector, Network
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    MLSADDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)
from skmmrr.core import training

pytestmark = pytest.mark.slow


class Folded:
    """Takes any vector as an image of one row: the checks feed 1 to 10 features."""

    def _resolve_image_shape(self, found, n_features):
        return (1, n_features, 1)


class FoldedMMRR(Folded, MMRRDetector):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False  # of images
        return tags


class FoldedMLSAD(Folded, MLSADDetector):
    pass


class FoldedRotationAutoencoder(Folded, RotationAutoencoderDetector):
    pass


# Some checks fit a handful of samples, of which one chooses the weights: that loss may not fall.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# Two checks give score labels of both kinds.
@pytest.mark.filterwarnings("ignore:.*score is for normal samples alone:UserWarning")
@parametrize_with_checks(
    [
        MMRRDetector(),
        OCSVMDetector(),
        KDEDetector(),
        DeepKNNDetector(),
        FoldedRotationAutoencoder(max_iter=20),
        FoldedMLSAD(network=Network(width=16), max_iter=20),
        FoldedMMRR(3, backbone="unet", network=Network(width=4), n_estimators=1, max_iter=8),
    ]
)
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


def with_threads(*numbers):
    """Loop over numbers of threads, and restore the first."""
    before = torch.get_num_threads()
    for number in numbers:
        torch.set_num_threads(number)
        with threadpool_limits(number):
            yield number
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "detector",
    [
        MMRRDetector(n_levels=5, max_iter=3, random_state=0),
        OCSVMDetector(random_state=0),
        KDEDetector(random_state=0),
        DeepKNNDetector(torch.nn.Conv2d(3, 64, 3), random_state=0),
        RotationAutoencoderDetector(max_iter=3, random_state=0),
        MLSADDetector(max_iter=3, random_state=0),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_a_fitted_detector_scores_the_same_with_any_number_of_threads(detector, images):
    detector.fit(images[:40])
    scores = [detector.score_samples(images) for _ in with_threads(1, 2)]
    assert_array_equal(*scores)


@pytest.mark.parametrize(
    "detector",
    [
        MMRRDetector(3, max_iter=8, network=Network(width=8), precision="float64", random_state=0),
        MMRRDetector(3, max_iter=20, backbone="mlp", precision="float64", random_state=0),
        OCSVMDetector(random_state=0),
        KDEDetector(random_state=0),
        DeepKNNDetector(torch.nn.Conv2d(3, 64, 3), random_state=0),
        RotationAutoencoderDetector(max_iter=50, precision="float64", random_state=0),
        MLSADDetector(max_iter=8, network=Network(width=8), precision="float64", random_state=0),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_a_refit_scores_the_same_with_any_number_of_threads(detector, images, monkeypatch):
    monkeypatch.setattr(training, "_FLOPS_PER_THREAD", 1)  # steps this small would have one thread
    scores = [detector.fit(images[:40]).score_samples(images) for _ in with_threads(1, 2)]
    assert_allclose(*scores, rtol=1e-6)
