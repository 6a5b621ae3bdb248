"""The networks of MMRR, one stage a file: embedding, masking, restoration, refinement, score.

Pure PyTorch: nothing here knows about numpy, scikit-learn, devices or seeds.
"""

from skmmrr.network._ensemble import MMRREnsemble
from skmmrr.network._mlp import ResidualMLP
from skmmrr.network._mmrr import Draws, MMRRNetwork
from skmmrr.network._unet import UNet
from skmmrr.network.embedding import Embedding
from skmmrr.network.masking import (
    BernoulliMasking,
    ConstantMasking,
    LearnedMasking,
    level_mask,
    restrict,
)
from skmmrr.network.refinement import Refinement
from skmmrr.network.restoration import Restoration
from skmmrr.network.score import sample_loss, squared_error

__all__ = [
    "BernoulliMasking",
    "ConstantMasking",
    "Draws",
    "Embedding",
    "LearnedMasking",
    "MMRREnsemble",
    "MMRRNetwork",
    "Refinement",
    "ResidualMLP",
    "Restoration",
    "UNet",
    "level_mask",
    "restrict",
    "sample_loss",
    "squared_error",
]
