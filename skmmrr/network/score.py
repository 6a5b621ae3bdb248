"""Stage 5, score: the squared error that is left, element by element (equations 3 and 4)."""

import torch
from torch import Tensor


def squared_error(x: Tensor, output: Tensor) -> Tensor:
    """Squared error of every element: (3) for the restored, (4) for the refined sample.

    Parameters
    ----------
    x, output : Tensor of shape (n, ...)
        The sample, and the restored or refined one.

    Returns
    -------
    error : Tensor of shape (n, ...)
    """
    return torch.square(x - output)


def sample_loss(x: Tensor, output: Tensor) -> Tensor:
    """Mean squared error of every sample, of shape (n,): the losses (3) and (4)."""
    return squared_error(x, output).flatten(1).mean(1)
