"""The yardsticks of speed compute what they say."""

import numpy as np
import torch
from numpy.testing import assert_allclose

from skmmrr import MMRRDetector
from skmmrr.benchmark import speed
from skmmrr.network import level_mask


def test_the_papers_bisection_finds_the_same_mask():
    generator = torch.Generator().manual_seed(0)
    logits, level = torch.randn(5, 40, generator=generator) * 5, torch.linspace(0.1, 0.9, 5)
    assert_allclose(speed._bisection(logits, level), level_mask(logits, level), atol=1e-5)


def test_the_literal_paper_ranks_like_the_detector():
    X = np.random.default_rng(0).integers(256, size=(40, 8, 8, 1), dtype=np.uint8)
    X[20:] //= 4
    sizes = {"width": 8, "n_estimators": 1, "max_iter": 60, "adjust": False}
    detector = MMRRDetector(**sizes, random_state=0, precision="float32").fit(X[:20])
    samples = detector._samples(X.reshape(40, -1), detector.network_)
    literal = speed._literal_scores(detector.network_[0], samples, 60, torch.device("cpu"))
    assert_allclose(literal / 60, -detector.score_samples(X), rtol=0.2)


def test_prints_ratios_and_shares_of_the_peak():
    text = speed.measure_speed(n_samples=16, side=8, channels=1, width=8, n_blocks=1, repeats=1)
    assert "| the paper, 60 levels | " in text
    assert "| shipped, 4 levels a sample | " in text
    assert "| its mask layer, a level a sample | " in text
    assert "GFLOP/s" in text
