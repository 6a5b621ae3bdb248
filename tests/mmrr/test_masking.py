"""The mask layer against equation (2), a root finder of another make, and its own promises."""

import pytest
import torch
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from skmmrr.mmrr import BernoulliMasking, ConstantMasking, level_mask, restrict

PAPER_GRID = torch.arange(60) / 59


def normal(scale, d, seed=0, rows=60):
    return torch.randn(rows, d, generator=torch.Generator().manual_seed(seed)) * scale


def two_values(high, d, share=0.5):
    chance = torch.rand(60, d, generator=torch.Generator().manual_seed(1))
    return torch.where(chance < share, high, -high)


def one_of_many(value, d):
    logits = torch.full((60, d), -value)
    logits[:, 0] = value
    return logits


def clusters(distance, d):
    which = torch.randint(0, 4, (60, d), generator=torch.Generator().manual_seed(2))
    return which * distance + normal(0.1, d)


WIDE = {
    **{f"normal(0, {s}), d={d}": normal(s, d) for s in (0.1, 3, 10, 50) for d in (1, 2, 64, 3072)},
    "normal(0, 10), d=200,000": normal(10, 200_000),
    "constant 0": torch.zeros(60, 100),
    "constant 30": torch.full((60, 100), 30.0),
    "constant -1e4": torch.full((60, 100), -1e4),
    "two values +-30": two_values(30.0, 1000),
    "two values +-30, rare": two_values(30.0, 1000, share=0.01),
    "one high": one_of_many(30.0, 3072),
    "one low": one_of_many(-30.0, 3072),
    "ramp": torch.linspace(-30, 30, 500).expand(60, 500),
    "three values": torch.tensor([-30.0, 0.0, 30.0]).repeat(60, 100),
    "two values +-1e4": two_values(1e4, 1000),
    "normal(0, 3000), d=1000": normal(3000, 1000).clamp(-1e4, 1e4),
    **{f"normal(0, 3000), d={d}": normal(3000, d, seed=s) for d, s in ((126, 5), (1589, 11))},
    **{f"clusters {s} apart": clusters(s, 1773) for s in (20, 300, 3000)},
}


@pytest.mark.parametrize("logits", WIDE.values(), ids=WIDE.keys())
def test_mean_is_the_level(logits):
    mask = level_mask(logits, PAPER_GRID)
    assert_allclose(mask.double().mean(1), PAPER_GRID, rtol=0, atol=1e-6)


@pytest.mark.parametrize("logits", WIDE.values(), ids=WIDE.keys())
def test_in_range_finite_and_ordered_like_the_logits(logits):
    mask = level_mask(logits, PAPER_GRID)
    assert ((mask >= 0) & (mask <= 1)).all()
    assert (mask.gather(1, logits.argsort(dim=1)).diff(dim=1) >= 0).all()


@pytest.mark.parametrize("scale", [0.1, 3, 10, 50])
@pytest.mark.parametrize("d", [2, 17, 300])
def test_agrees_with_brentq(scale, d):
    logits = normal(scale, d, seed=d).double()[1:-1]
    levels = PAPER_GRID.double()[1:-1]
    mask = level_mask(logits, levels)
    for row, level, ours in zip(logits, levels, mask, strict=True):
        bracket = (torch.logit(level) - row.max()).item(), (torch.logit(level) - row.min()).item()
        bias = brentq(
            lambda b, row=row, level=level: (torch.sigmoid(row + b).mean() - level).item(),
            bracket[0] - 1e-9,
            bracket[1] + 1e-9,
            xtol=1e-14,
        )
        assert_allclose(ours, torch.sigmoid(row + bias), rtol=0, atol=1e-9)


def by_brentq(row, level):
    """The mask of a row of float64 logits, by another make of root finder."""

    def error(bias):
        return (torch.sigmoid(row + bias).mean() - level).item()

    ends = (torch.logit(level) - row.max()).item() - 1, (torch.logit(level) - row.min()).item() + 1
    return torch.sigmoid(row + brentq(error, *ends, xtol=1e-9, rtol=1e-15, maxiter=500))


