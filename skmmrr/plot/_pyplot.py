"""Matplotlib, imported when something is drawn and not before."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pyplot(owner: str) -> Any:
    """Import pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{owner} needs matplotlib. Install it with: pip install 'skmmrr[plot]'"
        ) from error
    return plt


def as_picture(sample: NDArray[Any]) -> NDArray[Any]:
    """A sample in [-1, 1] as imshow takes it: a strip of a vector, colours in [0, 1]."""
    if sample.ndim == 1:
        return sample[None, :]
    if sample.ndim == 3:  # matplotlib draws three channels; of others, their mean
        colours = sample if sample.shape[2] == 3 else sample.mean(axis=2)
        return np.clip((colours + 1) / 2, 0, 1) if colours.ndim == 3 else colours
    return sample
