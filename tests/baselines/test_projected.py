"""OC-SVM and KDE: scikit-learn's estimators behind this library's conventions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import OneClassSVM

from skmmrr.baselines import KDEDetector, OCSVMDetector
from skmmrr.baselines._ocsvm import SupportVectorMachine
from skmmrr.core.seeds import draw_seed

BOTH = pytest.mark.parametrize("detector_class", [OCSVMDetector, KDEDetector])


@BOTH
def test_tells_uniform_outliers_from_a_blob(detector_class):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(100, 2)), rng.uniform(4, 8, size=(50, 2))])
    detector = detector_class(random_state=0).fit(rng.normal(size=(300, 2)))
    assert roc_auc_score(np.repeat([1, -1], [100, 50]), detector.score_samples(X)) > 0.99
    assert (detector.predict(X[:100]) == 1).mean() > 0.75
    assert (detector.predict(X[100:]) == -1).all()


@BOTH
def test_images_in_any_form(detector_class, images):
    detector = detector_class(random_state=0).fit(images[:60])
    flat = detector_class(random_state=0, image_shape=(8, 8)).fit(images[:60].reshape(60, 64))
    expected = detector.score_samples(images[60:70])
    assert_array_equal(flat.score_samples(images[60:70, ..., None]), expected)
    assert detector.image_shape_ == (8, 8, 1)


@BOTH
def test_images_are_projected_to_95_percent_of_their_variance_and_vectors_are_not(
    detector_class, images, vectors
):
    detector = detector_class(contamination=0.1).fit(images[:80])
    scaled = images[:80].reshape(80, 64) / 8 - 1  # 0 to 16 becomes -1 to 1
    expected = PCA(0.95, svd_solver="full").fit(scaled)
    assert detector.pca_.n_components_ == expected.n_components_
    components = detector.components(images[80:90])
    assert_allclose(
        np.abs(components), np.abs(expected.transform(images[80:90].reshape(10, 64) / 8 - 1))
    )
    assert detector_class().fit(vectors).pca_ is None
    assert detector_class(variance=0.5).fit(vectors).components(vectors[:3]).shape[1] < 5


@BOTH
def test_all_samples_set_the_automatic_threshold_and_some_are_not_fitted(detector_class, vectors):
    detector = detector_class(random_state=0).fit(vectors)
    held_out, fitted = detector._split(120, draw_seed(0))
    assert (len(held_out), len(fitted)) == (6, 114)
    assert_allclose(detector.offset_, np.quantile(detector.score_samples(vectors), 0.05))
    inside = detector.estimator_
    if detector_class is KDEDetector:
        assert len(inside.tree_.data) == 114
    else:  # coefficients of at most 1 add up to nu times the number of samples
        assert_allclose(inside.coefficients.sum(), 0.1 * 114)


@BOTH
def test_a_float_sets_the_threshold_by_all_samples(detector_class, vectors):
    plain = detector_class(contamination=0.2).fit(vectors)
    assert (plain.predict(vectors) == -1).sum() == 24


@BOTH
@pytest.mark.parametrize("n_samples", [1, 2500])
def test_a_score_depends_on_the_sample_alone(detector_class, vectors, n_samples):
    detector = detector_class(random_state=0).fit(vectors)
    X = np.resize(vectors, (n_samples, 5))
    assert_allclose(detector.score_samples(X)[:1], detector.score_samples(vectors)[:1], rtol=1e-12)


@BOTH
def test_equal_samples_warn_instead_of_failing(detector_class):
    with pytest.warns(UserWarning, match="same score"):
        detector = detector_class(contamination=0.1).fit(np.ones((5, 3)))
    assert detector.score_samples([[1, 1, 1]]) > detector.score_samples([[2, 1, 1]])


@BOTH
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"variance": 0}, ValueError, r"'variance' .* \(0, 1\]. Got 0 "),
        ({"variance": "most"}, TypeError, "'variance'"),
        ({"contamination": 0.9}, ValueError, "'contamination'"),
        ({"validation_fraction": 1.0}, ValueError, "'validation_fraction'"),
    ],
)
def test_bad_parameters(detector_class, vectors, parameters, error, message):
    with pytest.raises(error, match=message):
        detector_class(**parameters).fit(vectors)


def test_ocsvm_is_scikit_learns_on_the_components(images):
    detector = OCSVMDetector(nu=0.2, contamination=0.1).fit(images[:80])
    components = detector.components(images[:80])
    gamma = 4 / components.var(axis=0).sum()
    expected = OneClassSVM(nu=0.2, gamma=gamma).fit(components)
    X = detector.components(images[80:])
    assert_allclose(detector.score_samples(images[80:]), expected.score_samples(X), rtol=1e-12)
    assert_allclose(detector.estimator_.offset, expected.offset_)
    support = rbf_kernel(X, expected.support_vectors_, gamma=gamma)  # the machine by hand
    assert_allclose(detector.score_samples(images[80:]), support @ expected.dual_coef_[0])


@pytest.mark.parametrize(("name", "value"), [("nu", 0), ("nu", 1.5), ("gamma", -1.0)])
def test_ocsvm_refuses(vectors, name, value):
    with pytest.raises(ValueError, match=f"'{name}' of OCSVMDetector"):
        OCSVMDetector(**{name: value}).fit(vectors)


def test_kde_is_the_mean_of_normal_densities(vectors):
    detector = KDEDetector(0.3, contamination=0.1).fit(vectors)
    points, X = detector.components(vectors), detector.components(vectors[:7] + 0.1)
    log_densities = [multivariate_normal(p, 0.3**2).logpdf(X) for p in points]
    expected = logsumexp(log_densities, axis=0) - np.log(len(points))
    assert_allclose(detector.score_samples(vectors[:7] + 0.1), expected)


def test_kde_scores_a_fitted_sample_by_the_others(images):
    X = np.concatenate([images[:60], images[:1]])  # whose copy counts
    detector = KDEDetector(0.7, contamination=0.1).fit(X)
    points = detector.components(X)
    for i in (0, 1, 59, 60):
        others = np.delete(points, i, axis=0)
        log_densities = [multivariate_normal(p, 0.7**2).logpdf(points[i]) for p in others]
        expected = logsumexp(log_densities) - np.log(len(others))
        assert_allclose(detector.score_samples(X[i : i + 1]), expected)


@pytest.mark.parametrize("factor", [4, 8, 30])
def test_ocsvm_scores_a_support_vector_as_a_machine_without_it_would_nearly(factor):
    X = np.random.default_rng(0).normal(size=(150, 4))
    gamma = factor / X.var(axis=0).sum()
    machine = SupportVectorMachine.fit(X, 0.2, gamma)
    plain = OneClassSVM(nu=0.2, gamma=gamma).fit(X).score_samples(X)
    without = np.array(
        [
            OneClassSVM(nu=0.2, gamma=gamma).fit(np.delete(X, i, 0)).score_samples(X[i : i + 1])[0]
            for i in range(len(X))
        ]
    )
    scores = machine.score_samples(X)
    assert np.corrcoef(scores, without)[0, 1] > 0.95 > 0.5 > np.corrcoef(plain, without)[0, 1]
    assert 0.05 < np.mean(without < np.quantile(scores, 0.1)) < 0.15
    assert np.mean(without < np.quantile(plain, 0.1)) > 0.6


def test_ocsvm_with_one_support_vector_scores_it_by_itself():
    machine = SupportVectorMachine(np.zeros((1, 2)), np.ones(1), 1.0, 0.0)
    assert_allclose(machine.score_samples(np.array([[0.0, 0], [1, 0]])), [1, np.exp(-1)])


def test_kde_chooses_the_bandwidth_of_highest_held_out_likelihood():
    rng = np.random.default_rng(0)
    X, fresh = rng.normal(size=(400, 1)), rng.normal(size=(2000, 1))
    chosen = KDEDetector(random_state=0).fit(X)
    likelihoods = [
        KDEDetector(chosen.bandwidth_ * factor, random_state=0).fit(X).score(fresh)
        for factor in (0.25, 0.5, 1, 2, 4)
    ]
    assert np.argmax(likelihoods) in (1, 2, 3)
    assert likelihoods[2] > max(likelihoods[0], likelihoods[4])


@pytest.mark.parametrize("value", [0.0, "silverman"])
def test_kde_refuses(vectors, value):
    with pytest.raises((ValueError, TypeError), match="'bandwidth' of KDEDetector"):
        KDEDetector(value).fit(vectors)


@pytest.mark.parametrize("detector", [OCSVMDetector(), KDEDetector()])
def test_numpys_global_random_state_is_left_alone(detector, vectors):
    before = np.random.get_state()[1].copy(), np.random.get_state()[2]  # noqa: NPY002
    detector.fit(vectors)
    assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert np.random.get_state()[2] == before[1]  # noqa: NPY002
