"""The loop, on models that have nothing to do with MMRR."""

import signal
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skmmrr.core import training
from skmmrr.core.interrupts import Interrupt, deferred_interrupt
from skmmrr.core.training import (
    OPTIMIZERS,
    Budget,
    Phase,
    TrainingData,
    TrainingInterrupted,
    Update,
    fitting,
    run_phase,
    train,
)
from skmmrr.representation import Representation, Samples

CPU = torch.device("cpu")


def make_data(n=40, n_validation=5, seed=0, verbose=0):
    X = np.random.default_rng(0).normal(size=(n, 3))
    samples, index = Samples(X, Representation.fit(X, None)), np.arange(n)
    return TrainingData(
        samples, index[n_validation:], index[:n_validation], seed, CPU, torch.float32, verbose
    )


def make_budget(**changes):
    defaults = dict(
        max_iter=50, batch_size=8, learning_rate=0.05, optimizer="adamw", schedule="cosine"
    )
    return Budget(**(defaults | changes))


def autoencoder(seed=0):
    linear = nn.utils.skip_init(nn.Linear, 3, 3)
    nn.init.normal_(linear.weight, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(linear.bias)
    return linear


def squared_error(module, x, generator):
    return (module(x) - x).square().mean(1)


def phase_of(module, budget, loss=None, name="fit"):
    """A phase of one update, whose loss chooses the weights."""
    loss = loss or partial(squared_error, module)
    optimizer = OPTIMIZERS[budget.optimizer]
    update = Update(list(module.parameters()), loss, optimizer, budget.learning_rate)
    return Phase(name, module, [update], [loss], budget)


def run(module, budget=None, loss=None, **data):
    budget = budget or make_budget()
    return run_phase(phase_of(module, budget, loss), make_data(**data), Interrupt())


@pytest.mark.parametrize("optimizer", ["adamw", "radam"])
@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_losses_fall_and_history_says_so(optimizer, schedule):
    budget = make_budget(optimizer=optimizer, schedule=schedule, max_iter=100)
    result = run(autoencoder(), budget)
    loss = result.history["validation_loss"]
    assert loss.min() < 0.9 * loss[0]
    assert result.n_iter == result.history["step"][-1] == 100
    assert all(isinstance(column, np.ndarray) for column in result.history.values())
    assert len({len(column) for column in result.history.values()}) == 1


def test_the_best_weights_are_kept():
    module = autoencoder()
    result = run(module, make_budget(learning_rate=5.0, schedule="constant"))
    x = make_data().samples.batch(np.resize(np.arange(5), 64))
    with torch.no_grad():
        kept = (module(x) - x).square().mean().item()
    assert_allclose(kept, result.history["validation_loss"].min(), rtol=1e-5)
    assert not module.training


def test_terms_of_the_loss_are_logged_and_change_nothing():
    def with_terms(x, generator):
        errors = (module(x) - x).square()
        return torch.cat([errors.mean(1, keepdim=True), errors], dim=1)

    plain, module = autoencoder(), autoencoder()
    expected = run(plain).history
    phase = replace(
        phase_of(module, make_budget()), criterion=[with_terms], terms=("first", "second", "third")
    )
    history = run_phase(phase, make_data(), Interrupt()).history
    assert torch.equal(module.weight, plain.weight)
    assert_array_equal(history["train_loss"], expected["train_loss"])
    mean = (history["first"] + history["second"] + history["third"]) / 3
    assert_allclose(history["validation_loss"], mean, rtol=1e-6)


@pytest.mark.parametrize(("n", "n_validation"), [(2, 1), (3, 1), (7, 2)])
def test_fewer_samples_than_a_batch(n, n_validation):
    assert run(autoencoder(), n=n, n_validation=n_validation).n_iter > 0


def test_same_seed_same_weights():
    weights = []
    for seed in (0, 0, 1):
        module = autoencoder()
        run(module, seed=seed)
        weights.append(module.weight.detach().numpy())
    assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_every_sample_is_seen_once_an_epoch():
    seen = []

    def loss(x, generator):
        if module.training:
            seen.append(x[:, 0].numpy().copy())
        return module(x).square().mean(1)

    module = autoencoder()
    run(module, make_budget(max_iter=10, batch_size=7), loss)
    values, counts = np.unique(np.concatenate(seen), return_counts=True)
    assert len(values) == 35
    assert set(counts) == {2}


def test_stops_early_when_the_validation_loss_has_stopped_falling():
    def loss(x, generator):
        rising = module.bias.sum().square() + 1.0  # starts at its minimum
        return rising + (x.sum() * module.weight.sum() * 0 if module.training else 0) + x[:, 0] * 0

    module = autoencoder()
    with pytest.warns(ConvergenceWarning, match="did not fall.*max_iter was 500"):
        result = run(module, make_budget(max_iter=500), loss)
    assert result.n_iter < 500
    assert not result.learned


def test_progress_is_shown_when_asked_and_only_then(capsys):
    run(autoencoder())
    assert capsys.readouterr() == ("", "")
    run(autoencoder(), verbose=1)
    error = capsys.readouterr().err
    assert "fit" in error
    assert "validation=" in error


def test_global_random_states_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run(autoencoder())
    assert_array_equal(torch.get_rng_state(), torch_state)
    assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


# Schedules


def test_the_paper_halves_its_rate_after_500_epochs_without_a_new_best():
    module = autoencoder()

    def stuck(x, generator):
        return x[:, 0] * 0 + 1.0 + 0 * module.weight.sum()

    budget = make_budget(max_iter=5200, batch_size=7, schedule="plateau")  # 5 steps an epoch
    with pytest.warns(ConvergenceWarning):
        history = run(module, budget, stuck).history
    epochs = np.arange(len(history["step"]))
    assert_array_equal(history["step"], 5 * epochs)  # every epoch is validated
    rates = 0.05 * 0.5 ** ((epochs - 1).clip(0) // 500)  # of the steps before a validation
    assert_allclose(history["learning_rate"], rates)


@pytest.mark.parametrize(("batch_size", "epochs_a_step"), [(70, 2), (35, 1), (1750, 50)])
def test_an_epoch_may_be_shorter_than_a_step(batch_size, epochs_a_step):
    module = autoencoder()
    max_iter = 500 // epochs_a_step + 1
    budget = make_budget(max_iter=max_iter, batch_size=batch_size, schedule="plateau")

    def stuck(x, generator):
        return x[:, 0] * 0 + 1.0 + 0 * module.weight.sum()

    with pytest.warns(ConvergenceWarning):
        rates = run(module, budget, stuck).history["learning_rate"]
    assert_allclose(rates, [0.05] * max_iter + [0.025])


def test_a_lowered_rate_stays_in_the_tensor_that_replayed_steps_read(monkeypatch):
    def of_older_torch(self, epoch):
        for group in self.optimizer.param_groups:
            group["lr"] = float(group["lr"]) * self.factor

    monkeypatch.setattr(torch.optim.lr_scheduler.ReduceLROnPlateau, "_reduce_lr", of_older_torch)
    rate = torch.tensor(0.1)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=rate, fused=True)
    schedulers = training._plateau([optimizer], epochs=500)
    for _ in range(2):
        training._lower_all(schedulers, 1.0)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate == torch.tensor(0.05)


# Several updates in a step


def test_every_network_has_draws_of_its_own_and_the_first_those_of_one_alone():
    drawn = []

    def draw(network, module, x, generator):
        drawn.append((network, torch.rand(1, generator=generator).item()))
        return squared_error(module, x, generator)

    def draws(n_networks):
        drawn.clear()
        networks = nn.ModuleList(autoencoder() for _ in range(n_networks))
        losses = [partial(draw, i, network) for i, network in enumerate(networks)]
        updates = [
            Update(list(network.parameters()), loss, OPTIMIZERS["adamw"], 0.05)
            for network, loss in zip(networks, losses, strict=True)
        ]
        budget = make_budget(max_iter=5)
        phase = Phase("fit", networks, updates, losses, budget, independent=True)
        run_phase(phase, make_data(), Interrupt())
        return [[number for who, number in drawn if who == i] for i in range(n_networks)]

    (alone,), both = draws(1), draws(2)
    assert both[0] == alone
    assert len(both[1]) == len(alone)
    assert not set(both[1]) & set(alone)


class Game(nn.Module):
    """A toy GAN: a generator of one number, and a critic that tells it from the samples' first."""

    def __init__(self):
        super().__init__()
        self.generator = nn.Linear(1, 1)
        self.critic = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
        for i, parameter in enumerate(self.parameters()):
            nn.init.normal_(parameter, generator=torch.Generator().manual_seed(i))

    def fakes(self, n, generator):
        return self.generator(torch.rand(n, 1, generator=generator))

    def critic_loss(self, x, generator):
        fakes = self.fakes(len(x), generator).detach()
        logits = self.critic(torch.cat([x[:, :1], fakes]))
        real = torch.cat([torch.ones(len(x), 1), torch.zeros(len(x), 1)])
        return nn.functional.binary_cross_entropy_with_logits(logits, real, reduction="none")

    def generator_loss(self, x, generator):
        return nn.functional.softplus(-self.critic(self.fakes(len(x), generator)))


def game_phase(game, max_iter, every=1, criterion=None):
    optimizer = partial(torch.optim.Adam, betas=(0.5, 0.9))
    updates = [
        Update(list(game.critic.parameters()), game.critic_loss, optimizer, 0.02),
        Update(list(game.generator.parameters()), game.generator_loss, optimizer, 0.01, every),
    ]
    budget = make_budget(max_iter=max_iter, batch_size=32, schedule="constant")
    return Phase("game", game, updates, criterion, budget)


def test_a_gan_trains_with_two_optimizers_in_turn():
    game, data = Game(), make_data(n=200)
    result = run_phase(game_phase(game, max_iter=1500), data, Interrupt())
    assert result.n_iter == 1500  # no loss stops a game
    assert np.isnan(result.history["validation_loss"]).all()
    assert np.isfinite(result.history["train_loss"][1:]).all()
    assert result.learned
    real = data.samples.batch(data.train)[:, 0]
    fakes = game.fakes(2000, torch.Generator().manual_seed(0)).detach()
    assert abs(fakes.mean() - real.mean()) < 0.15


def test_the_last_weights_of_a_game_are_kept():
    game = Game()
    before = game.generator.weight.detach().clone()
    run_phase(game_phase(game, max_iter=5), make_data(), Interrupt())
    assert (game.generator.weight != before).any()
    game = Game()
    never_better = [lambda x, generator: torch.ones(len(x))]
    with pytest.warns(ConvergenceWarning):
        run_phase(game_phase(game, max_iter=5, criterion=never_better), make_data(), Interrupt())
    assert_array_equal(game.generator.weight, before)


def test_gradients_of_a_loss_reach_the_weights_of_its_update_alone():
    game = Game()
    critic = [p.detach().clone() for p in game.critic.parameters()]
    phase = game_phase(game, max_iter=3)
    phase = replace(phase, updates=phase.updates[1:])  # the generator's loss alone
    run_phase(phase, make_data(), Interrupt())
    for before, after in zip(critic, game.critic.parameters(), strict=True):
        assert_array_equal(before, after.detach())
    assert all(p.grad is None for p in game.critic.parameters())


def test_an_update_may_be_made_in_every_so_many_steps():
    game, calls = Game(), []

    def counted(x, generator):
        calls.append(1)
        return game.generator_loss(x, generator)

    phase = game_phase(game, max_iter=10)
    slow = replace(phase.updates[1], loss=counted, every=3)
    run_phase(replace(phase, updates=[phase.updates[0], slow]), make_data(), Interrupt())
    assert len(calls) == 4  # steps 0, 3, 6, 9


# Ctrl-C


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def fit_two_phases(press_at):
    """Train two phases; Ctrl-C comes at a call of a loss in training, counted over both."""
    network, calls = nn.ModuleList([autoencoder(0), autoencoder(1)]), []

    def loss(module, x, generator):
        if module.training:
            calls.append(1)
            if len(calls) == press_at:
                press_ctrl_c()
        return squared_error(module, x, generator)

    budget = make_budget()
    phases = [
        phase_of(module, budget, partial(loss, module), name)
        for module, name in zip(network, ("first", "second"), strict=True)
    ]
    data = make_data()
    with fitting(phases, data) as stop:
        history, n_iter = train(network, phases, data, stop)
    return network, history, n_iter


@pytest.mark.parametrize(
    ("press_at", "phase", "n_iter"),
    [(20, "first", [20]), (50, "first", [50]), (60, "second", [50, 10])],
)
def test_ctrl_c_keeps_the_best_weights_and_warns(press_at, phase, n_iter):
    with pytest.warns(TrainingInterrupted, match=f"phase '{phase}' after {n_iter[-1]} of 50"):
        network, history, found = fit_two_phases(press_at)
    assert_array_equal(found, n_iter)
    assert list(history) == ["first", "second"][: len(n_iter)]
    last = history[phase]
    assert last["step"][-1] == n_iter[-1]  # the steps since the last validation count
    assert last["validation_loss"].min() < last["validation_loss"][0]
    assert not any(p.requires_grad for p in network.parameters())


def test_ctrl_c_before_anything_was_learned_is_obeyed(monkeypatch):
    def nothing_better(self):
        return self.loss

    monkeypatch.setattr(training._Best, "offer", nothing_better)
    with pytest.raises(KeyboardInterrupt):
        fit_two_phases(press_at=1)


def test_a_second_ctrl_c_is_obeyed_at_once():
    with deferred_interrupt() as stop:
        press_ctrl_c()
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_applications_own_handler_is_left_in_place():
    pressed = []
    previous = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        with deferred_interrupt() as stop:
            press_ctrl_c()
        assert pressed == [1]
        assert not stop.requested
    finally:
        signal.signal(signal.SIGINT, previous)


# Threads


def threads_of_a_fit(width, batch_size, threads=2):
    before = torch.get_num_threads()
    module = nn.Linear(3, width)
    budget = make_budget(batch_size=batch_size)
    phase = phase_of(module, budget, lambda x, generator: module(x).square())
    try:
        torch.set_num_threads(threads)
        with fitting([phase], make_data()):
            inside = torch.get_num_threads()
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    return inside


def test_a_fit_takes_the_threads_that_its_steps_are_worth_and_restores_them(monkeypatch):
    monkeypatch.setattr(training, "_FLOPS_PER_THREAD", 3 * 2 * 3 * 64 * 8)  # of one thread's step
    assert threads_of_a_fit(width=64, batch_size=8) == 1
    assert threads_of_a_fit(width=64, batch_size=16) == 2
    assert threads_of_a_fit(width=64, batch_size=800) == 2  # no more than torch has
    assert threads_of_a_fit(width=64, batch_size=800, threads=1) == 1
