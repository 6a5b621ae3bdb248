"""Missing values of vectors: masked at every level, and no part of losses and scores."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from sklearn.utils import get_tags

import skmmrr
from skmmrr import MMRRDetector, Network
from skmmrr.baselines import KDEDetector
from skmmrr.mmrr import level_mask, sample_loss, squared_error
from skmmrr.mmrr.phases import refinement_loss, restoration_loss
from skmmrr.onnx import export_onnx
from skmmrr.pyod import MMRR

SMALL = {
    "n_levels": 3,
    "max_iter": 20,
    "network": Network(width=16),
    "n_bins": 1,
    "random_state": 0,
}


def table(n=200, share=0.2, seed=0):
    """Six features of two factors, whole and with values missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(n, 6))
    missing = rng.random(X.shape) < share
    missing[:, 0] = False
    return X * [1, 10, 0.1, 1, 3, 1], missing


@pytest.fixture(scope="module")
def data():
    X, missing = table()
    return np.where(missing, np.nan, X)


@pytest.fixture(scope="module")
def detector(data):
    return MMRRDetector(**SMALL).fit(data[:150])


# The stages


def observed_of(rows, d, share=0.6):
    observed = torch.rand(rows, d, generator=torch.Generator().manual_seed(0)) < share
    observed[:, 0] = True
    return observed


@pytest.mark.parametrize("scale", [0.1, 3, 10, 50, 3000, 1e6])
@pytest.mark.parametrize("d", [2, 17, 300])
def test_the_level_is_the_mean_over_the_observed_elements(scale, d):
    logits = scale * torch.randn(60, d, generator=torch.Generator().manual_seed(d))
    levels, observed = torch.arange(60) / 59, observed_of(60, d)
    mask = level_mask(logits, levels, observed)
    means = (mask.double() * observed).sum(1) / observed.sum(1)
    assert_allclose(means, levels, rtol=0, atol=2e-6)
    assert (mask[~observed] == 0).all()
    assert (mask[-1][observed[-1]] == 1).all()


@pytest.mark.parametrize("scale", [0.1, 3, 10])
def test_a_mask_is_that_of_the_observed_elements_alone(scale):
    logits = scale * torch.randn(20, 12, generator=torch.Generator().manual_seed(1)).double()
    levels, observed = torch.linspace(0.02, 0.98, 20).double(), observed_of(20, 12)
    mask = level_mask(logits, levels, observed)
    for row, level, seen, ours in zip(logits, levels, observed, mask, strict=True):

        def error(bias, kept=row[seen], level=level):
            return (torch.sigmoid(kept + bias).mean() - level).item()

        bias = brentq(error, -200, 200, xtol=1e-14)
        assert_allclose(ours[seen], torch.sigmoid(row[seen] + bias), rtol=0, atol=1e-9)


def test_gradients_reach_the_observed_elements_alone():
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).double()
    levels, observed = torch.tensor([0.0, 0.03, 0.5, 0.9, 1.0]).double(), observed_of(5, 7)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda a: level_mask(a, levels, observed), logits)
    level_mask(logits, levels, observed).square().sum().backward()
    assert (logits.grad[~observed] == 0).all()
    assert (logits.grad[1:4][observed[1:4]] != 0).any()


def test_losses_are_means_over_the_observed_elements():
    x, output = torch.rand(4, 6), torch.rand(4, 2, 6)
    observed = observed_of(4, 6)
    losses = sample_loss(x, output, observed)
    for i in range(4):
        expected = (x[i] - output[i]).square()[:, observed[i]].mean(1)
        assert_allclose(losses[i], expected, rtol=1e-6)
    everything = torch.ones(4, 6, dtype=torch.bool)
    assert_array_equal(squared_error(x, output, everything), squared_error(x, output))


# The detector


