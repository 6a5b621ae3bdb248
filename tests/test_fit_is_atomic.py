"""A fit happens whole or not at all, whatever fails and whenever: for every detector."""

import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch import nn

import skmmrr
from skmmrr import MMRRDetector, Network, Training
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    MLSADDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)
from skmmrr.core import training
from skmmrr.core.base import BaseDetector
from skmmrr.core.training import TrainingInterrupted

PLAIN = {"precision": "float32"}  # an error injected where autocast ends would leave it on
PACKAGE = str(Path(skmmrr.__file__).parent)

pytestmark = pytest.mark.slow

DETECTORS = [
    MMRRDetector(
        2,
        backbone="mlp",
        network=Network(width=8),
        max_iter=4,
        validation_fraction=0.5,
        contamination=0.3,  # with one refit for the threshold
        random_state=0,
    ),
    RotationAutoencoderDetector(
        max_iter=2, training=Training(batch_size=8), random_state=0, **PLAIN
    ),
    MLSADDetector(
        (1, 4),
        fakes="patchgan",
        max_iter=2,
        generator_max_iter=2,
        network=Network(width=4),
        training=Training(batch_size=8),
        random_state=0,
        **PLAIN,
    ),
    DeepKNNDetector(adjust=True, random_state=0),
    KDEDetector(random_state=0),
    OCSVMDetector(contamination=0.3, random_state=0),
]
each_detector = pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)
trained = pytest.mark.parametrize("detector", DETECTORS[:3], ids=lambda d: type(d).__name__)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def data():
    """Two training sets and test images, so small that a fit takes a moment."""
    images = np.random.default_rng(0).random((60, 8, 8))
    return images[:20], 3 * images[20:44], images[44:]


def run_to_line(number, act, work):
    """Do some work, and something else before the given line of this library is executed.

    Returns
    -------
    lines : int
        How many lines were executed.
    """
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            count += 1
            if count == number:
                act()
        return trace

    before = sys.gettrace()  # of a debugger, or of what measures coverage
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def statements(detector, X, n):
    """Numbers of lines spread over the fit."""
    detector = clone(detector)
    total = run_to_line(-1, None, lambda: detector.fit(X))
    return np.unique(np.linspace(1, total - 1, n).astype(int)).tolist()  # the last one returns


def out_of_memory():
    raise MemoryError("injected")


@each_detector
def test_an_error_at_any_statement_of_a_refit_leaves_the_detector_of_before(detector, data):
    X, other, test = data
    detector = clone(detector).fit(X)
    scores, offset, attributes = detector.score_samples(test), detector.offset_, set(vars(detector))
    for number in statements(detector, other, n=50):
        with pytest.raises(MemoryError, match="injected"):
            run_to_line(number, out_of_memory, lambda: detector.fit(other))
        assert set(vars(detector)) == attributes
        assert detector.offset_ == offset
        assert_array_equal(detector.score_samples(test[:3]), scores[:3])
    assert_array_equal(detector.score_samples(test), scores)


@each_detector
def test_an_error_at_any_statement_of_a_first_fit_leaves_it_unfitted(detector, data, tmp_path):
    X, _, test = data
    for number in statements(detector, X, n=30):
        unfitted = clone(detector)
        with pytest.raises(MemoryError, match="injected"):
            run_to_line(number, out_of_memory, lambda: unfitted.fit(X))  # noqa: B023
        with pytest.raises(NotFittedError):
            unfitted.score_samples(test)
        with pytest.raises(NotFittedError):
            unfitted.save(tmp_path / "model")


@each_detector
@pytest.mark.parametrize(
    ("change", "X"),
    [
        ({"contamination": 2.0}, None),
        ({"image_shape": (3, 3)}, None),
        ({}, np.full((5, 8, 8), np.nan)),
        ({}, np.zeros((1, 8, 8))),
        ({}, np.zeros((5, 3, 3, 2, 2))),
    ],
)
def test_bad_parameters_and_bad_x_leave_the_detector_of_before(detector, change, X, data):
    good, _, test = data
    detector = clone(detector).fit(good)
    scores, before = detector.score_samples(test), detector.get_params(deep=False)
    with pytest.raises(ValueError, match=r"\S"):
        detector.set_params(**change).fit(good if X is None else X)
    detector.set_params(**{name: before[name] for name in change})
    assert_array_equal(detector.score_samples(test), scores)


