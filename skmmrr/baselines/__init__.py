"""Other detectors of the papers, to compare MMRR with: one detector a file."""

from skmmrr.baselines._deep_knn import DeepKNNDetector
from skmmrr.baselines._kde import KDEDetector
from skmmrr.baselines._ocsvm import OCSVMDetector
from skmmrr.baselines._rotation_autoencoder import RotationAutoencoderDetector

__all__ = ["DeepKNNDetector", "KDEDetector", "OCSVMDetector", "RotationAutoencoderDetector"]
