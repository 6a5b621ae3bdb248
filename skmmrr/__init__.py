"""Anomaly detection by multi-level masking and restoration with refinement (MMRR)."""

from skmmrr._load import load
from skmmrr._mmrr import MMRRDetector
from skmmrr._presets import PAPER_32x32, PAPER_256x256

__all__ = ["MMRRDetector", "PAPER_32x32", "PAPER_256x256", "load"]
__version__ = "0.1.0"
