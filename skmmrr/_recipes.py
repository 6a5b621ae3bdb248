"""What None means for the parameters of MMRRDetector: what trains well on two cores in minutes.

How the numbers were found is told in docs/results/diary.md.
"""

import math
from typing import NamedTuple

import numpy as np

from skmmrr._data import Samples, share_of_mean_image

# Least share of the mean image in the pixels' variance of images that perceptrons are to take:
# between the 0.06 and less of CIFAR-10's automobiles and deer and the 0.41 and more of MNIST's
# 2, 5 and 8, on which U-Nets and perceptrons, respectively, detect better.
_ALIGNED = 0.25

_LARGEST_FOR_MLP = 2**14  # elements, such as 64x64 pixels of three colours: 35 million weights

_AVERAGED, _LEAST_SIDE = (4, 2), 14  # squares of pixels, and the pixels that they must leave

_MEMBER_PIXELS = 512

_LONG = 1000  # steps of a phase, from which networks for images bear a high rate


class Recipe(NamedTuple):
    """Sizes and budgets of one kind of network on one kind of data.

    Attributes
    ----------
    width, n_blocks, batch_size : int
    steps : tuple (fewest, most)
        Of the restoration; between them they grow with the samples or the features.
    steps_per_sample, steps_per_feature : float
    refinement_steps : int or None
        None: as many as the restoration.
    most_members : int
        Of an ensemble, where images are small.
    """

    width: int
    n_blocks: int
    batch_size: int
    steps: tuple[int, int]
    steps_per_sample: float = 0
    steps_per_feature: float = 0
    refinement_steps: int | None = None
    most_members: int = 1

    def max_iter(self, n_train: int, n_features: int) -> tuple[int, int]:
        """Steps of the restoration and of the refinement."""
        wanted = self.steps_per_sample * n_train + self.steps_per_feature * n_features
        steps = int(np.clip(wanted, *self.steps))
        return steps, self.refinement_steps or steps

    def n_members(self, n_pixels: int) -> int:
        """Networks of an ensemble: as many as cost what two on 16x16 pixels do."""
        return int(np.clip(_MEMBER_PIXELS // n_pixels, 1, self.most_members))


_UNET = Recipe(
    width=32,
    n_blocks=1,
    batch_size=16,
    steps=(300, 1500),
    steps_per_sample=1 / 4,
    most_members=4,
)
_IMAGE_MLP = Recipe(
    width=256,
    n_blocks=1,
    batch_size=64,
    steps=(500, 3000),
    steps_per_sample=1 / 2,
    refinement_steps=300,
)
_VECTOR_MLP = Recipe(
    width=128,
    n_blocks=1,
    batch_size=64,
    steps=(150, 1000),  # few features learn fast
    steps_per_feature=20,
)


def choose_backbone(samples: Samples) -> str:
    """Perceptrons for vectors and for small images that are aligned, U-Nets for all other images.

    Where the mean image says much, a pixel's place has a meaning. A perceptron learns it, and
    fails elsewhere; convolutions restore a stroke or an edge anywhere, of an anomaly too.

    Parameters
    ----------
    samples : Samples
        As the networks will see them.
    """
    if samples.image_shape is None:
        return "mlp"
    small = math.prod(samples.shape) <= _LARGEST_FOR_MLP
    return "mlp" if small and share_of_mean_image(samples) >= _ALIGNED else "unet"


def recipe(backbone: str, images: bool) -> Recipe:
    """What suits a backbone and a kind of data."""
    if backbone == "unet":
        return _UNET
    return _IMAGE_MLP if images else _VECTOR_MLP


def default_downsample(side: int) -> int:
    """Side of the squares of which networks see the means, for images of so many pixels a side."""
    return next((n for n in _AVERAGED if side >= n * _LEAST_SIDE), 1)


def default_learning_rate(images: bool, max_iter: int) -> float:
    """Highest rate of a phase of so many steps."""
    return 3e-3 if images and max_iter >= _LONG else 1e-3


def default_level_power(backbone: str, max_iter: int) -> float:
    """U-Nets learn the low levels late; where there is little time, they practise them more."""
    return 3.0 if backbone == "unet" and max_iter < _LONG else 1.0
