"""The bias that gives a mask its level: a scalar root for every row, all rows at once.

For logits ``a`` of shape (..., d) and a level ``mu`` find the one ``b`` with

    mean(sigmoid(a + b)) = mu.

The mean rises strictly in ``b``, so the root is unique, and it lies between
``logit(mu) - max(a)`` and ``logit(mu) - min(a)``. That bracket is halved until it is about as wide
as a sigmoid; then Newton's method runs on

    F(b) = logit(mean(sigmoid(a + b))) - logit(mu),

which is exactly linear for equal logits and nearly so for most others, where the mean
itself is flat at both ends.
"""

import torch
from torch import Tensor

# From the bracket of a spread of 2e4 (logits up to 1e4) to one of 4.9, from which two steps reach
# the spacing of floats. A count known beforehand needs no look at the data, hence no
# synchronisation with a GPU, and gives a row the same bias whatever the others are.
WIDEST, N_HALVINGS = 2e4, 12
WIDEST_OF_ALL, N_HALVINGS_OF_ALL = 1e12, 38
N_NEWTON_STEPS = 2


def solve_bias(
    logits: Tensor, level: Tensor, n_halvings: int = N_HALVINGS
) -> tuple[Tensor, Tensor]:
    """Solve ``mean(sigmoid(logits + bias), -1) = level`` for the bias of every row.

    Parameters
    ----------
    logits : Tensor of shape (..., d)
        Finite, float32 or float64.
    level : Tensor of shape (..., 1)
        Strictly between 0 and 1, of the logits' dtype.
    n_halvings : int, default=12
        Enough for a spread of 2e4; 38 are for one of 1e12, in float64.

    Returns
    -------
    bias : Tensor of shape (..., 1)
        Within the bracket above; off the root by about the spacing of floats at
        ``max(abs(logits))``.
    spread : Tensor of shape (..., 1)
        The highest less the lowest logit. Where it is too large for `n_halvings`, the bias is
        wrong.
    """
    d = logits.shape[-1]
    tiny, almost_one = torch.finfo(logits.dtype).tiny, 1 - torch.finfo(logits.dtype).eps / 2
    target = torch.logit(level)
    lowest, highest = logits.amin(-1, keepdim=True), logits.amax(-1, keepdim=True)
    half_width = highest / 2 - lowest / 2
    spread = highest - lowest
    bias = target - (lowest + half_width)
    mask, level_sum = torch.empty_like(logits), level * d

    for _ in range(n_halvings):
        torch.add(logits, bias, out=mask).sigmoid_()
        side = torch.sub(level_sum, mask.sum(-1, keepdim=True)).sign_()
        bias.addcmul_(side, half_width.mul_(0.5))

    low, high = bias - half_width, bias + half_width
    for _ in range(N_NEWTON_STEPS):
        torch.add(logits, bias, out=mask).sigmoid_()
        mean = mask.mean(-1, keepdim=True).clamp_(tiny, almost_one)
        norm = torch.linalg.vector_norm(mask, dim=-1, keepdim=True)
        slope = torch.addcmul(mean, norm, norm, value=-1 / d).clamp_min_(tiny)  # mean(m (1 - m))
        flat = torch.addcmul(mean, mean, mean, value=-1)  # F' = slope / flat
        newton = (target - torch.logit(mean)).mul_(flat).div_(slope).add_(bias)
        bias = torch.clamp(newton, low, high)
    return bias, spread
