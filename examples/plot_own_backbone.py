"""
=============================
A network of your own
=============================

``backbone=`` takes any callable that builds a PyTorch module. Here it is a small network of
depthwise convolutions; it is called for each of the four roles of MMRR. It takes about a minute
on one core, and needs ``pip install ".[plot]"``.
"""

# %%
# The network
# -----------
# The callable gets the channels and the shape of a sample, (height, width) for images. Weights
# are drawn anew in each fit, from the detector's seed.

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.utils import shuffle
from torch import nn

from skmmrr import MMRRDetector
from skmmrr.plot import LearningCurveDisplay, MaskingLevelsDisplay


def depthwise(in_channels, out_channels, shape, width=32, n_blocks=3):
    layers = [nn.Conv2d(in_channels, width, 3, padding=1), nn.GELU()]
    for _ in range(n_blocks):
        layers += [
            nn.Conv2d(width, width, 5, padding=2, groups=width),
            nn.GroupNorm(4, width),
        ]
        layers += [nn.Conv2d(width, width, 1), nn.GELU()]
    return nn.Sequential(*layers, nn.Conv2d(width, out_channels, 1))


# %%
# The fit
# -------
# Sevens are normal. The default takes perceptrons here, since the digits are aligned.

digits = load_digits()
images, target = shuffle(digits.images, digits.target, random_state=0)
sevens, others = images[target == 7], images[target != 7]
X_test = np.concatenate([sevens[110:], others[:400]])
y_test = np.repeat([1, -1], [len(sevens) - 110, 400])
settings = {"level_rule": "gauss-legendre", "n_levels": 8, "random_state": 0}
own = MMRRDetector(backbone=depthwise, max_iter=300, **settings).fit(
    sevens[:110]
)
default = MMRRDetector(max_iter=300, **settings).fit(sevens[:110])
for name, detector in {
    "depthwise": own,
    default.spec_.backbone: default,
}.items():
    print(
        f"{name}: AUROC {roc_auc_score(y_test, detector.score_samples(X_test)):.3f}"
    )

# %%
# Has it learned?
# ---------------
# The losses of both phases, and what the network makes of a seven and of another digit.

LearningCurveDisplay.from_estimator(own)
MaskingLevelsDisplay.from_estimator(own, X_test[[0, -1]])
