"""The augmentation of the paper's table 1: flips, and rotations by up to 30 degrees."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MOST_DEGREES = 30


def with_augmented_copies(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Images and, behind them, a flipped or rotated copy of each.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n, height, width[, 3])
    seed : int
        Of angles, uniform in [-30, 30] degrees, and of flips, of every second image.

    Returns
    -------
    images : ndarray of uint8 of shape (2 * n, height, width[, 3])
    """
    rng = np.random.default_rng(seed)
    copies = np.empty_like(images)
    for i, image in enumerate(images):
        angle = rng.uniform(-_MOST_DEGREES, _MOST_DEGREES)
        turned = Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR)
        copies[i] = np.asarray(turned)[:, :: rng.choice([-1, 1])]
    return np.concatenate([images, copies])
