import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from torch import nn

from skmmrr import MMRRDetector, Network
from skmmrr.baselines import DeepKNNDetector
from skmmrr.plot import (
    AnomalyMapDisplay,
    ContributionsDisplay,
    LearningCurveDisplay,
    MaskingLevelsDisplay,
    ScoreHistogramDisplay,
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_masking_levels_of_images(image_detector, images):
    display = MaskingLevelsDisplay.from_estimator(image_detector, images[:2], levels=(0, 0.5, 1))
    assert display.axes_.shape == (6, 4)
    assert [ax.get_title() for ax in display.axes_[0, 1:]] == ["level 0", "level 0.5", "level 1"]
    mask_at_one = display.axes_[0, 3].images[0].get_array()
    assert_array_equal(mask_at_one, np.ones((8, 8)))


def test_masking_levels_of_vectors(vector_detector, vectors):
    display = MaskingLevelsDisplay.from_estimator(vector_detector, vectors[:1])
    assert display.axes_[1, 2].images[0].get_array().shape == (1, 5 * 8)  # bins


def test_anomaly_maps_share_one_scale(image_detector, images):
    display = AnomalyMapDisplay.from_estimator(image_detector, images[:3])
    assert display.axes_.shape == (2, 3)
    overlays = [ax.images[1] for ax in display.axes_[1]]
    assert {overlay.get_clim() for overlay in overlays} == {(0, display.maps.max())}
    assert_allclose(display.maps, image_detector.anomaly_map(images[:3]))


def test_anomaly_maps_lie_on_pictures_of_full_size():
    X = np.random.default_rng(0).random((6, 9, 12))
    detector = MMRRDetector(
        2, max_iter=2, network=Network(width=8), downsample=3, random_state=0
    ).fit(X)
    display = AnomalyMapDisplay.from_estimator(detector, X[:2])
    picture, overlay = display.axes_[1, 0].images
    assert picture.get_extent() == overlay.get_extent()
    assert np.squeeze(picture.get_array()).shape == overlay.get_array().shape == (9, 12)


def test_anomaly_maps_of_features_lie_on_the_pictures():
    X = np.random.default_rng(0).integers(256, size=(20, 16, 16, 3), dtype=np.uint8)
    bank = DeepKNNDetector(nn.Conv2d(3, 4, 5, stride=4), patches=True, random_state=0)
    display = AnomalyMapDisplay.from_estimator(bank.fit(X), X[:2])
    picture, overlay = display.axes_[1, 0].images
    assert_allclose(display.images[:2], X[:2] / 255 * 2.0 - 1, rtol=1e-6, atol=1e-6)
    assert picture.get_extent() == overlay.get_extent()


def test_anomaly_maps_of_vectors(vector_detector, vectors):
    assert AnomalyMapDisplay.from_estimator(vector_detector, vectors[:2]).axes_.shape == (2, 2)


def test_anomaly_maps_of_bins_show_features_by_their_ranks(vectors):
    detector = MMRRDetector(2, max_iter=2, n_bins=4, random_state=0).fit(vectors[:100])
    images = AnomalyMapDisplay.from_estimator(detector, vectors[:100]).images
    assert images.shape == (100, 5)
    order = np.argsort(vectors[:100], axis=0)
    assert (np.diff(np.take_along_axis(images, order, axis=0), axis=0) >= -1e-6).all()


def test_colour_images_are_drawn_in_colour():
    rng = np.random.default_rng(0)
    display = AnomalyMapDisplay(images=rng.uniform(-1, 1, (1, 4, 5, 3)), maps=rng.random((1, 4, 5)))
    assert display.plot().axes_[0, 0].images[0].get_array().shape == (4, 5, 3)


def labels_of(ticks):
    return [label.get_text() for label in ticks]


def test_contributions_of_one_sample_are_bars(vectors):
    frame = pd.DataFrame(vectors, columns=list("abcde"), index=[f"part {i}" for i in range(120)])
    detector = MMRRDetector(3, max_iter=60, random_state=0).fit(frame[:100])
    broken = frame.iloc[[100]].copy()
    broken["d"] = 50.0
    display = ContributionsDisplay.from_estimator(
        detector, broken, normal=frame[:100], max_features=3
    )
    values = detector.contributions(broken).iloc[0]
    highest = values.sort_values(ascending=False)
    rest = "others (2)"
    assert labels_of(display.ax_.get_yticklabels())[::-1] == [*highest.index[:3], rest]
    assert highest.index[0] == "d"
    widths = [bar.get_width() for bar in display.ax_.patches]
    assert_allclose(widths, [*highest[:3], highest[3:].sum()])
    score = -detector.score_samples(broken)[0]
    assert sum(widths) == pytest.approx(score)
    assert display.ax_.get_title() == f"part 100: score {score:.3g}"
    ticks = display.ax_.collections[0].get_offsets()[:, 0]
    usual = np.quantile(detector.contributions(frame[:100]), 0.95, axis=0)
    assert_allclose(ticks, usual[["abcde".index(name) for name in highest.index[:3]]])


def test_contributions_of_samples_are_a_table(vector_detector, vectors):
    display = ContributionsDisplay.from_estimator(vector_detector, vectors[:4], max_features=2)
    values = vector_detector.contributions(vectors[:4])
    shown = np.sort(np.argsort(values.max(axis=0))[::-1][:2])
    names = [*map(str, shown), "others (3)"]
    assert labels_of(display.ax_.get_xticklabels()) == names
    scores = -vector_detector.score_samples(vectors[:4])
    titles = [f"{i}: score {score:.3g}" for i, score in enumerate(scores)]
    assert labels_of(display.ax_.get_yticklabels()) == titles
    colours = display.ax_.images[0].get_array()
    assert_allclose(colours[:, :2], values[:, shown])
    assert np.ma.getmaskarray(colours)[:, 2].all()  # the sum is on no scale of single features
    texts = [int(text.get_text()[:-1]) for text in display.ax_.texts]
    assert_allclose(np.reshape(texts, (4, 3)).sum(axis=1), 100, atol=2)


def test_contributions_take_names_and_axes():
    ax = plt.figure().add_subplot()
    display = ContributionsDisplay.from_predictions(
        [[0.1, 0.3]], feature_names=iter(["width", "height"]), titles=["this one"], ax=ax
    )
    assert display.ax_ is ax
    assert labels_of(ax.get_yticklabels()) == ["width", "height"]
    assert ax.get_title() == "this one"


def test_contributions_of_zero_are_drawn():
    texts = ContributionsDisplay.from_predictions(np.zeros((2, 2))).ax_.texts
    assert labels_of(texts) == ["0%"] * 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"contributions": [1.0, 2.0]}, r"'contributions'.*\(n_samples, n_features\)"),
        ({"contributions": [[np.nan, 1]]}, "'contributions'.*finite"),
        ({"feature_names": ["a"]}, "'feature_names'.*None or 2 texts. Got a list of length 1"),
        ({"titles": "one"}, "'titles'.*None or 1 texts"),
        ({"usual": [0.1]}, "'usual'.*2 features.*Got 1"),
        ({"max_features": 0}, "'max_features'.*at least 1. Got 0"),
    ],
)
def test_contributions_that_cannot_be_drawn(wrong, message):
    with pytest.raises(ValueError, match=message):
        ContributionsDisplay.from_predictions(**({"contributions": [[0.1, 0.3]]} | wrong))


