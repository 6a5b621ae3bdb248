"""The paper's settings (section 4.1), to be splatted into the constructor."""

from types import MappingProxyType

from skmmrr.options import Network, Training


def _training(batch_size: int) -> Training:
    return Training(
        batch_size=batch_size,
        learning_rate=1e-4,
        optimizer="radam",
        schedule="plateau",
        level_power=1.0,
        levels_per_sample=1,
    )


PAPER_32x32 = MappingProxyType(
    {
        "n_levels": 60,  # printed for pictures (appendix D); of scores it is assumed
        "level_rule": "uniform",
        "adjust": False,
        "downsample": 1,
        "n_bins": 1,
        "backbone": "unet",
        "network": Network(width=128, n_blocks=2, n_resolutions=4),
        "training": _training(64),
        "n_estimators": 1,
        "max_iter": 200_000,  # not printed: with 5,000 images about 5 times its patience
        "validation_fraction": 0.05,
        "precision": "float32",
    }
)
"""MNIST and Fashion-MNIST, which the paper resizes to 32x32, and CIFAR-10; days on a CPU.

Examples
--------
>>> from skmmrr import PAPER_32x32, MMRRDetector
>>> MMRRDetector(**PAPER_32x32, random_state=0).network
Network(n_blocks=2, n_resolutions=4, width=128)
"""

PAPER_256x256 = MappingProxyType(
    PAPER_32x32
    | {
        "n_levels": 15,
        "network": Network(width=128, n_blocks=2, n_resolutions=5),
        "training": _training(4),
    }
)
"""MVTec AD at 256x256."""
