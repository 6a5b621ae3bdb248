"""Stage 5, score: the squared error that is left, element by element (equations 3 and 4)."""

import torch
from torch import Tensor


def squared_error(x: Tensor, output: Tensor) -> Tensor:
    """Squared error of every element: (3) for the restored, (4) for the refined sample.

    Parameters
    ----------
    x : Tensor of shape (n, ...)
        The samples.
    output : Tensor of shape (n, k, ...)
        Them, restored or refined, at k levels.

    Returns
    -------
    error : Tensor of shape (n, k, ...)
    """
    return torch.square(x.unsqueeze(1) - output)


def sample_loss(x: Tensor, output: Tensor) -> Tensor:
    """Mean squared error of each sample at each level, of shape (n, k): the losses (3), (4)."""
    return squared_error(x, output).flatten(2).mean(2)
