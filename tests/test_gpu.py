"""What holds on a GPU alone, or there too; these tests run where there is one."""

import pickle
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from skmmrr import MMRRDetector, Network, Training
from skmmrr.benchmark._icl import ICL
from skmmrr.core import checkpoint
from skmmrr.core.checkpoint import Checkpoint
from skmmrr.core.devices import module_to_device
from skmmrr.core.training import (
    OPTIMIZERS,
    Budget,
    Phase,
    TrainingData,
    TrainingInterrupted,
    Update,
    optimizer_of,
    stepper,
)
from skmmrr.features.registration import Registration
from skmmrr.mmrr import MMRRModel
from skmmrr.mmrr.phases import training_phases

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

ZEROS = load_digits().images[load_digits().target == 0]
KINDS = [
    {"backbone": "unet", "n_estimators": 2, "network": Network(width=16)},
    {
        "backbone": "unet",
        "mask": "bernoulli",
        "training": Training(optimizer="radam", schedule="plateau"),
    },
    {"backbone": "mlp"},
]


def fitted(**parameters):
    parameters = {"max_iter": 25, "random_state": 0, **parameters}
    return MMRRDetector(8, **parameters).fit(ZEROS[:100])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_scores(kind):
    first, second = fitted(**kind), fitted(**kind)
    assert_array_equal(first.score_samples(ZEROS), second.score_samples(ZEROS))
    assert not torch.backends.cudnn.deterministic


def test_ctrl_c_in_a_capture_leaves_a_fitted_detector(monkeypatch):
    whole, calls = MMRRModel.encode, []

    def interrupted(self, x):
        calls.append(torch.is_grad_enabled())  # not in validations
        if calls[-1] and sum(calls) == 8:  # two models: the second one, in the fourth step
            signal.raise_signal(signal.SIGINT)
        return whole(self, x)

    monkeypatch.setattr(MMRRModel, "encode", interrupted)
    with pytest.warns(TrainingInterrupted, match="after 4 of 25"):
        detector = fitted(**KINDS[0])
    monkeypatch.undo()
    assert np.isfinite(detector.score_samples(ZEROS)).all()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU at most")
def test_another_gpu_than_the_current_one():
    detector = fitted(**KINDS[0], device="cuda:1")
    assert_allclose(
        detector.score_samples(ZEROS),
        detector.set_params(device="cuda:0").score_samples(ZEROS),
        rtol=1e-6,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_losses_fall_as_on_a_cpu(kind):
    histories = [fitted(device=device, **kind).history_ for device in ("cuda", "cpu")]
    for phase in histories[0]:
        gpu, cpu = (history[phase]["validation_loss"] for history in histories)
        assert_allclose(gpu[-1], cpu[-1], rtol=0.3)


def test_scores_are_those_of_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    detector = fitted(**KINDS[0], precision="float32")
    on_gpu = detector.score_samples(ZEROS)
    assert_allclose(on_gpu, detector.set_params(device="cpu").score_samples(ZEROS), rtol=0.01)


def test_a_score_does_not_depend_on_company():
    detector = fitted(**KINDS[0])
    scores = detector.score_samples(ZEROS)
    order = np.random.default_rng(0).permutation(len(ZEROS))
    assert_allclose(detector.score_samples(ZEROS[order]), scores[order], rtol=1e-9)
    assert_allclose(detector.score_samples(ZEROS[7:8]), scores[7:8], rtol=1e-9)


def test_a_fitted_detector_pickles_and_leaves_nothing_on_the_gpu():
    detector = fitted()
    again = pickle.loads(pickle.dumps(detector)).set_params(device="cpu")
    assert not any(t.is_cuda or t.grad is not None for t in again.network_.parameters())
    assert again.score_samples(ZEROS[:3]).shape == (3,)


def data_on_gpu(detector, device):
    """What trains the models of a fitted detector again, steps alone."""
    samples = detector._samples(ZEROS.reshape(len(ZEROS), -1))
    rows = np.arange(len(ZEROS))
    return TrainingData(samples, rows, rows[:5], 0, device, torch.float32, verbose=0)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_no_step_waits_for_the_gpu():
    detector, device = fitted(**KINDS[0]), torch.device("cuda")
    models, data = detector.spec_.initialised_models(), data_on_gpu(detector, device)
    module_to_device(models, device)
    x = torch.randn(16, 1, 8, 8)
    for phase in training_phases(models, detector.spec_):
        step = stepper(phase, [optimizer_of(update, device) for update in phase.updates], data)
        for _ in range(5):  # one by one, then captured
            step(x.cuda(), 0)
        try:
            torch.cuda.set_sync_debug_mode("error")
            for i in range(3):
                step(x.pin_memory().to(device, non_blocking=True), i)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_replayed_steps_train_like_steps_one_by_one():
    weights, detector = [], fitted(**KINDS[0])
    for device in (torch.device("cuda"), torch.device("cpu")):
        layer = torch.nn.Linear(3, 3)
        for parameter in layer.parameters():
            torch.nn.init.constant_(parameter, 0.5)
        layer.to(device)
        loss = lambda x, generator, layer=layer: (x - layer(x)).square()  # noqa: E731
        update = Update(list(layer.parameters()), loss, OPTIMIZERS["adamw"], 0.01)
        budget = Budget(20, 16, 0.01, "adamw", "constant")
        phase = Phase("test", layer, [update], None, budget)
        step = stepper(phase, [optimizer_of(update, device)], data_on_gpu(detector, device))
        x = torch.linspace(-1, 1, 48).view(16, 3)
        for i in range(20):
            step((x * (1 + i / 20)).to(device), i)
        weights.append(layer.weight.detach().cpu().numpy())
    assert_allclose(*weights, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_was_broken_off_goes_on(kind, monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    def kill(self, state, save=Checkpoint.save):
        save(self, state)
        if state["phase"] and state["phase"]["step"] >= 10:
            raise Killed

    training = replace(kind.get("training", Training()), checkpoint=tmp_path / "fit")
    expected, again = fitted(**kind), kind | {"training": training}
    monkeypatch.setattr(checkpoint, "_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", kill)
        with pytest.raises(Killed):
            fitted(**again)
    detector = fitted(**again)
    assert detector.n_iter_.tolist() == expected.n_iter_.tolist()
    assert_allclose(detector.score_samples(ZEROS), expected.score_samples(ZEROS), rtol=1e-3)


def test_pictures_are_aligned_as_on_a_cpu():
    pictures = torch.full((12, 1, 64, 64), -0.8)
    for i, picture in enumerate(pictures):
        upright = picture[0] if i % 2 else picture[0].T
        upright[10 + i : 42 + i, 28:34] = upright[10 + i : 18 + i, 22:40] = 0.6
    registration = Registration.fit([pictures], 64, square=False)
    found = registration.register(pictures.cuda()).cpu()
    assert_allclose(found, registration.register(pictures), atol=1e-3)


def test_the_rival_icl_scores_as_on_a_cpu():
    X = ZEROS.reshape(len(ZEROS), -1)[:, 1:40].astype(np.float32)
    detector = ICL(width=16, epochs=3, random_state=0).fit(X[:100])
    assert detector.network_.window.is_cuda
    scores = detector.score_samples(X)
    detector.network_.cpu()
    assert_allclose(detector.score_samples(X), scores, rtol=1e-3)
