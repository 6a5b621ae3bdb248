"""Whether pictures all show the same at the same place."""

from skmmrr.core.chunks import evenly_spaced
from skmmrr.representation import Samples

_MOST_SAMPLES, _MOST_ELEMENTS = 1000, 2**24  # that are looked at
_ALIKE = 0.5  # of feature maps: MVTec AD's bottles have 0.92, its screws 0.17


def share_of_mean_image(samples: Samples) -> float:
    """How well images are aligned: the share of the pixels' variance that their mean explains.

    Adjusted for the number of images, so that noise has 0; pictures that all show the same have 1.
    Of many images a thousand are looked at, of large ones less.
    """
    n = max(2, min(_MOST_SAMPLES, _MOST_ELEMENTS // samples.X.shape[1]))
    x = samples.batch(evenly_spaced(len(samples), n)).double()
    total = x.var(dim=(0, 2, 3)).mean()  # about the mean colour
    within = x.var(dim=0).mean()  # about the mean image
    return float(1 - within / total) if total > 0 else 0.0


def lie_alike(maps: Samples) -> bool:
    """Whether parts, by their feature maps, all lie alike; others lie anywhere in the picture."""
    return share_of_mean_image(maps) >= _ALIKE
