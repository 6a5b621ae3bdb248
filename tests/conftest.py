"""Fitted detectors that many tests look at and none may change."""

import os
import signal

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import settings
from sklearn.datasets import load_digits

from skmmrr import MMRRDetector, Network

mpl.use("Agg")
settings.register_profile("same everywhere", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("same everywhere")
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # the workers have a core each
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is first imported


@pytest.fixture(autouse=True)
def same_process():
    """Whatever other tests, and a shell that starts jobs in the background, have left."""
    torch.manual_seed(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # an injected error may leave another


@pytest.fixture
def rng():
    """A generator of the test's own, which no other test moves."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def images():
    """All 8s of scikit-learn's digits: (174, 8, 8), float64 in [0, 16]."""
    digits = load_digits()
    return digits.images[digits.target == 8]


@pytest.fixture(scope="session")
def vectors():
    return np.random.default_rng(0).normal(size=(120, 5)) * [1, 10, 0.1, 1, 3] + [0, 5, 1e3, 0, 0]


@pytest.fixture(scope="session")
def image_detector(images):
    return MMRRDetector(
        5,
        backbone="unet",
        network=Network(width=8),
        n_estimators=1,
        max_iter=20,
        random_state=0,
    ).fit(images[:60])


@pytest.fixture(scope="session")
def vector_detector(vectors):
    return MMRRDetector(max_iter=60, random_state=0).fit(vectors[:100])
