"""Anomaly detection by multi-level masking and restoration with refinement (MMRR)."""

from skmmrr._load import load
from skmmrr.core.kinds import SavedFileError
from skmmrr.mmrr import MMRRDetector, PAPER_32x32, PAPER_256x256
from skmmrr.options import FeatureMaps, Network, Training

__all__ = [
    "FeatureMaps",
    "MMRRDetector",
    "Network",
    "PAPER_32x32",
    "PAPER_256x256",
    "SavedFileError",
    "Training",
    "load",
]
__version__ = "0.1.0"
