"""Multi-level structure anomaly detection (MLSAD), in the order in which one reads the paper."""

from skmmrr.baselines.mlsad.estimator import MLSADDetector
from skmmrr.baselines.mlsad.presets import PAPER_MLSAD

__all__ = ["PAPER_MLSAD", "MLSADDetector"]
