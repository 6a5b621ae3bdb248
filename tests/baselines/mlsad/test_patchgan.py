"""The entropy-regularised PatchGAN: its layers, its gradients, and what it estimates."""

import math

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skmmrr.baselines.mlsad import patchgan
from skmmrr.baselines.mlsad.patchgan import (
    Discriminator,
    Generator,
    MinibatchDeviation,
    PatchGAN,
    SpectralConv2d,
    StatisticsNetwork,
    clipping_weight,
    mutual_information,
    with_clipped_information,
)
from skmmrr.core.initialisation import build, initialise


def made(module_of, seed=0):
    module = build(module_of)
    initialise(module, torch.Generator().manual_seed(seed))
    return module


def n_weights(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("level", "side", "weights"), [(2, 31, 76e3), (4, 29, 308e3), (8, 25, 1.05e6)]
)
def test_discriminators_are_those_of_tables_6_and_8(level, side, weights):
    discriminator = made(lambda: Discriminator(3, level, 512))
    assert discriminator(torch.zeros(4, 3, 32, 32)).shape == (4, 1, side, side)
    assert n_weights(discriminator) == pytest.approx(weights, rel=0.03)


def test_the_generator_is_that_of_table_8():
    generator = made(lambda: Generator((3, 32, 32), 512))
    assert n_weights(generator) == pytest.approx(5.78e6, rel=0.02)
    sizes = {}
    for name, module in generator.named_modules():
        if isinstance(module, nn.Sequential):
            module.register_forward_hook(
                lambda _, __, output, name=name: sizes.update({name: tuple(output.shape[1:])})
            )
    assert generator(torch.zeros(2, 3, 32, 32)).shape == (2, 3, 32, 32)
    assert [sizes[f"down.{i}"] for i in range(3)] == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]
    assert sizes["bottom"] == (256, 4, 4)
    assert [sizes[f"up.{i}"] for i in range(2)] == [(128, 8, 8), (64, 16, 16)]


def test_the_statistics_network_has_four_resolutions():
    with torch.device("meta"):
        statistics = StatisticsNetwork(3, 512)
        assert statistics(*torch.empty(2, 5, 3, 32, 32)).shape == (5,)
    assert statistics.output.in_features == 704
    assert n_weights(statistics) == pytest.approx(1.71e6, rel=0.01)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 20)])
def test_fakes_have_the_shape_of_images_of_any_size(shape):
    generator = made(lambda: Generator(shape, 4)).eval()
    fakes = generator(torch.rand(2, *shape) * 2 - 1)
    assert fakes.shape == (2, *shape)
    assert fakes.abs().max() < 1


@pytest.mark.parametrize("level", [2, 4, 8])
def test_a_discriminator_sees_a_window(level, monkeypatch):
    """Without the deviation of the minibatch, which is of whole images."""
    monkeypatch.setattr(MinibatchDeviation, "n_channels", staticmethod(lambda features: 0))
    monkeypatch.setattr(MinibatchDeviation, "forward", lambda self, x: x)
    discriminator = made(lambda: Discriminator(1, level, 16)).eval()
    x = torch.rand(1, 1, 12, 12, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(x)[0, 0, 1, 2], x)
    expected = torch.zeros(12, 12, dtype=torch.bool)
    expected[1 : 1 + level, 2 : 2 + level] = True
    assert ((gradient[0, 0] != 0) == expected).all()


def test_a_discriminator_knows_where_it_looks():
    discriminator = made(lambda: Discriminator(1, 2, 16)).eval()
    logits = discriminator(torch.zeros(1, 1, 8, 8))
    assert logits.std() > 1e-3


def test_spectral_convolutions_have_the_norm_one():
    convolution = made(lambda: SpectralConv2d(3, 6, 4))
    for _ in range(200):
        convolution(torch.zeros(1, 3, 4, 4))
    used = (convolution.weight / convolution._norm()).detach()
    assert torch.linalg.matrix_norm(used.flatten(1), 2) == pytest.approx(1, rel=1e-4)
    before = convolution.left.clone()
    convolution.eval()(torch.zeros(1, 3, 4, 4))
    assert torch.equal(convolution.left, before)  # scoring changes nothing


def test_minibatch_deviation_is_that_of_groups_of_four():
    x = torch.rand(8, 8, 3, 2)
    added = MinibatchDeviation()(x)[:, 8:]
    assert added.shape == (8, 4, 3, 2)
    group = x[[1, 3, 5, 7], 2:4]  # every second image, the second of four groups of channels
    expected = (group.var(dim=0, correction=0) + 1e-8).sqrt().mean()
    assert_allclose(added[[1, 3, 5, 7], 1], torch.full((4, 3, 2), expected), rtol=1e-5)


# Information