def test_scores_are_means_over_the_observed_features(detector, data):
    maps, missing = detector.anomaly_map(data), np.isnan(data)
    assert np.isfinite(maps).all()
    assert (maps[missing] == 0).all()
    assert_allclose(-maps.mean(axis=1), detector.score_samples(data), rtol=1e-12)
    assert_allclose(
        -detector.level_losses(data).mean(axis=1), detector.score_samples(data), rtol=1e-12
    )
    stages, seen = detector.explain(data), ~missing
    errors = np.square(stages.x[:, None] - stages.refined).mean(axis=1)
    assert_allclose(
        [-row[s].mean() for row, s in zip(errors, seen, strict=True)],
        detector.score_samples(data),
        rtol=1e-5,
    )


def test_missing_features_are_masked_at_every_level(detector, data):
    stages, missing = detector.explain(data[:20]), np.isnan(data[:20])
    assert_array_equal(np.isnan(stages.x), missing)
    for level, mask in zip(stages.levels, np.moveaxis(stages.mask, 1, 0), strict=True):
        assert (mask[missing] == 0).all()
        means = mask.sum(axis=1) / (~missing).sum(axis=1)
        assert_allclose(means, level, atol=1e-6)


@pytest.mark.parametrize("mask", ["learned", "constant", "bernoulli"])
def test_scores_do_not_depend_on_the_rows_beside(data, mask):
    detector = MMRRDetector(**SMALL, mask=mask).fit(data[:150])
    scores = detector.score_samples(data)
    alone = [detector.score_samples(data[i : i + 1])[0] for i in range(150, 170)]
    assert_array_equal(alone, scores[150:170])
    whole = ~np.isnan(data).any(axis=1)
    assert_array_equal(detector.score_samples(data[whole]), scores[whole])  # none missing beside
    assert_array_equal(detector.score_samples(data[::-1]), scores[::-1])


def test_refits_are_the_same(detector, data):
    again = MMRRDetector(**SMALL).fit(data[:150])
    assert_array_equal(again.score_samples(data), detector.score_samples(data))