def test_a_refused_backbone_leaves_the_threshold_that_was_known(vectors):
    detector = MMRRDetector(3, max_iter=20, random_state=0).fit(vectors)
    labels = detector.predict(vectors)
    with pytest.raises(ValueError, match="needs images"):
        detector.set_params(backbone="unet").fit(vectors)
    assert_array_equal(detector.predict(vectors), labels)


# Ctrl-C


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def line_of(detector, X, name):
    """Numbers of lines at which a function of this library is first entered, and last left."""
    lines, found = 0, []

    def trace(frame, event, argument):
        nonlocal lines
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if frame.f_code.co_name == name and event in ("call", "return"):
            found.append(lines)
        lines += event == "line"
        return trace

    detector = clone(detector)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        detector.fit(X)
    finally:
        sys.settrace(before)
    return found[0], found[-1]


@trained
def test_ctrl_c_at_any_statement_after_something_was_learned_leaves_a_fitted_detector(
    detector, data
):
    X, _, test = data
    first_offer, _ = line_of(detector, X, "offer")
    _, last = line_of(detector, X, "_set_threshold")
    numbers = np.linspace(first_offer + 30, last, 40).astype(int).tolist()
    for number in numbers:
        fitted = clone(detector)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrainingInterrupted)
            run_to_line(number, press_ctrl_c, lambda: fitted.fit(X))  # noqa: B023
        check_is_fitted(fitted)
        assert np.isfinite(fitted.decision_function(test)).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@each_detector
def test_ctrl_c_before_anything_was_learned_leaves_the_detector_of_before(detector, data):
    X, other, test = data
    detector = clone(detector).fit(X)
    scores = detector.score_samples(test)
    for number in (1, 5, 40):
        with pytest.raises(KeyboardInterrupt):
            run_to_line(number, press_ctrl_c, lambda: detector.fit(other))
        assert_array_equal(detector.score_samples(test), scores)


@trained
def test_two_ctrl_c_give_the_fit_up(detector, data):
    X, other, test = data
    detector = clone(detector).fit(X)
    scores = detector.score_samples(test)
    _, trained_at = line_of(detector, other, "run_phase")

    def press_twice():
        press_ctrl_c()
        press_ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        run_to_line(trained_at, press_twice, lambda: detector.fit(other))
    assert_array_equal(detector.score_samples(test), scores)


@trained
def test_ctrl_c_after_the_training_lets_the_fit_go_on_and_says_so(detector, data):
    X, _, test = data
    expected, pressed = clone(detector).fit(X), clone(detector)
    first, _ = line_of(detector, X, "_threshold_scores")
    with pytest.warns(TrainingInterrupted, match="came after the training"):
        run_to_line(first + 1, press_ctrl_c, lambda: pressed.fit(X))
    assert pressed.offset_ == expected.offset_
    assert_array_equal(pressed.score_samples(test), expected.score_samples(test))


def test_ctrl_c_before_the_refinement_leaves_a_network_of_ones_own_unrefined(vectors, monkeypatch):
    restore = training._Best.restore

    def press_and_restore(self, optimizers):
        press_ctrl_c()
        restore(self, optimizers)

    def linear(in_channels, out_channels, shape):
        return nn.Linear(in_channels, out_channels)

    detector = MMRRDetector(2, backbone=linear, max_iter=20, random_state=0)
    monkeypatch.setattr(training._Best, "restore", press_and_restore)
    with pytest.warns(TrainingInterrupted):
        detector.fit(vectors)
    assert list(detector.history_) == ["restoration"]
    refined = detector.level_losses(vectors)
    assert_array_equal(detector.set_params(refine=False).level_losses(vectors), refined)


def test_the_process_is_as_it_was_after_an_error(data):
    X, _, _ = data
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    detector = clone(DETECTORS[0])
    _, last = line_of(detector, X, "run_phase")
    with pytest.raises(MemoryError):
        run_to_line(last, out_of_memory, lambda: detector.fit(X))
    assert torch.get_num_threads() == threads
    assert_array_equal(torch.get_rng_state(), state)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_subclass_may_have_fewer_parameters(vectors):
    class Short(MMRRDetector):
        def __init__(self, n_levels=2, *, max_iter=3, random_state=0):
            super().__init__(n_levels, max_iter=max_iter, random_state=random_state)

    assert Short().fit(vectors).score_samples(vectors).shape == (len(vectors),)


def test_the_base_cannot_be_made_by_itself():
    with pytest.raises(TypeError, match="abstract"):
        BaseDetector()
