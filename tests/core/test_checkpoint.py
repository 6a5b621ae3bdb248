"""Fits that are broken off and started again."""

import pickle
import signal
from contextlib import contextmanager

import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits

import skmmrr
from skmmrr import MMRRDetector, Network, Training
from skmmrr.baselines import MLSADDetector, RotationAutoencoderDetector
from skmmrr.core import checkpoint
from skmmrr.core.checkpoint import Checkpoint
from skmmrr.core.training import TrainingInterrupted

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = load_digits().images[:60]
QUICK = {"max_iter": 5, "precision": "float32", "random_state": 0}
DETECTORS = {
    "MMRR": MMRRDetector(2, network=Network(width=4), n_estimators=2, **QUICK),
    "plateau": MMRRDetector(
        2, network=Network(width=4), training=Training(schedule="plateau", batch_size=57), **QUICK
    ),
    "rotations": RotationAutoencoderDetector(latent_channels=2, **QUICK),
    "MLSAD": MLSADDetector(
        (1, 4), fakes="patchgan", generator_max_iter=3, network=Network(width=4), **QUICK
    ),
}


class Killed(BaseException):
    """What ends a process without a word."""


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(checkpoint, "_SECONDS", 0)


@contextmanager
def counted(killed_after=None, pressed_at=None):
    """The phase and step of each save, until the process is killed or Ctrl-C pressed at one."""
    saves, save = [], Checkpoint.save

    def saving(self, state):
        save(self, state)
        saves.append(state["phase"] and (state["phase"]["name"], state["phase"]["step"]))
        if len(saves) == killed_after:
            raise Killed
        if len(saves) == pressed_at:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", saving)
        yield saves


def break_off(name, path, n_saves):
    with counted(killed_after=n_saves), pytest.raises(Killed):
        fitted_on(name, path)


def fitted_on(name, path):
    detector = clone(DETECTORS[name])
    return detector.set_params(training__checkpoint=path).fit(X)


def all_of(detector):
    """What a fit comes to, as arrays."""
    columns = [c for phase in detector.history_.values() for c in phase.values()]
    weights = [weight.numpy() for weight in detector.network_.state_dict().values()]
    return [detector.score_samples(X), detector.n_iter_, *columns, *weights]


def assert_same(detector, expected):
    for found, wanted in zip(all_of(detector), expected, strict=True):
        assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_fit_that_was_broken_off_goes_on_to_the_same_end(name, tmp_path):
    expected, path = all_of(clone(DETECTORS[name]).fit(X)), tmp_path / "fit"
    with counted() as saves:
        assert_same(fitted_on(name, path), expected)
    assert not path.exists()
    ends = {save[0]: n for n, save in enumerate(saves, start=1) if save}  # of each phase
    for n_saves in (1, *ends.values(), *(n - 2 for n in ends.values())):
        break_off(name, path, n_saves)
        with counted() as after:
            assert_same(fitted_on(name, path), expected)
        assert after == saves[n_saves:]
        assert not path.exists()


def test_ctrl_c_keeps_the_file_and_the_same_fit_goes_on(tmp_path):
    expected, path = all_of(clone(DETECTORS["MMRR"]).fit(X)), tmp_path / "fit"
    with counted(pressed_at=3), pytest.warns(TrainingInterrupted):
        fitted_on("MMRR", path)
    assert path.exists()
    assert_same(fitted_on("MMRR", path), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 1},
        {"training__batch_size": 3},
        {"mask": "bernoulli"},
        {"network__width": 5},
        {"precision": "float64"},
        {"validation_fraction": 0.1},
    ],
)
def test_the_file_of_another_fit_is_refused(change, tmp_path):
    path = tmp_path / "fit"
    break_off("MMRR", path, 3)
    content = path.read_bytes()
    detector = clone(DETECTORS["MMRR"]).set_params(training__checkpoint=path)
    with pytest.raises(ValueError, match=r"fit, the training.checkpoint of MMRR.* another fit"):
        clone(detector).set_params(**change).fit(X)
    with pytest.raises(ValueError, match="belongs to another fit, with other samples"):
        detector.fit(X + 1e-6)
    assert path.read_bytes() == content


class Evil:
    def __reduce__(self):
        return print, ("code of a file ran",)


@pytest.mark.parametrize("content", [b"text", b"", pickle.dumps(Evil())])
def test_what_is_no_checkpoint_is_refused_and_kept(content, tmp_path, capsys):
    (tmp_path / "fit").write_bytes(content)
    with pytest.raises(ValueError, match=r"fit, the training.checkpoint .* cannot be read as"):
        fitted_on("MMRR", tmp_path / "fit")
    assert (tmp_path / "fit").read_bytes() == content
    assert capsys.readouterr().out == ""


def test_a_missing_folder_is_named_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr("skmmrr.core.training.run_phase", lambda *_: pytest.fail("it trained"))
    with pytest.raises(FileNotFoundError, match="no folder"):
        fitted_on("MMRR", tmp_path / "missing" / "fit")


def test_fits_for_the_threshold_do_not_touch_the_file(tmp_path):
    detector = clone(DETECTORS["MMRR"]).set_params(contamination=0.3)
    plain = clone(detector).fit(X)
    with counted() as saves:
        kept = detector.set_params(training__checkpoint=tmp_path / "fit").fit(X)
    assert saves.count(None) == 1  # of one fit
    assert_array_equal(kept.held_out_scores_, plain.held_out_scores_)
    assert list(tmp_path.iterdir()) == []


def test_files_of_detectors_do_not_say_where_fits_write(tmp_path):
    detector = fitted_on("MMRR", tmp_path / "fit")
    detector.save(tmp_path / "model")
    assert b"checkpoint" not in (tmp_path / "model").read_bytes()
    again = skmmrr.load(tmp_path / "model")
    assert again.training.checkpoint is None
    assert_array_equal(again.score_samples(X), detector.score_samples(X))


def test_it_is_saved_once_a_minute_at_most(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "_SECONDS", 60.0)
    with counted() as saves:
        fitted_on("MMRR", tmp_path / "fit")
    assert saves == [None]