@pytest.mark.parametrize("loss", [restoration_loss, refinement_loss])
def test_whole_samples_have_the_same_losses_where_others_lack_values(detector, loss):
    x = torch.rand(8, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    spoiled = torch.cat([x, x[:1]])
    spoiled[8, 2] = torch.nan

    def losses(x, usual):
        generator = torch.Generator().manual_seed(1)
        return loss(detector.network_[0], detector.spec_, usual, x, generator)

    assert_array_equal(losses(x, usual=torch.zeros(6)), losses(x, usual=None))
    assert losses(spoiled, usual=torch.zeros(6)).isfinite().all()


def test_a_fit_on_whole_rows_scores_rows_with_missing_values(data):
    X, _ = table()
    detector = MMRRDetector(max_iter=100, random_state=0).fit(X[:150])
    broken = data[150:].copy()
    broken[:, 0] = 30  # the one that is always there
    assert detector.score_samples(broken).max() < detector.score_samples(data[150:]).min()


def test_a_value_out_of_line_is_found_though_others_are_missing():
    """An outlier that no single feature shows, in a table that lacks a fifth of its values."""
    X, missing = table(600)
    detector = MMRRDetector(max_iter=200, random_state=0).fit(np.where(missing, np.nan, X)[:400])
    rng = np.random.default_rng(1)
    shuffled = np.stack([rng.permutation(column) for column in X[400:].T], axis=1)
    normal, abnormal = (np.where(missing[400:], np.nan, x) for x in (X[400:], shuffled))
    above = -detector.score_samples(abnormal)[:, None] > -detector.score_samples(normal)
    assert above.mean() > 0.85  # the AUROC


def test_ranges_and_medians_are_those_of_the_values_there_are(data):
    detector = MMRRDetector(**SMALL).fit(data)
    lower = [sorted(column[~np.isnan(column)]) for column in data.T]
    assert_array_equal(detector.medians_, [column[(len(column) - 1) // 2] for column in lower])
    representation = detector.spec_.representation
    assert_allclose(representation.centre + representation.half_range, np.nanmax(data, axis=0))
    assert_allclose(representation.centre - representation.half_range, np.nanmin(data, axis=0))


def test_a_number_for_contamination_fits_again(data):
    detector = MMRRDetector(**SMALL, contamination=0.1).fit(data)
    assert len(detector.held_out_scores_) >= 100
    detector.calibrate(data[:50], false_positive_rate=0.1)
    assert set(detector.predict(data)) == {-1, 1}


def test_pandas_marks_of_missing_values_are_taken(detector, data):
    frame = pd.DataFrame(data, columns=list("abcdef"))
    nullable = frame.astype("Float64")
    assert nullable.isna().to_numpy().sum() == np.isnan(data).sum()
    expected = detector.score_samples(data)
    for X in (nullable.to_numpy(dtype=object, na_value=None).tolist(), data.astype(object)):
        assert_array_equal(detector.score_samples(X), expected)
    named = MMRRDetector(**SMALL).fit(nullable)
    assert_array_equal(named.score_samples(nullable), named.score_samples(frame))


def test_missing_features_contribute_nothing(detector, data):
    found = detector.contributions(data)
    assert (found[np.isnan(data)] == 0).all()
    assert_allclose(found.sum(axis=1), -detector.score_samples(data), rtol=1e-12)


# What is refused


def test_rows_and_features_without_any_value_are_refused(detector, data):
    empty = data.copy()
    empty[[3, 7]] = np.nan
    for call in (MMRRDetector(**SMALL).fit, detector.score_samples):
        with pytest.raises(ValueError, match=r"rows without any value.*: 3, 7\. Leave them out"):
            call(empty)
    lacking = data.copy()
    lacking[:, 2] = np.nan
    with pytest.raises(ValueError, match=r"features without any value.*: 2\. Leave"):
        MMRRDetector(**SMALL).fit(lacking)
    frame = pd.DataFrame(lacking, columns=list("abcdef"))
    with pytest.raises(ValueError, match=r"features without any value.*: c\. Leave"):
        MMRRDetector(**SMALL).fit(frame)
    assert np.isfinite(detector.score_samples(lacking)).all()  # known of from the fit


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_not_missing(detector, data, value):
    X = data.copy()
    X[0, 0] = value
    with pytest.raises(ValueError, match="infinity"):
        detector.score_samples(X)


def test_images_and_features_must_be_whole(image_detector, images):
    spoiled = images[:5].copy()
    spoiled[0, 0, 0] = np.nan
    message = r"missing values \(NaN\), which only vectors may have"
    with pytest.raises(ValueError, match=message):
        image_detector.score_samples(spoiled)
    with pytest.raises(ValueError, match=message):
        MMRRDetector(**SMALL).fit(spoiled)
    for own in ({"features": lambda X: X}, {"image_shape": (8, 8)}):
        assert not get_tags(MMRRDetector(**own)).input_tags.allow_nan
        with pytest.raises(ValueError, match="NaN"):
            MMRRDetector(**SMALL, **own).fit(spoiled.reshape(5, 64))
    assert get_tags(MMRRDetector()).input_tags.allow_nan
    assert not get_tags(KDEDetector()).input_tags.allow_nan


# Files, ONNX, PyOD


def test_files_keep_a_fit_with_missing_values(detector, data, tmp_path):
    detector.save(tmp_path / "detector")
    loaded = skmmrr.load(tmp_path / "detector")
    assert_array_equal(loaded.score_samples(data), detector.score_samples(data))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_onnx_graph_takes_missing_values(detector, data, tmp_path):
    export_onnx(detector, tmp_path / "detector.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "detector.onnx")
    for X in (data, data[:1], table(share=0)[0]):
        score, decision, maps = session.run(None, {"X": X})
        assert_allclose(-score, detector.score_samples(X), atol=1e-5)
        assert_allclose(decision, detector.decision_function(X), atol=1e-5)
        assert_allclose(maps, detector.anomaly_map(X), atol=1e-4)


def test_the_pyod_adapter_takes_missing_values(data):
    adapter = MMRR(**SMALL).fit(data)
    assert_array_equal(adapter.decision_function(data), -adapter.detector_.score_samples(data))
    assert np.isfinite(adapter.predict_proba(data)).all()
