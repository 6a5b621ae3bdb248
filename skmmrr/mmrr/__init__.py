"""The method MMRR: the detector, what was resolved for it, and the model, a stage a file.

The stages are pure PyTorch: nothing in them knows about numpy, scikit-learn, devices or seeds.
"""

from skmmrr.mmrr.backbones import MapUNet, ResidualMLP, UNet
from skmmrr.mmrr.embedding import Embedding
from skmmrr.mmrr.estimator import MMRRDetector
from skmmrr.mmrr.masking import (
    BernoulliMasking,
    ConstantMasking,
    LearnedMasking,
    level_mask,
    restrict,
)
from skmmrr.mmrr.model import Draws, Encoded, MMRRModel, Stages
from skmmrr.mmrr.presets import PAPER_32x32, PAPER_256x256
from skmmrr.mmrr.refinement import Refinement
from skmmrr.mmrr.restoration import Restoration
from skmmrr.mmrr.score import sample_loss, squared_error
from skmmrr.mmrr.spec import MMRRSpec

__all__ = [
    "BernoulliMasking",
    "ConstantMasking",
    "Draws",
    "Embedding",
    "Encoded",
    "LearnedMasking",
    "MMRRDetector",
    "MMRRModel",
    "MMRRSpec",
    "MapUNet",
    "PAPER_32x32",
    "PAPER_256x256",
    "Refinement",
    "ResidualMLP",
    "Restoration",
    "Stages",
    "UNet",
    "level_mask",
    "restrict",
    "sample_loss",
    "squared_error",
]
