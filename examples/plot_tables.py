"""
======================================
A table: which rows are abnormal, why?
======================================

MMRR learns benign tumours of scikit-learn's breast cancer table, thirty measurements each, and
scores other benign tumours and malignant ones. The histogram shows how far apart the two are, and
where the threshold lies; the bars and the table show which measurements make a tumour abnormal.

It takes less than a minute, and needs ``pip install ".[plot,benchmark]"``.
"""

# %%
# Learning
# --------
# Malignant tumours take no part in the fit. Some benign ones do neither: they set the threshold, so
# that at most 5% of new benign ones are flagged, in expectation.

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skmmrr import MMRRDetector
from skmmrr.plot import ContributionsDisplay, ScoreHistogramDisplay

parser = argparse.ArgumentParser(
    description="MMRR on scikit-learn's breast cancer table."
)
parser.add_argument(
    "--seed", type=int, default=0, help="of the split and of the detector"
)
parser.add_argument(
    "--pictures",
    type=Path,
    default=Path("pictures"),
    help="folder to write to",
)
arguments = parser.parse_args()

X, y = load_breast_cancer(return_X_y=True, as_frame=True)  # 1 is benign
benign, new_benign = train_test_split(
    X[y == 1], train_size=0.7, random_state=arguments.seed
)
train, calibration = train_test_split(
    benign, train_size=0.6, random_state=arguments.seed
)
detector = MMRRDetector(random_state=arguments.seed).fit(train)
detector.calibrate(calibration, false_positive_rate=0.05)

# %%
# Scores
# ------
# Scores to the right of the threshold are called anomalies. Their axis is logarithmic.

test = X.loc[[*new_benign.index, *X.index[y == 0]]]
labels = np.where(y[test.index] == 1, 1, -1)
flagged = detector.predict(test) == -1
print(f"AUROC {roc_auc_score(labels, detector.score_samples(test)):.3f}")
print(
    f"{flagged[labels == 1].mean():.0%} of the benign ones are flagged",
    end=", ",
)
print(f"{flagged[labels == -1].mean():.0%} of the malignant ones")
histogram = ScoreHistogramDisplay.from_estimator(
    detector, test, labels, log_scale=True
)

# %%
# Why one of them is abnormal
# ---------------------------
# The bars sum to the score of the malignant tumour in the middle of all. A tick is what is usual:
# 95% of the benign ones that set the threshold have less.

malignant = X[y == 0]
order = detector.score_samples(malignant).argsort()
one = malignant.iloc[[order[len(order) // 2]]]
title = f"malignant tumour in row {one.index[0]}: score {-detector.score_samples(one)[0]:.2f}"
bars = ContributionsDisplay.from_estimator(
    detector, one, normal=calibration, titles=[title]
)

# %%
# Several at a time
# -----------------
# Three benign ones above, and five malignant ones below. A cell has the percentage of the score.

shown = [*new_benign.index[:3], *malignant.index[:5]]
kinds = ["benign"] * 3 + ["malignant"] * 5
scores = -detector.score_samples(X.loc[shown])
titles = [
    f"{kind} {score:.2f}" for kind, score in zip(kinds, scores, strict=True)
]
table = ContributionsDisplay.from_estimator(
    detector, X.loc[shown], titles=titles
)

# %%
# The same as numbers, by the names of the measurements:

print(
    detector.contributions(one).T.iloc[:, 0].nlargest(5).round(3).to_string()
)

arguments.pictures.mkdir(parents=True, exist_ok=True)
for name, display in {
    "scores": histogram,
    "one": bars,
    "several": table,
}.items():
    display.figure_.savefig(arguments.pictures / f"table_{name}.png", dpi=120)
print(f"\nThe pictures are in {arguments.pictures}.")
