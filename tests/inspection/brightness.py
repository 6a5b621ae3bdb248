"""A detector whose scores and maps anybody can compute: how far pixels are from grey 100."""

import numpy as np

from skmmrr.core.base import BaseDetector
from skmmrr.representation import Representation


class Brightness(BaseDetector):
    def __init__(self, image_shape=None, validation_fraction=0.05, contamination="auto"):
        self.image_shape = image_shape
        self.validation_fraction = validation_fraction
        self.contamination = contamination

    def _fit(self, X):
        X = self._validate_X(X, reset=True)
        self.learned_ = np.array(X.reshape(len(X), *self.image_shape_))
        self.representation_ = Representation.fit(X, self.image_shape_)
        self._set_threshold(np.append(self._score_samples(X), -1000))

    def anomaly_map(self, X):
        X = self._validate_X(X, reset=False).reshape(len(X), *self.image_shape_)
        return np.abs(X.astype(float) - 100).mean(axis=3)

    def _score_samples(self, X):
        return -np.abs(X.astype(float) - 100).mean(axis=1)
