"""
======================================
A table: which features are abnormal?
======================================

MMRR learns the benign samples of scikit-learn's breast cancer data, finds the malignant ones, and
says which features made a sample abnormal. It takes some seconds on one core, and needs
``pip install ".[plot]"``.
"""

# %%
# Learning
# --------
# Only benign samples are learned. Others of them calibrate the threshold, and the rest is tested.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.utils import shuffle

from skmmrr import MMRRDetector
from skmmrr.plot import ScoreHistogramDisplay

data = load_breast_cancer()
X, y = shuffle(data.data, data.target, random_state=0)  # 1 is benign
benign, malignant = X[y == 1], X[y == 0]
train, held_out, rest = np.split(benign, [200, 280])

detector = MMRRDetector(max_iter=300, random_state=0).fit(train)
detector.calibrate(held_out, false_positive_rate=0.05)

# %%
# Scores
# ------
# Benign and malignant samples, none of which was learned or set the threshold.

X_test = np.concatenate([rest, malignant])
y_test = np.repeat([1, -1], [len(rest), len(malignant)])
found = detector.predict(X_test) == -1
print(f"AUROC: {roc_auc_score(y_test, detector.score_samples(X_test)):.3f}")
print(f"malignant samples found: {found[y_test == -1].mean():.0%}")
print(f"benign samples flagged: {found[y_test == 1].mean():.0%}")
ScoreHistogramDisplay.from_estimator(detector, X_test, y_test)

# %%
# Which features
# --------------
# The anomaly map of a table has an error for every sample and feature. It is compared with the
# median error of that feature on benign samples, since some features are harder to restore.

usual = np.median(detector.anomaly_map(held_out), axis=0)
sample = malignant[
    [np.argsort(detector.score_samples(malignant))[len(malignant) // 2]]
]
times = detector.anomaly_map(sample)[0] / usual
top = np.argsort(times)[-8:]
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.barh([data.feature_names[i] for i in top], times[top])
ax.set_xlabel("error, relative to the median of benign samples")
ax.set_title("Why the median malignant sample is abnormal")
