"""One score of a map: the mean of its highest values."""

import math
from typing import Any

import torch
from torch import Tensor

from skmmrr.core.validation import check_real

TOP_SHARE = 0.02
"""Of a map of features: a defect covers a small part of a picture."""


def mean_of_top(maps: Tensor, share: float) -> Tensor:
    """Mean of the highest share of each map, of one value at the least.

    Parameters
    ----------
    maps : Tensor of shape (n, ...)
    share : float
        In (0, 1]; the number of values is rounded.

    Returns
    -------
    means : Tensor of shape (n,)
    """
    values = maps.flatten(1)
    return values.topk(n_top(values.shape[1], share), dim=1).values.mean(dim=1)


def parts_of_top(maps: Tensor, share: float) -> Tensor:
    """What each value of a map adds to :func:`mean_of_top`: 0 but for the highest share.

    Returns
    -------
    parts : Tensor of the shape of the maps
        Their sums are the means.
    """
    values = maps.flatten(1)
    top = values.topk(n_top(values.shape[1], share), dim=1)
    parts = torch.zeros_like(values).scatter(1, top.indices, top.values / top.values.shape[1])
    return parts.view_as(maps)


def n_top(n_values: int, share: float) -> int:
    """How many of so many values are the highest share."""
    return max(1, math.floor(share * n_values + 0.5))


def check_top_share(value: Any, owner: str) -> None:
    """Raise TypeError or ValueError unless it is None or in (0, 1]."""
    if value is not None:
        check_real("top_share", value, owner, 0, 1, "None chooses by the features.", bounds="(]")
