"""Screws of MVTec AD as they lie, as networks see them, and maps of patch neighbours."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _measuring import FOLDER

from skmmrr.baselines import DeepKNNDetector
from skmmrr.datasets import load_mvtec_ad

SIDE, N_DRAWN = 256, 5


def draw(detector: DeepKNNDetector, X: np.ndarray, out: Path) -> None:
    """A column a picture."""
    extractor, rows = detector.extractor_, X.reshape(len(X), -1)
    seen = extractor.seen(extractor.network, extractor.representation.tensor(rows))
    shown = (X, (seen.permute(0, 2, 3, 1).numpy() + 1) / 2, detector.anomaly_map(X))
    names, heights = ("picture", "aligned", "map"), (1, seen.shape[2] / seen.shape[3], 1)
    figure, axes = plt.subplots(
        3, len(X), figsize=(8.4, 3.9), layout="constrained", gridspec_kw={"height_ratios": heights}
    )
    for line, pictures, name in zip(axes, shown, names, strict=True):
        for ax, picture in zip(line, pictures, strict=True):
            ax.imshow(picture, cmap="inferno", vmin=0, vmax=shown[2].max() if name == "map" else 1)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, fontsize=9)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Fit on the training pictures, and draw defects, evenly spread over the test pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    picture = FOLDER / "aligned.jpg"
    parser.add_argument("--out", type=Path, default=picture, help="picture (default the guide's)")
    parser.add_argument("--data-home", type=Path, help="folder of the data sets")
    arguments = parser.parse_args()
    train, test = (
        load_mvtec_ad("screw", subset=subset, size=(SIDE, SIDE), data_home=arguments.data_home)
        for subset in ("train", "test")
    )
    detector = DeepKNNDetector("efficientnet-lite0", patches=True, random_state=0)
    detector.fit(train.images)
    bad = test.images[test.target == -1]
    drawn = np.linspace(0, len(bad) - 1, N_DRAWN).round().astype(int)
    draw(detector, bad[drawn], arguments.out)


if __name__ == "__main__":
    main()
