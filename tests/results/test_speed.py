"""The yardsticks of speed compute what they say."""

import numpy as np
import torch
from numpy.testing import assert_allclose

from skmmrr import MMRRDetector, Network
from skmmrr.mmrr import level_mask

from .conftest import columns


def test_the_papers_bisection_finds_the_same_mask(load):
    generator = torch.Generator().manual_seed(0)
    logits, level = torch.randn(5, 40, generator=generator) * 5, torch.linspace(0.1, 0.9, 5)
    assert_allclose(load("speed")._bisection(logits, level), level_mask(logits, level), atol=1e-5)


def test_the_literal_paper_ranks_like_the_detector(load):
    X = np.random.default_rng(0).integers(256, size=(40, 8, 8, 1), dtype=np.uint8)
    X[20:] //= 4
    sizes = {"network": Network(width=8), "n_estimators": 1, "max_iter": 60, "adjust": False}
    detector = MMRRDetector(**sizes, random_state=0, precision="float32").fit(X[:20])
    samples = detector._samples(X.reshape(40, -1))
    literal = load("speed")._literal_scores(detector.network_[0], samples, 60, torch.device("cpu"))
    assert_allclose(literal / 60, -detector.score_samples(X), rtol=0.2)


def test_ratios_and_shares_of_the_peak(load):
    sizes = {"n_samples": 16, "side": 8, "channels": 1, "width": 8, "n_blocks": 1, "repeats": 1}
    scoring, training = map(list, load("speed").measure_speed(**sizes))
    assert list(scoring[0]) == columns("speed_scoring")
    assert list(training[0]) == columns("speed_training")
    assert scoring[0]["scoring"] == "the paper, 60 levels"
    assert scoring[0]["times faster than the paper"] == "1.0"
    steps = {row["a step of both phases"]: row["of the peak"] for row in training}
    assert steps["shipped, 4 levels a sample"].endswith("%")
    assert steps["its mask layer, a level a sample"] == ""
