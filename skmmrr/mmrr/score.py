"""Stage 5, score: the squared error that is left, element by element (equations 3 and 4)."""

import torch
from torch import Tensor


def squared_error(x: Tensor, output: Tensor, observed: Tensor | None = None) -> Tensor:
    """Squared error of every element: (3) for the restored, (4) for the refined sample.

    Parameters
    ----------
    x : Tensor of shape (n, ...)
        The samples.
    output : Tensor of shape (n, k, ...)
        The restored or refined samples at k levels.
    observed : Tensor of bool of shape (n, ...), default=None
        False where a sample has no value. None: all have one.

    Returns
    -------
    error : Tensor of shape (n, k, ...)
        Where a value is missing, 0; the others of its sample are larger by the factor that makes
        the mean over all elements that over the observed ones.
    """
    error = torch.square(x.unsqueeze(1) - output)
    if observed is None:
        return error
    given = observed.flatten(1).to(error.dtype)
    weights = (given / given.mean(1, keepdim=True)).view_as(x)
    return error * weights.unsqueeze(1)


def sample_loss(x: Tensor, output: Tensor, observed: Tensor | None = None) -> Tensor:
    """Mean squared error of each sample at each level, of shape (n, k): the losses (3), (4)."""
    return squared_error(x, output, observed).flatten(2).mean(2)
