"""
========================================
Thresholds, p-values, false discoveries
========================================

Three ways from scores to decisions, by normal samples that took no part in the fit. The detector
is a kernel density estimate, which fits at once; any other of the library does the same. It takes
some seconds, and needs ``pip install ".[plot]"``.
"""

# %%
# The data
# --------
# All digits of scikit-learn but the ones are normal. Shuffle before splitting: the
# writers of these digits come one after the other.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import shuffle

from skmmrr.baselines import KDEDetector

digits = load_digits()
images, target = shuffle(digits.images, digits.target, random_state=0)
normal, ones = images[target != 1], images[target == 1]
train, held_out, new = np.split(normal, [600, 1200])
detector = KDEDetector(random_state=0).fit(train)

# %%
# A rate of false alarms
# ----------------------
# A conformal threshold flags at most the given share of new normal samples, in expectation. What
# share of the anomalies it finds depends on the anomalies.

rates = np.array([0.01, 0.02, 0.05, 0.1, 0.2])
flagged, found = [], []
for rate in rates:
    detector.calibrate(held_out, false_positive_rate=rate)
    flagged.append((detector.predict(new) == -1).mean())
    found.append((detector.predict(ones) == -1).mean())
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
ax.plot(rates, rates, color="0.6", linestyle="--", label="asked for")
ax.plot(rates, flagged, marker="o", label="normal samples flagged")
ax.plot(rates, found, marker="s", label="anomalies found")
ax.set(xlabel="false_positive_rate", ylabel="share", xscale="log", ylim=(0, 1))
ax.set_xticks(rates, [f"{rate:g}" for rate in rates])
ax.minorticks_off()
ax.legend()

# %%
# p-values
# --------
# The conformal p-value of a sample is the share of normal samples that are at least as abnormal.
# Those of new normal samples are uniform; those of anomalies are small.

figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
bins = np.linspace(0, 1, 21)
ax.hist(detector.p_values(new), bins, density=True, alpha=0.6, label="normal")
ax.hist(
    detector.p_values(ones), bins, density=True, alpha=0.6, label="anomalies"
)
ax.set(xlabel="p-value", ylabel="density")
ax.legend()

# %%
# Few false discoveries
# ---------------------
# Where anomalies are rare, most alarms of a fixed rate are false. ``flag`` bounds the share of
# false alarms among all alarms instead.

batch = np.concatenate([new[:400], ones[:40]])
is_anomaly = np.arange(len(batch)) >= 400
detector.calibrate(held_out, false_positive_rate=0.1)
ways = {"10% of normal samples": detector.predict(batch) == -1}
ways["10% of alarms"] = detector.flag(batch, fdr=0.1)
for name, alarms in ways.items():
    false = (alarms & ~is_anomaly).sum()
    print(f"{name}: {alarms.sum()} alarms, {false} of them false")
