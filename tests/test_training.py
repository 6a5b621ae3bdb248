"""The loop, on a model that has nothing to do with MMRR."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from skmmrr._data import Samples, Scaler
from skmmrr._training import Budget, Phase, _schedule, run_phase


def make_samples(n=40):
    X = np.random.default_rng(0).normal(size=(n, 3))
    return Samples(X, Scaler.fit(X, per_feature=True), image_shape=None)


def make_budget(**changes):
    defaults = dict(
        max_iter=50,
        batch_size=8,
        learning_rate=0.05,
        optimizer="adamw",
        schedule="cosine",
        device=torch.device("cpu"),
        dtype=torch.float32,
        verbose=0,
    )
    return Budget(**(defaults | changes))


def autoencoder(seed=0):
    linear = nn.utils.skip_init(nn.Linear, 3, 3)
    nn.init.normal_(linear.weight, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(linear.bias)
    return linear


def mse_phase(module):
    return Phase("fit", module, [lambda x, generator: (module(x) - x).square().mean(1)])


def run(phase, budget, n=40, n_validation=5, seed=0):
    index = np.arange(n)
    return run_phase(
        phase, make_samples(n), index[n_validation:], index[:n_validation], budget, seed
    )


@pytest.mark.parametrize("optimizer", ["adamw", "radam"])
@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_losses_fall_and_history_says_so(optimizer, schedule):
    budget = make_budget(optimizer=optimizer, schedule=schedule, max_iter=100)
    result = run(mse_phase(autoencoder()), budget)
    loss = result.history["validation_loss"]
    assert loss.min() < 0.9 * loss[0]
    assert result.n_iter == result.history["step"][-1] == 100
    assert all(isinstance(column, np.ndarray) for column in result.history.values())
    assert len({len(column) for column in result.history.values()}) == 1


def test_the_best_weights_are_kept():
    module = autoencoder()
    result = run(mse_phase(module), make_budget(learning_rate=5.0, schedule="plateau"))
    x = make_samples().batch(np.resize(np.arange(5), 64))
    with torch.no_grad():
        kept = (module(x) - x).square().mean().item()
    assert_allclose(kept, result.history["validation_loss"].min(), rtol=1e-5)
    assert not module.training


@pytest.mark.parametrize(("n", "n_validation"), [(2, 1), (3, 1), (7, 2)])
def test_fewer_samples_than_a_batch(n, n_validation):
    assert run(mse_phase(autoencoder()), make_budget(), n, n_validation).n_iter > 0


def test_same_seed_same_weights():
    weights = []
    for seed in (0, 0, 1):
        module = autoencoder()
        run(mse_phase(module), make_budget(), seed=seed)
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
    run(Phase("fit", module, [loss]), make_budget(max_iter=10, batch_size=7), n=40, n_validation=5)
    values, counts = np.unique(np.concatenate(seen), return_counts=True)
    assert len(values) == 35
    assert set(counts) == {2}


def test_stops_early_when_the_validation_loss_has_stopped_falling():
    def loss(x, generator):
        rising = module.bias.sum().square() + 1.0  # starts at its minimum
        return rising + (x.sum() * module.weight.sum() * 0 if module.training else 0) + x[:, 0] * 0

    module = autoencoder()
    with pytest.warns(ConvergenceWarning, match="did not fall.*max_iter was 500"):
        result = run(Phase("fit", module, [loss]), make_budget(max_iter=500))
    assert result.n_iter < 500


def test_ctrl_c_keeps_the_best_weights_and_warns():
    calls = 0

    def loss(x, generator):
        nonlocal calls
        calls += module.training
        if calls == 20:
            raise KeyboardInterrupt
        return (module(x) - x).square().mean(1)

    module = autoencoder()
    with pytest.warns(UserWarning, match="interrupted in phase 'fit' after 1[0-9] of 50"):
        result = run(Phase("fit", module, [loss]), make_budget())
    assert result.interrupted
    assert len(result.history["step"]) > 1
    assert module.weight.isfinite().all()


def test_progress_is_shown_when_asked_and_only_then(capsys):
    run(mse_phase(autoencoder()), make_budget())
    assert capsys.readouterr() == ("", "")
    run(mse_phase(autoencoder()), make_budget(verbose=1))
    error = capsys.readouterr().err
    assert "fit" in error
    assert "validation=" in error


def test_global_random_states_are_left_alone():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run(mse_phase(autoencoder()), make_budget())
    assert_array_equal(torch.get_rng_state(), torch_state)
    assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_a_lowered_rate_stays_in_the_tensor_that_replayed_steps_read(monkeypatch):
    def of_older_torch(self, epoch):
        for group in self.optimizer.param_groups:
            group["lr"] = float(group["lr"]) * self.factor

    monkeypatch.setattr(torch.optim.lr_scheduler.ReduceLROnPlateau, "_reduce_lr", of_older_torch)
    rate = torch.tensor(0.1)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=rate, fused=True)
    budget = make_budget(schedule="plateau")
    _, after_validation, _ = _schedule(optimizer, budget, n_samples=8, every=500)
    for _ in range(3):
        after_validation(1.0)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate == torch.tensor(0.05)


def test_every_network_has_draws_of_its_own_and_the_first_those_of_one_alone():
    drawn = []

    def draw(network, module, x, generator):
        drawn.append((network, torch.rand(1, generator=generator).item()))
        return (module(x) - x).square().mean(1)

    def draws(n_networks):
        drawn.clear()
        networks = nn.ModuleList(autoencoder() for _ in range(n_networks))
        losses = [partial(draw, i, network) for i, network in enumerate(networks)]
        run(Phase("fit", networks, losses), make_budget(max_iter=5))
        return [[number for who, number in drawn if who == i] for i in range(n_networks)]

    (alone,), both = draws(1), draws(2)
    assert both[0] == alone
    assert len(both[1]) == len(alone)
    assert not set(both[1]) & set(alone)
