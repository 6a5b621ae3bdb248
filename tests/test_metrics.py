"""Metrics against brute force; scorers the right way round in every dialect."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.model_selection import cross_validate
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmmrr.datasets import NoveltySplit
from skmmrr.metrics import (
    SCORERS,
    anomaly_score,
    aupro_score,
    best_f1_score,
    pixel_roc_auc_score,
    precision_at_n,
)
from skmmrr.pyod import KNN

ANOMALOUS = np.random.default_rng(1).uniform(size=300) < 0.2
SCORES = np.round(np.random.default_rng(2).normal(size=300) + ANOMALOUS, 1)  # with ties


def stack(seed, n_values=None):
    """Three images of 20 x 16 with some regions, and maps that see them dimly."""
    rng = np.random.default_rng(seed)
    masks = ndimage.binary_dilation(rng.uniform(size=(3, 20, 16)) < 0.02, np.ones((1, 3, 2)))
    maps = rng.normal(size=masks.shape) + 1.5 * masks
    if n_values:
        maps = np.round(maps * n_values) / n_values
    return masks, maps


def brute_force_aupro(masks, maps, max_fpr):
    """One threshold after the other, one region after the other."""
    regions = []
    for mask, scores in zip(masks, maps, strict=True):
        labels, n = ndimage.label(mask, np.ones((3, 3)))
        regions += [scores[labels == k] for k in range(1, n + 1)]
    normal = maps[~masks]
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        fpr = (normal >= threshold).mean()
        points.append((fpr, np.mean([(region >= threshold).mean() for region in regions])))
    x, y = np.array(points).T
    grid = np.linspace(0, max_fpr, 200_001)
    return np.trapezoid(np.interp(grid, x, y), grid) / max_fpr


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_fpr", [0.05, 0.3, 1.0])
def test_aupro_agrees_with_brute_force(seed, max_fpr):
    masks, maps = stack(seed)
    assert_allclose(
        aupro_score(masks, maps, max_fpr=max_fpr),
        brute_force_aupro(masks, maps, max_fpr),
        atol=1e-3,
    )


def test_aupro_of_tied_scores():
    masks, maps = stack(0, n_values=2)
    assert_allclose(aupro_score(masks, maps), brute_force_aupro(masks, maps, 0.3), atol=1e-6)
    assert_allclose(aupro_score(masks, np.zeros(masks.shape)), 0.15)  # a diagonal
    assert_allclose(aupro_score(masks, 1.0 * masks), 1)


def test_aupro_weighs_small_regions_like_large_ones():
    masks = np.zeros((1, 20, 20), bool)
    masks[0, 0, 0] = masks[0, 5:15, 5:15] = True
    found_large, found_small = masks.astype(float), masks.astype(float)
    found_large[0, 0, 0] = found_small[0, 5:15, 5:15] = -1
    assert_allclose(aupro_score(masks, found_large), aupro_score(masks, found_small))


def test_images_may_differ_in_size():
    masks, maps = stack(0)
    ragged = [masks[0], masks[1, :10]], [maps[0], maps[1, :10]]
    assert 0 < aupro_score(*ragged) < 1
    assert 0.5 < pixel_roc_auc_score(*ragged) < 1


def test_pixel_auroc_is_scikit_learns_over_all_pixels():
    masks, maps = stack(1)
    assert pixel_roc_auc_score(masks, maps) == roc_auc_score(masks.ravel(), maps.ravel())


def test_best_f1_tries_every_threshold():
    tried = [f1_score(ANOMALOUS, threshold <= SCORES) for threshold in np.unique(SCORES)]
    assert_allclose(best_f1_score(ANOMALOUS, SCORES), max(tried))


@pytest.mark.parametrize("n", [None, 1, 40, 300])
def test_precision_at_n_is_the_mean_over_orders_of_ties(n, rng):
    places = n or ANOMALOUS.sum()
    found = []
    for _ in range(3000):
        order = np.lexsort((rng.uniform(size=300), -SCORES))
        found.append(ANOMALOUS[order[:places]].mean())
    assert_allclose(precision_at_n(ANOMALOUS, SCORES, n), np.mean(found), atol=0.02)


@pytest.mark.parametrize(
    "y",
    [ANOMALOUS, ANOMALOUS.astype(int), np.where(ANOMALOUS, -1, 1), np.where(ANOMALOUS, -1.0, 1)],
)
def test_every_convention_of_labels_gives_the_same(y):
    assert best_f1_score(y, SCORES) == best_f1_score(ANOMALOUS, SCORES)
    assert precision_at_n(y, SCORES) == precision_at_n(ANOMALOUS, SCORES)


def test_named_label_of_anomalies():
    y = np.where(ANOMALOUS, "cat", "dog")
    assert best_f1_score(y, SCORES, anomaly_label="cat") == best_f1_score(ANOMALOUS, SCORES)


@pytest.mark.parametrize(("y", "found"), [([1, 1], "normal or not"), ([0, 2], "none of these")])
def test_labels_of_no_convention_are_refused(y, found):
    with pytest.raises(ValueError, match=found):
        best_f1_score(y, [0.1, 0.2])


@pytest.mark.parametrize(
    "detector",
    [
        IsolationForest(random_state=0),
        make_pipeline(StandardScaler(), IsolationForest(random_state=0)),
        KernelDensity(),
        KNN(),
        make_pipeline(StandardScaler(), KNN()),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_scores_of_every_dialect_are_higher_for_anomalies(detector, rng):
    X = rng.normal(size=(200, 2))
    detector.fit(X)
    assert anomaly_score(detector, [[9.0, 9.0]]) > anomaly_score(detector, [[0.0, 0.0]])
    labelled = np.concatenate([X[:20], X[:20] + 9]), np.repeat([0, 1], 20)
    assert_allclose([scorer(detector, *labelled) for scorer in SCORERS.values()], 1)


def test_scorers_are_scikit_learns_metrics_with_the_anomaly_positive(rng):
    X, y = rng.normal(size=(300, 2)) + ANOMALOUS[:, None], np.where(ANOMALOUS, -1, 1)
    detector = IsolationForest(random_state=0).fit(X[~ANOMALOUS])
    scores = -detector.score_samples(X)
    assert SCORERS["roc_auc"](detector, X, y) == roc_auc_score(ANOMALOUS, scores)
    expected = average_precision_score(ANOMALOUS, scores)
    assert SCORERS["average_precision"](detector, X, y) == expected


def test_scorers_and_split_in_cross_validation(rng):
    X, y = rng.normal(size=(300, 2)) + 3 * ANOMALOUS[:, None], np.where(ANOMALOUS, -1, 1)
    forest = IsolationForest(n_estimators=10, random_state=0)
    result = cross_validate(forest, X, y, cv=NoveltySplit(random_state=0), scoring=SCORERS)
    assert result["test_roc_auc"].min() > 0.8


@pytest.mark.parametrize(
    ("masks", "maps", "message"),
    [
        (np.zeros((2, 3, 3)), np.zeros((2, 3, 3)), "no abnormal pixel"),
        (np.ones((2, 3, 3)), np.zeros((2, 3, 3)), "no normal pixel"),
        (np.eye(3)[None], np.zeros((1, 3, 4)), r"same \(height, width\)"),
        (np.eye(3), np.eye(3), r"same \(height, width\)"),
        (np.eye(3)[None], np.full((1, 3, 3), np.nan), "finite"),
    ],
)
def test_bad_maps(masks, maps, message):
    with pytest.raises(ValueError, match=message):
        aupro_score(masks, maps)


def test_bad_numbers():
    with pytest.raises(ValueError, match="max_fpr"):
        aupro_score(*stack(0), max_fpr=0)
    with pytest.raises(ValueError, match="1 to 300 samples"):
        precision_at_n(ANOMALOUS, SCORES, 301)