HUGE = {
    "normal(0, 1e5)": normal(1e5, 300, rows=8),
    "normal(0, 1e7)": normal(1e7, 300, rows=8),
    "a few far off": torch.cat([normal(3, 300, rows=8), torch.tensor([[1e6, -1e6]] * 8)], dim=1),
    "clusters 1e5 apart": clusters(1e5, 301)[:8],
    "two values +-1e8": two_values(1e8, 300)[:8],
    "one high": one_of_many(1e9, 300)[:8],
    "all near 1e6, and one at 0": torch.cat([1e6 + normal(1, 300, rows=8), torch.zeros(8, 1)], 1),
}


@pytest.mark.parametrize("logits", HUGE.values(), ids=HUGE.keys())
def test_huge_logits_agree_with_brentq(logits):
    levels = torch.tensor([0.001, 0.02, 0.1, 0.3, 0.5, 0.77, 0.98, 0.999])
    mask = level_mask(logits, levels)
    assert mask.dtype == torch.float32
    assert_allclose(mask.double().mean(1), levels, rtol=0, atol=1e-6)
    for row, level, ours in zip(logits.double(), levels.double(), mask, strict=True):
        assert_allclose(ours, by_brentq(row, level), rtol=0, atol=1e-5)


def test_huge_logits_of_float64():
    logits, levels = normal(3e11, 50, rows=5).double() / 4, torch.linspace(0.1, 0.9, 5).double()
    mask = level_mask(logits, levels)
    for row, level, ours in zip(logits, levels, mask, strict=True):
        assert_allclose(ours, by_brentq(row, level), rtol=0, atol=1e-4)  # the spacing there
    assert_allclose(mask.mean(1), levels, rtol=0, atol=1e-7)


def test_a_row_does_not_depend_on_wide_ones_beside_it():
    logits, levels = normal(5, 200, rows=6), torch.linspace(0.05, 0.95, 6)
    alone, wide = level_mask(logits, levels), logits.clone()
    wide[::2] *= 1e6
    both = level_mask(wide, levels)
    assert (both[1::2] == alone[1::2]).all()
    assert (both[2:3] == level_mask(wide[2:3], levels[2:3])).all()


def test_gradient_of_wide_logits_by_finite_differences():
    logits = normal(2, 7, rows=5).double()
    logits[:, 0], logits[:, 1] = 1e6, -1e6
    levels = torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0]).double()
    assert torch.autograd.gradcheck(lambda a: level_mask(a, levels), logits.requires_grad_())


@pytest.mark.parametrize("highest", [1e13, torch.inf])
def test_logits_that_spread_too_far_are_refused(highest):
    logits = normal(3, 10, rows=2)
    logits[1, 3] = highest
    with pytest.raises(ValueError, match=r"spread in a row is at most 1e\+12. Got .* diverged"):
        level_mask(logits, torch.tensor([0.5, 0.5]))


def test_exported_masks_ask_nothing_of_the_data():
    class Mask(torch.nn.Module):
        def forward(self, logits, level):
            return level_mask(logits, level)

    example = normal(3, 20, rows=3), torch.tensor([0.1, 0.5, 1.0])
    exported = torch.export.export(Mask(), example).module()
    assert_allclose(exported(*example), level_mask(*example), atol=1e-7)
    assert exported(1e6 * example[0], example[1]).isnan().all()


def test_levels_0_and_1_of_huge_logits_are_exact():
    mask = level_mask(normal(1e6, 50, rows=2), torch.tensor([0.0, 1.0]))
    assert (mask[0] == 0).all()
    assert (mask[1] == 1).all()


def test_levels_0_and_1_are_exact():
    mask = level_mask(normal(10, 50, rows=2), torch.tensor([0.0, 1.0]))
    assert (mask[0] == 0).all()
    assert (mask[1] == 1).all()


