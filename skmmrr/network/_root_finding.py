"""The bias that gives a mask its level: a scalar root for every row, all rows at once.

For logits ``a`` of shape (..., d) and a level ``mu`` find the one ``b`` with

    mean(sigmoid(a + b)) = mu.

The mean rises strictly in ``b``, so the root is unique, and it lies between
``logit(mu) - max(a)`` and ``logit(mu) - min(a)``. Newton's method runs on

    F(b) = logit(mean(sigmoid(a + b))) - logit(mu),

which is exactly linear for equal logits and nearly so for most others, where the mean
itself is flat at both ends. A step that leaves the bracket is replaced by its midpoint.
"""

import math

import torch
from torch import Tensor

# Halving a bracket of 2e4 (logits up to 1e4) to the width of one sigmoid takes 12 steps, and
# Newton's method 4 from there; logits within +-30 are done after 8. A count known beforehand
# needs no look at the data, hence no synchronisation with a GPU.
N_ITERATIONS = 16


def solve_bias(logits: Tensor, level: Tensor) -> Tensor:
    """Solve ``mean(sigmoid(logits + bias), -1) = level`` for the bias of every row.

    Parameters
    ----------
    logits : Tensor of shape (..., d)
        Finite, float32 or float64.
    level : Tensor of shape (..., 1)
        Strictly between 0 and 1, of the logits' dtype.

    Returns
    -------
    bias : Tensor of shape (..., 1)
        Within the bracket above; off the root by about the spacing of floats at
        ``max(abs(logits))``.
    """
    d = logits.shape[-1]
    tiny, almost_one = torch.finfo(logits.dtype).tiny, 1 - torch.finfo(logits.dtype).eps / 2
    target = torch.logit(level)
    low = target - logits.amax(-1, keepdim=True)
    high = target - logits.amin(-1, keepdim=True)

    # For normal logits, E[sigmoid(a + b)] ~ sigmoid((mean + b) / sqrt(1 + pi / 8 variance)).
    centre = logits.mean(-1, keepdim=True)
    mask = logits - centre
    variance = torch.linalg.vector_norm(mask, dim=-1, keepdim=True).square() / d
    bias = torch.sqrt(1 + math.pi / 8 * variance) * target - centre
    bias = torch.clamp(bias, low, high)

    for _ in range(N_ITERATIONS):
        torch.add(logits, bias, out=mask).sigmoid_()
        mean = mask.mean(-1, keepdim=True).clamp_(tiny, almost_one)
        norm = torch.linalg.vector_norm(mask, dim=-1, keepdim=True)
        slope = torch.addcmul(mean, norm, norm, value=-1 / d).clamp_min_(tiny)  # mean(m (1 - m))
        spread = torch.addcmul(mean, mean, mean, value=-1)  # F' = slope / spread
        below = mean < level
        low, high = torch.where(below, bias, low), torch.where(below, high, bias)
        newton = (target - torch.logit(mean)).mul_(spread).div_(slope).add_(bias)
        inside = torch.clamp(newton, low, high) == newton  # ends included: a converged root stays
        bias = torch.where(inside, newton, torch.lerp(low, high, 0.5))
    return bias
