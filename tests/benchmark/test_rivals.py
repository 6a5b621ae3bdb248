"""Rivals that only the bench has, against their definitions written out."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import invgamma
from sklearn.metrics import roc_auc_score

from skmmrr.benchmark import find_detector
from skmmrr.benchmark._dte import CategoricalDTE, NonParametricDTE, noise_variances
from skmmrr.benchmark._icl import ICL


@pytest.fixture(scope="module")
def planes():
    """Normal samples on a plane in six dimensions, and anomalies off it."""
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(2, 6))
    normal = rng.normal(size=(500, 2)) @ basis + 0.05 * rng.normal(size=(500, 6))
    off = np.stack([rng.permutation(column) for column in normal[400:].T], axis=1)
    scale = normal[:400].std(axis=0)
    return normal[:400] / scale, np.concatenate([normal[400:], off]) / scale, np.repeat([0, 1], 100)


def few(name):
    shorter = {"ICL": {"epochs": 60}, "DTE-C": {"epochs": 30}, "DTE-NP": {}}
    return find_detector(name).estimator.set_params(**shorter[name])


def test_variances_are_those_of_a_linear_schedule():
    variance, kept = [], 1.0
    for t in range(300):
        kept *= 1 - (1e-4 + t * (1e-2 - 1e-4) / 299)
        variance.append(1 - kept)
    assert_allclose(noise_variances(300), variance)


def test_dte_np_is_the_mode_of_an_inverse_gamma(planes):
    train, test, _ = planes
    scores = NonParametricDTE().fit(train).score_samples(test)
    for x, score in zip(test[::10], scores[::10], strict=True):
        squared = np.sort(np.square(train - x).sum(axis=1))[:5].mean()
        density = invgamma.pdf(noise_variances(300), a=6 / 2 - 1, scale=squared / 2)
        assert -score == density.argmax()


def test_dte_np_takes_any_number_of_features():
    train = np.linspace(0, 1, 20)[:, None]
    near, far = NonParametricDTE().fit(train).score_samples([[0.5], [2.0]])
    assert near > far


def test_dte_c_is_the_mean_bin(planes):
    train, test, _ = planes
    detector = CategoricalDTE(hidden=(8, 16, 4), n_bins=3, epochs=2, random_state=0).fit(train)
    x, network = torch.from_numpy(test[:5]).float(), detector.network_
    for i in (0, 2, 5):
        x = x @ network[i].weight.T + network[i].bias
        x = x.relu()
    chances = (x @ network[-1].weight.T + network[-1].bias).softmax(dim=1).detach().numpy()
    assert_allclose(detector.score_samples(test[:5]), -(chances @ [0, 1, 2]), rtol=1e-5)


def test_icl_contrasts_each_window_with_all_others(planes):
    train, test, _ = planes
    detector = ICL(width=8, epochs=2, random_state=0).fit(train)
    network = detector.network_
    assert network.window.tolist() == [[i, i + 1] for i in range(5)]
    assert network.rest[1].tolist() == [0, 3, 4, 5]
    with torch.no_grad():
        rests, windows = network(torch.from_numpy(test[:4]).float())
    assert_allclose(rests.square().sum(dim=2), 1, rtol=1e-5)
    for i, score in enumerate(detector.score_samples(test[:4])):
        losses = []
        for k in range(5):
            similar = (rests[i, k] * windows[i]).sum(dim=1).numpy() / 0.1
            losses.append(np.log(np.exp(similar).sum()) - similar[k])
        assert score == pytest.approx(-np.mean(losses), rel=1e-5)


@pytest.mark.parametrize(("n_features", "size"), [(3, 2), (40, 2), (41, 10), (160, 10), (166, 16)])
def test_icl_has_the_windows_of_its_authors(n_features, size):
    X = np.random.default_rng(0).normal(size=(10, n_features))
    network = ICL(width=4, epochs=1, random_state=0).fit(X).network_
    assert network.window.shape == (n_features - size + 1, size)


@pytest.mark.parametrize("name", ["ICL", "DTE-NP", "DTE-C"])
def test_samples_off_a_plane_are_found(planes, name):
    train, test, anomalous = planes
    detector = few(name)
    if name != "DTE-NP":
        detector.set_params(random_state=0)
    scores = detector.fit(train).score_samples(test)
    assert scores.dtype == np.float64
    assert roc_auc_score(anomalous, -scores) > 0.9
    assert_allclose(detector.score_samples(test[:3]), scores[:3], rtol=1e-5)


@pytest.mark.parametrize("name", ["ICL", "DTE-C"])
def test_fits_repeat_and_leave_the_global_random_state(planes, name):
    train, test, _ = planes
    state = torch.get_rng_state()
    found = [
        few(name).set_params(epochs=2, random_state=seed).fit(train).score_samples(test)
        for seed in (0, 0, 1)
    ]
    assert_array_equal(torch.get_rng_state(), state)
    assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])
