"""
================================
A folder of parts, good and bad
================================

From a folder of pictures to scores, boxes and a report. The pictures are washers that the library
renders, so nothing is downloaded; for your own, replace the folder. On the command line the same
is::

    skmmrr demo parts
    skmmrr fit parts --detector patch-1-nn --out parts.safetensors
    skmmrr evaluate parts.safetensors parts --report report.html

It takes about half a minute on one core, and needs ``pip install ".[plot,backbones]"``.
"""

# %%
# The folder
# ----------
# It has MVTec AD's layout: good pictures to learn in ``train/good``, good and defective ones to
# evaluate in ``test``, masks of the defects in ``ground_truth``. Any folder of good pictures
# would do for learning.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from PIL import Image

from skmmrr.baselines import DeepKNNDetector
from skmmrr.datasets import save_washers
from skmmrr.inspection import (
    PictureDetector,
    draw_overlay,
    evaluate_folder,
    inspect_folder,
    training_pictures,
)

work = TemporaryDirectory()
folder = Path(work.name, "parts")
save_washers(folder, random_state=0)
for kind in (
    "train/good",
    "test/good",
    "test/chip",
    "test/scratch",
    "test/stain",
):
    print(f"{kind}: {len(list((folder / kind).glob('*.png')))} pictures")

# %%
# Learning
# --------
# A bank of patch features is fitted in seconds. For MMRR on the same features, which takes
# minutes, put ``MMRRDetector(features="efficientnet-lite0")`` in its place. A quarter of the
# good pictures is held out and sets the threshold.

paths, unreadable = training_pictures(folder)
detector = DeepKNNDetector("efficientnet-lite0", patches=True)
model = PictureDetector(detector, size=(256, 256), random_state=0).fit(paths)
print(f"{len(paths)} pictures, threshold {-model.offset_:.3f}")

# %%
# Evaluation
# ----------
# A row for each kind of picture, and one for all.

for row in evaluate_folder(model, folder):
    print(
        row["kind"],
        {name: row[name] for name in ("pictures", "abnormal", "image_auroc")},
    )

# %%
# Where the parts are defective
# -----------------------------
# Maps are drawn on one scale, which the held-out good pictures set: values that are usual there
# are not coloured at all.

findings = sorted(
    inspect_folder(model, folder), key=lambda finding: finding.path
)
figure, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="constrained")
for column, kind in zip(
    axes.T, ("good", "chip", "scratch", "stain"), strict=True
):
    finding = next(finding for finding in findings if finding.kind == kind)
    picture = Image.open(finding.path)
    boxes = finding.boxes if finding.abnormal else ()
    overlay = draw_overlay(
        picture, finding.anomaly_map, model.map_thresholds_, boxes
    )
    for ax, shown in zip(column, (picture, overlay), strict=True):
        ax.imshow(shown)
        ax.set_axis_off()
    column[0].set_title(kind)
    verdict = "anomaly" if finding.abnormal else "normal"
    column[1].set_title(f"{verdict}, p = {finding.p_value:.3f}", fontsize=10)

# %%
# The model is one file. ``model.save("parts.safetensors")`` writes it, and
# ``skmmrr.inspection.write_report(model, folder, "report.html")`` writes the report.

work.cleanup()