def correlated(n, rho):
    x = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    e = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return x, rho * x + math.sqrt(1 - rho**2) * e


def log_density_ratio(x, y, rho):
    """Of the joint density of two standard normal numbers to the product of theirs: the best T."""
    squares = rho**2 * (x**2 + y**2) - 2 * rho * x * y
    return -squares / (2 * (1 - rho**2)) - 0.5 * math.log(1 - rho**2)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_mine_is_the_mutual_information_of_gaussians_at_its_best_statistic(rho):
    x, y = correlated(200_000, rho)
    joint, apart = log_density_ratio(x, y, rho), log_density_ratio(x, y.roll(1), rho)
    exact = -0.5 * math.log(1 - rho**2)
    assert mutual_information(joint, apart, "mine") == pytest.approx(exact, abs=0.02)
    for worse in (0.5 * joint, torch.zeros_like(joint)):
        smaller = mutual_information(worse, 0.5 * apart if worse.any() else worse, "mine")
        assert smaller <= exact + 0.02


def test_jsd_is_nothing_of_independent_numbers_and_rises_with_the_information():
    estimates = []
    for rho in (0.0, 0.5, 0.8, 0.99):
        x, y = correlated(100_000, rho)
        pairs = log_density_ratio(x, y, rho), log_density_ratio(x, y.roll(1), rho)
        estimates.append(mutual_information(*pairs, "jsd").item())
    assert estimates[0] == pytest.approx(0, abs=1e-9)
    assert estimates == sorted(estimates)
    assert estimates[-1] < 2 * math.log(2)


@pytest.mark.parametrize(("factor", "expected"), [(0.25, 1.0), (1.0, 1.0), (4.0, 0.25)])
def test_the_entropys_gradient_is_never_longer_than_the_structures(factor, expected):
    structure = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]  # of length 5
    entropy = [torch.tensor([0.0, -5.0 * factor]), torch.tensor([[0.0]])]
    assert clipping_weight(structure, entropy) == pytest.approx(expected)


def test_no_entropy_is_no_division_by_zero():
    assert torch.isfinite(clipping_weight([torch.ones(2)], [torch.zeros(2)]))


def test_the_gradients_of_loss_2():
    """The generator's of structure minus weighted entropy, the statistics' of the entropy."""
    w = nn.Parameter(torch.tensor([1.0, 2.0]))
    v = nn.Parameter(torch.tensor([0.5]))

    def parts():
        return (w**2).sum(), 30 * v[0] * w[0] * w[1]  # information of the longer gradient

    adversarial, information = parts()
    structure = torch.tensor([2.0, 4.0])
    entropy = 30 * 0.5 * torch.tensor([2.0, 1.0])
    weight = structure.norm() / entropy.norm()
    loss = with_clipped_information(adversarial, information, [w], [v])
    assert loss.item() == pytest.approx(5 - weight.item() * 30)
    loss.backward()
    assert_allclose(w.grad, structure - weight * entropy, rtol=1e-6)
    assert_allclose(v.grad, [-60.0])


@pytest.mark.parametrize("information", patchgan.INFORMATION)
def test_networks_of_a_game_learn_their_own_part(information):
    game = made(lambda: PatchGAN((1, 8, 8), 2, 8, information))
    x = torch.rand(8, 1, 8, 8) * 2 - 1
    parts = {
        "discriminator": game.discriminator_loss,
        "generator": game.generator_loss,
        "statistics": game.generator_loss,
    }
    for name, loss_of in parts.items():
        parameters = list(getattr(game, name).parameters())
        loss = loss_of(x, torch.Generator().manual_seed(0)).mean()
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        assert sum(g is not None and bool(g.any()) for g in gradients) > len(parameters) / 2, name


def test_a_game_teaches_the_generator_the_pixels_of_normal_images():
    """Windows of constant brightness: fakes become smooth and of that brightness."""
    game = made(lambda: PatchGAN((1, 8, 8), 2, 16, "jsd"))
    generator = torch.Generator().manual_seed(0)
    x = torch.full((16, 1, 8, 8), 0.5)
    makers = [*game.generator.parameters(), *game.statistics.parameters()]
    first = torch.optim.Adam(game.discriminator.parameters(), 2e-3, betas=(0.5, 0.9))
    second = torch.optim.Adam(makers, 2e-3, betas=(0.5, 0.9))
    before = (game.sample(64, generator) - 0.5).abs().mean().item()
    for _ in range(60):
        for optimizer, loss_of in ((first, game.discriminator_loss), (second, game.generator_loss)):
            optimizer.zero_grad()
            loss_of(x, generator).mean().backward()
            optimizer.step()
    after = (game.sample(64, generator) - 0.5).abs().mean().item()
    assert after < 0.6 * before
