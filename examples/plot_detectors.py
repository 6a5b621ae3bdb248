"""
=========================================
All detectors on one digit, side by side
=========================================

Every detector of the library learns the same digit from the same hundred images of
scikit-learn's own data, and scores the same unseen ones. The histograms show how well each
separates the digit from the others, and where its threshold lies. The threshold is meant to pass
95% of normal images. It is estimated from a hundred images, and may be some percent off;
``calibrate`` uses more, if there are more.

It takes some minutes on two cores, and needs ``pip install ".[plot,backbones]"``.
"""

# %%
# The detectors
# -------------
# All have default arguments except for the seed. Nearest neighbours appear twice: in pixels, and
# among the features of a network that has learned photographs, at a size that suits small images.

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.metrics import roc_auc_score

from skmmrr import FeatureMaps, MMRRDetector
from skmmrr.baselines import (
    DeepKNNDetector,
    KDEDetector,
    OCSVMDetector,
    RotationAutoencoderDetector,
)
from skmmrr.benchmark import find_tasks
from skmmrr.plot import ScoreHistogramDisplay

parser = argparse.ArgumentParser(
    description="All detectors on one of scikit-learn's digits."
)
parser.add_argument("--digit", type=int, default=3, choices=range(10))
parser.add_argument(
    "--seed", type=int, default=0, help="of the split and of the detectors"
)
parser.add_argument(
    "--pictures",
    type=Path,
    default=Path("pictures"),
    help="folder to write to",
)
arguments = parser.parse_args()

detectors = {
    "MMRR": MMRRDetector(),
    "Rotation autoencoder": RotationAutoencoderDetector(),
    "OC-SVM": OCSVMDetector(),
    "KDE": KDEDetector(),
    "2-NN, pixels": DeepKNNDetector(),
    "DN2, EfficientNet-Lite0": DeepKNNDetector(
        "efficientnet-lite0", feature_maps=FeatureMaps(input_size=64)
    ),
}

# %%
# The histograms
# --------------
# Normal images and anomalies are drawn to the same area. Scores of different detectors have
# different units: what counts is how little the two colours overlap, the AUROC above them.

(task,) = find_tasks("digits", classes=[str(arguments.digit)])
split = task.load(arguments.seed)
train, test, y_test = split.train, split.test, split.y_test
figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
print("| detector | AUROC | normal passed | anomalies found | seconds |")
print("|---|---:|---:|---:|---:|")
for (name, detector), ax in zip(detectors.items(), axes.flat, strict=True):
    start = time.perf_counter()
    detector.set_params(random_state=arguments.seed).fit(train)
    scores = detector.score_samples(test)
    seconds = time.perf_counter() - start
    auroc = roc_auc_score(y_test, scores)
    passed = scores >= detector.offset_
    shares = (passed[y_test == 1].mean(), 1 - passed[y_test == -1].mean())
    print(
        f"| {name} | {auroc:.4f} | {shares[0]:.0%} | {shares[1]:.0%} | {seconds:.1f} |",
        flush=True,
    )
    ScoreHistogramDisplay.from_predictions(
        -scores, y_test, threshold=-detector.offset_, ax=ax
    )
    ax.set_title(f"{name}\nAUROC {auroc:.3f}")
for ax in axes.flat[1:]:
    ax.get_legend().remove()
figure.suptitle(
    f"{arguments.digit}s of scikit-learn's digits against all others"
)

arguments.pictures.mkdir(parents=True, exist_ok=True)
figure.savefig(arguments.pictures / "detectors.png", dpi=120)
print(f"\nThe picture is {arguments.pictures / 'detectors.png'}.")