def test_learning_curve_marks_the_kept_weights(image_detector):
    display = LearningCurveDisplay.from_estimator(image_detector)
    assert [ax.get_title() for ax in display.axes_] == ["restoration", "refinement"]
    kept = display.axes_[0].lines[2].get_ydata()
    assert_array_equal(kept, image_detector.history_["restoration"]["validation_loss"].min())


@pytest.mark.parametrize(
    ("validation_loss", "kept"), [([np.nan, 3.0, 2.0, 4.0], 2), ([np.nan] * 4, 3)]
)
def test_learning_curve_of_steps_without_a_validation_loss(validation_loss, kept):
    log = {"step": [1, 2, 3, 4], "train_loss": [4.0, 3.0, 2.0, 1.0]}
    history = {"phase": log | {"validation_loss": validation_loss}}
    display = LearningCurveDisplay(history=history).plot()
    assert display.axes_[0].lines[2].get_xdata() == [log["step"][kept]]


def test_score_histogram_draws_the_threshold(vector_detector, vectors):
    y = np.repeat([1, -1], [100, 20])
    display = ScoreHistogramDisplay.from_estimator(vector_detector, vectors, y)
    assert display.ax_.lines[0].get_xdata()[0] == -vector_detector.offset_
    assert_allclose(display.anomaly_score, -vector_detector.score_samples(vectors))
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert sorted(labels) == ["anomalies", "normal", "threshold"]


def test_score_histogram_draws_no_threshold_that_is_missing_or_of_other_parameters(vectors):
    detector = DeepKNNDetector(contamination=None).fit(vectors)
    assert ScoreHistogramDisplay.from_estimator(detector, vectors).threshold is None
    detector.set_params(contamination=0.1).fit(vectors).set_params(n_neighbors=7)
    with pytest.raises(NotFittedError, match="calibrate"):
        ScoreHistogramDisplay.from_estimator(detector, vectors)


def test_score_histogram_draws_into_given_axes():
    ax = plt.figure().add_subplot()
    assert ScoreHistogramDisplay.from_predictions([1.0, 2.0], ax=ax).ax_ is ax


def test_score_histogram_on_a_logarithmic_scale():
    scores, y = np.array([0.01, 0.02, 0.1, 1.0, 10.0]), [1, 1, 1, -1, -1]
    display = ScoreHistogramDisplay.from_predictions(scores, y, threshold=0.5, log_scale=True)
    assert display.ax_.get_xscale() == "log"
    normal, anomalies = (bars.datavalues for bars in display.ax_.containers)
    assert_allclose([normal.sum(), anomalies.sum()], 1)
    assert_allclose(anomalies[-1], 0.5)
    edges = [bar.get_x() for bar in display.ax_.containers[0]]
    assert_allclose(np.diff(np.log(edges)), np.log(1000) / 40)
    with pytest.raises(ValueError, match=r"scores above 0 on a logarithmic scale\. Got -1"):
        ScoreHistogramDisplay.from_predictions([-1.0, 2.0], log_scale=True)


def test_score_histogram_refuses_other_labels():
    with pytest.raises(ValueError, match=r"\+1 \(normal\) and -1.*\[0 1\].*np.where"):
        ScoreHistogramDisplay.from_predictions([1.0, 2.0], [0, 1])


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"ScoreHistogramDisplay needs.*skmmrr\[plot\]"):
        ScoreHistogramDisplay.from_predictions([1.0, 2.0])
