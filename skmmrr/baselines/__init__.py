"""Other detectors of the papers, to compare MMRR with: one detector a file or folder."""

from skmmrr.baselines._deep_knn import DeepKNNDetector
from skmmrr.baselines._kde import KDEDetector
from skmmrr.baselines._ocsvm import OCSVMDetector
from skmmrr.baselines._rotation_autoencoder import RotationAutoencoderDetector
from skmmrr.baselines.mlsad import PAPER_MLSAD, MLSADDetector

__all__ = [
    "PAPER_MLSAD",
    "DeepKNNDetector",
    "KDEDetector",
    "MLSADDetector",
    "OCSVMDetector",
    "RotationAutoencoderDetector",
]
