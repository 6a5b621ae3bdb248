"""Matplotlib, imported when something is drawn and not before."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmmrr._extras import import_extra


def pyplot(owner: str) -> Any:
    """Import pyplot, or say how to get it."""
    return import_extra("matplotlib.pyplot", "plot", owner)


def as_picture(sample: NDArray[Any]) -> NDArray[Any]:
    """A sample in [-1, 1] as imshow takes it: a strip of a vector, colours in [0, 1]."""
    if sample.ndim == 1:
        return sample[None, :]
    if sample.ndim == 3:  # matplotlib draws three channels; of others, their mean
        colours = sample if sample.shape[2] == 3 else sample.mean(axis=2)
        return np.clip((colours + 1) / 2, 0, 1) if colours.ndim == 3 else colours
    return sample
