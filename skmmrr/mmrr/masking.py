"""Stage 2, masking: how much of each element survives, at an exact level (section 3.1).

A mask ``m`` in [0, 1]^d has the level ``mean(m)``. It keeps the embedding where it is 1 and
lets noise in where it is 0. The paper learns it; its table 3 compares two that do not learn. An
element without a value is masked at every level, and the level is the mean over the others.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from skmmrr.mmrr.root_finding import (
    N_HALVINGS,
    N_HALVINGS_OF_ALL,
    WIDEST,
    WIDEST_OF_ALL,
    solve_bias,
)

# Below the lowest logit of a row. The bias is at most 17 less that one, for levels up to 1 - 6e-8,
# so that a sigmoid is 0 in float32 there.
_BELOW = 200.0


class _LevelMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, level: Tensor, share: Tensor | None = None) -> Tensor:
        mask, spread = _mask(logits, level, share)
        wide = (spread > WIDEST).squeeze(-1)
        if mask.device.type != "cpu" or torch.compiler.is_compiling():  # which ask for no answer
            mask.masked_fill_(wide.unsqueeze(-1), torch.nan)
        elif wide.any():
            own = None if share is None else share[wide]
            mask[wide] = _wide_mask(logits[wide], level[wide], own, spread[wide]).to(mask.dtype)
        between, full = (level > 0) & (level < 1), level >= 1
        mask.mul_(between).add_(full)
        ctx.save_for_backward(mask)
        return mask

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        slope = torch.addcmul(mask, mask, mask, value=-1)  # s = m (1 - m)
        weighted = grad * slope
        total = slope.sum(-1, keepdim=True).clamp_min_(torch.finfo(mask.dtype).tiny)
        common = weighted.sum(-1, keepdim=True) / total  # 0 where every sigmoid saturates
        return weighted.addcmul_(slope, common, value=-1), None, None


def _mask(
    logits: Tensor, level: Tensor, share: Tensor | None, n_halvings: int = N_HALVINGS
) -> tuple[Tensor, Tensor]:
    """Masks strictly inside the levels 0 and 1, and the spread of the logits of each.

    With the share of the elements that have a value, the mean of the mask is that of the level.
    """
    tiny, almost_one = torch.finfo(logits.dtype).tiny, 1 - torch.finfo(logits.dtype).eps / 2
    inner = level.clamp(tiny, almost_one)
    if share is not None:
        inner = torch.mul(inner, share).clamp_min_(tiny)
    bias, spread = solve_bias(logits, inner, n_halvings)
    mask = torch.add(logits, bias).sigmoid_()

    # One more Newton step, on the mask itself: its error is not bound to the spacing of
    # floats near the bias, which for logits of 1e4 is 1e-3.
    slope = torch.addcmul(mask, mask, mask, value=-1)  # m (1 - m)
    mean_slope = slope.mean(-1, keepdim=True).clamp_min_(tiny)
    shift = (inner - mask.mean(-1, keepdim=True)) / mean_slope
    mask.addcmul_(slope, shift.clamp_(-1, 1))  # |shift| <= 1 keeps order and range
    return mask, spread


def _wide_mask(logits: Tensor, level: Tensor, share: Tensor | None, spread: Tensor) -> Tensor:
    """Masks in float64, whose spacing is fine enough for logits of any size that makes sense."""
    if (spread > WIDEST_OF_ALL).any():
        raise ValueError(
            f"level_mask takes logits whose spread in a row is at most {WIDEST_OF_ALL:g}. Got "
            f"{spread.max():g}: a masking network that gives such has diverged. Lower its learning "
            "rate, or scale the logits."
        )
    share = None if share is None else share.double()
    return _mask(logits.double(), level.double(), share, N_HALVINGS_OF_ALL)[0]


def level_mask(logits: Tensor, level: Tensor, observed: Tensor | None = None) -> Tensor:
    r"""Sigmoid mask whose mean is exactly the asked level, differentiable in the logits.

    The mask is :math:`m = \sigma(a + b)` with the one :math:`b` for which
    :math:`\frac{1}{d} \sum_i m_i = \mu` (section 3.1 and Algorithm 1 of the paper). Its gradient
    is equation (2): with :math:`s = m (1 - m)` and :math:`g = \partial L / \partial m`,

    .. math:: \partial L / \partial a = g s - s \, \frac{\sum g s}{\sum s} .

    Parameters
    ----------
    logits : Tensor of shape (n, d), or (..., d)
        The mask network's output :math:`a`, any float dtype, finite. Gradients flow to it.
    level : Tensor of shape (n,), or broadcastable to the logits' shape without its last axis
        Mean :math:`\mu` of each row's mask, in [0, 1]; values outside count as the nearer end.
        No gradient flows to it.
    observed : Tensor of bool of shape (n, d), default=None
        False where a sample has no value: there the mask is 0, and the level is the mean over the
        other elements, of which each row has at least one. None: all have a value.

    Returns
    -------
    mask : Tensor of shape (n, d), or the broadcast (..., d)
        In [0, 1] and in the order of the logits: 1 keeps an element, 0 replaces it by noise.
        Float32, or float64 for float64 logits. In float32 its mean is within 1e-6 of the level,
        and exactly 0 and 1 at the levels 0 and 1, where the gradient is 0. On a GPU and in
        exported graphs, rows whose logits spread over more than 2e4 are NaN.

    Raises
    ------
    ValueError
        If, on a CPU, the logits of a row spread over more than 1e12.

    Notes
    -----
    The number of steps is fixed and nothing is read back from the device, so that a GPU never
    waits; all levels of all samples are one call. On a CPU, rows whose logits spread over more
    than 2e4 are solved again in float64, by more steps.

    Examples
    --------
    >>> import torch
    >>> from skmmrr.mmrr import level_mask
    >>> logits = torch.tensor([[-2.0, 0.0, 1.0, 5.0]])
    >>> mask = level_mask(logits.expand(3, 4), torch.tensor([0.0, 0.5, 1.0]))
    >>> mask.mean(dim=1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    level = torch.as_tensor(level, dtype=dtype, device=logits.device).unsqueeze(-1)
    shape = torch.broadcast_shapes(logits.shape[:-1], level.shape[:-1])
    logits = logits.to(dtype).expand(*shape, logits.shape[-1])
    level = level.expand(*shape, 1)
    if observed is None:
        return _LevelMask.apply(logits, level)
    lowest = logits.detach().masked_fill(~observed, torch.inf).amin(-1, keepdim=True)
    share = observed.to(dtype).mean(-1, keepdim=True)
    return _LevelMask.apply(logits.where(observed, lowest - _BELOW), level, share) * observed


class LearnedMasking(nn.Module):
    """The paper's mask: logits from a network, one root per sample and level.

    Parameters
    ----------
    backbone : nn.Module
        The masking network :math:`f_M`, from a batch of samples to logits of the same shape.
    """

    random = False

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def logits(self, x: Tensor) -> Tensor:
        """Mask logits of the samples, of the shape of `x`; one call serves all levels."""
        return self.backbone(x).to(x.dtype)

    def forward(
        self,
        logits: Tensor,
        level: Tensor,
        uniform: Tensor | None = None,
        observed: Tensor | None = None,
    ) -> Tensor:
        """Masks of shape (n, ...) for logits of shape (n, ...) and levels of shape (n,)."""
        given = None if observed is None else observed.flatten(1)
        return level_mask(logits.flatten(1), level, given).view_as(logits)


class ConstantMasking(nn.Module):
    """Ablation of table 3: every element of the mask equals the level."""

    random = False

    def logits(self, x: Tensor) -> Tensor:
        """Equal logits: a constant mask is what they give at every level."""
        return torch.zeros_like(x)

    def forward(
        self,
        logits: Tensor,
        level: Tensor,
        uniform: Tensor | None = None,
        observed: Tensor | None = None,
    ) -> Tensor:
        """Masks of shape (n, ...) for levels of shape (n,)."""
        mask = level.to(logits.dtype).view(-1, *[1] * (logits.ndim - 1)).expand_as(logits)
        return mask if observed is None else mask * observed


class BernoulliMasking(nn.Module):
    """Ablation of table 3: every element is kept with the probability that the level names."""

    random = True

    def logits(self, x: Tensor) -> Tensor:
        """Equal logits: the mask does not look at the sample."""
        return torch.zeros_like(x)

    def forward(
        self,
        logits: Tensor,
        level: Tensor,
        uniform: Tensor | None = None,
        observed: Tensor | None = None,
    ) -> Tensor:
        """Masks of 0 and 1; `uniform` on [0, 1) has the shape of the logits or broadcasts to it."""
        if uniform is None:
            raise ValueError("BernoulliMasking needs `uniform`, numbers drawn from U(0, 1).")
        level = level.view(-1, *[1] * (logits.ndim - 1))
        mask = (uniform < level).to(logits.dtype).expand_as(logits)
        return mask if observed is None else mask * observed


UNLEARNED: dict[str, type[ConstantMasking] | type[BernoulliMasking]] = {
    "constant": ConstantMasking,
    "bernoulli": BernoulliMasking,
}
"""The masks of table 3 that do not learn, by their names."""

MASKS = ("learned", *UNLEARNED)


def split_missing(x: Tensor, usual: Tensor) -> tuple[Tensor, Tensor]:
    """Samples whose missing values are NaN, as networks take them, and where they have a value.

    Parameters
    ----------
    x : Tensor of shape (n, ...)
    usual : Tensor of shape (...)
        What networks see in place of NaN. It is masked all the same.

    Returns
    -------
    filled : Tensor of shape (n, ...)
    observed : Tensor of bool of shape (n, ...)
    """
    observed = ~x.isnan()
    return x.where(observed, usual), observed


def restrict(embedding: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    r"""Equation (1): :math:`\tilde e = e \odot m + \epsilon \odot (1 - m)`.

    Parameters
    ----------
    embedding, mask, noise : Tensor
        Of one shape, or broadcastable to it. The noise is drawn from U(-1, 1).

    Returns
    -------
    restricted : Tensor
        The noise where the mask is 0, the embedding where it is 1.
    """
    return torch.lerp(noise, embedding, mask)
