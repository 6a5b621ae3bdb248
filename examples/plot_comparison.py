"""
===================================
Which detector suits this table?
===================================

One call cross-validates detectors on a table, each trained on normal samples alone. Often a
simple one is as good. It takes about a minute on one core, and needs
``pip install ".[benchmark]"``.
"""

# %%
# The call
# --------
# A dict names estimators of any library with scikit-learn's interface. ``skmmrr-benchmark list``
# prints names that may stand in their place.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from skmmrr import MMRRDetector
from skmmrr.baselines import DeepKNNDetector, KDEDetector, OCSVMDetector
from skmmrr.benchmark import compare

X, y = load_breast_cancer(return_X_y=True)  # 1 is benign
detectors = {
    "MMRR": MMRRDetector(
        max_iter=300, level_rule="gauss-legendre", n_levels=8
    ),
    "OC-SVM": OCSVMDetector(),
    "KDE": KDEDetector(),
    "2 neighbours": DeepKNNDetector(),
    "isolation forest": IsolationForest(),
    "local outlier factor": LocalOutlierFactor(novelty=True),
}
table = compare(X, y == 0, detectors, n_splits=3, random_state=0)
print(
    table[["auroc", "auroc_std", "false_positive_rate"]].round(3).to_string()
)

# %%
# The picture
# -----------
# AUROC over the splits, with its standard deviation. Differences smaller than that say nothing.

figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ordered = table.sort_values("auroc")
ax.errorbar(
    ordered["auroc"],
    ordered.index,
    xerr=ordered["auroc_std"],
    fmt="o",
    capsize=3,
)
ax.set(xlabel="AUROC", title="Breast cancer, benign samples learned")
ax.grid(axis="x", alpha=0.4)