@pytest.mark.parametrize("level", [1e-30, 1e-6, 1 - 1e-6])
def test_levels_next_to_the_ends(level):
    mask = level_mask(normal(3, 1000, rows=1), torch.tensor([level]))
    assert_allclose(mask.double().mean(), torch.tensor(level).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.1, 3.0, 10.0])
def test_gradient_by_finite_differences(scale):
    logits = normal(scale, 7, rows=5).double().requires_grad_()
    levels = torch.tensor([0.0, 0.03, 0.5, 0.9, 1.0]).double()
    assert torch.autograd.gradcheck(lambda a: level_mask(a, levels), logits)


def test_gradient_is_equation_2():
    logits = normal(3, 40, rows=4).double().requires_grad_()
    grad = normal(1, 40, seed=5, rows=4).double()
    mask = level_mask(logits, torch.tensor([0.1, 0.4, 0.6, 0.99]))
    mask.backward(grad)
    m = mask.detach()
    for row in range(4):
        s = m[row] * (1 - m[row])
        jacobian = torch.diag(s) - torch.outer(s, s) / s.sum()  # d m_j / d a_i, symmetric
        assert_allclose(logits.grad[row], jacobian @ grad[row], atol=1e-12)


@pytest.mark.parametrize(
    ("logits", "level"),
    [(normal(3, 10, rows=1), 0.0), (normal(3, 10, rows=1), 1.0), (normal(1e4, 10, rows=1), 0.3)],
    ids=["level 0", "level 1", "saturated"],
)
def test_gradient_is_finite_where_sigmoids_saturate(logits, level):
    logits = logits.clone().requires_grad_()
    level_mask(logits, torch.tensor([level])).pow(2).sum().backward()
    assert logits.grad.isfinite().all()
    if level in (0.0, 1.0):
        assert (logits.grad == 0).all()


def test_half_precision_logits_are_solved_in_float32():
    logits = normal(3, 500).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mask = level_mask(logits, PAPER_GRID)
    assert mask.dtype == torch.float32
    assert_allclose(mask.double().mean(1), PAPER_GRID, rtol=0, atol=1e-6)


def test_levels_broadcast_over_samples():
    logits = normal(3, 20, rows=4)
    both = level_mask(logits[:, None, :], PAPER_GRID[None, :7])
    assert both.shape == (4, 7, 20)
    assert_allclose(both[2, 5], level_mask(logits[2:3], PAPER_GRID[5:6])[0], atol=1e-6)


def test_constant_masking_is_the_level_everywhere():
    masking = ConstantMasking()
    mask = masking(masking.logits(torch.randn(3, 2, 4, 4)), torch.tensor([0.0, 0.3, 1.0]))
    assert mask.shape == (3, 2, 4, 4)
    assert_allclose(mask[1], 0.3)


def test_bernoulli_masking_keeps_the_share_that_the_level_names():
    masking = BernoulliMasking()
    uniform = torch.rand(3, 20_000, generator=torch.Generator().manual_seed(0))
    mask = masking(masking.logits(uniform), torch.tensor([0.0, 0.3, 1.0]), uniform)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert_allclose(mask.mean(1), [0, 0.3, 1], atol=0.02)
    assert mask[0].sum() == 0
    assert mask[2].all()


def test_bernoulli_masking_asks_for_its_numbers():
    with pytest.raises(ValueError, match="uniform"):
        BernoulliMasking()(torch.zeros(1, 2), torch.zeros(1))


def test_restriction_keeps_where_the_mask_is_one():
    embedding, noise = torch.full((1, 3), 0.5), torch.full((1, 3), -0.7)
    restricted = restrict(embedding, torch.tensor([[0.0, 0.25, 1.0]]), noise)
    assert_allclose(restricted, [[-0.7, 0.25 * 0.5 - 0.75 * 0.7, 0.5]], rtol=1e-6)
