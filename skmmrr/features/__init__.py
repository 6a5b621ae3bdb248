"""Features of pretrained networks: from the user's pictures to maps, or to one row each."""

from skmmrr.features.extraction import FeatureExtractor, Features, check_features
from skmmrr.features.networks import NAMES, FeatureNetwork

__all__ = ["NAMES", "FeatureExtractor", "FeatureNetwork", "Features", "check_features"]
