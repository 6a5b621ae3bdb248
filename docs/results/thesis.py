"""The rotation autoencoder under its thesis's protocol: one class of MNIST abnormal."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _measuring import add_classes, add_out
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from skmmrr.baselines import RotationAutoencoderDetector
from skmmrr.baselines._rotation_autoencoder import rescaled
from skmmrr.benchmark.published import published_mean
from skmmrr.datasets import load_mnist, one_anomalous

_SOURCE = "Self-supervised autoencoder thesis"
_METHODS = {  # ours: as in published.csv
    **{name: name for name in ("AE", "Rotation")},
    "A_max*": "A*_max (separate)",
    "A_ws*": "A*_ws (separate)",
    **{name: name for name in ("A_rec", "A_cls", "A_max", "A_ws")},
}
_MODELS: dict[str, dict[str, Any]] = {
    "AE": {"score_rule": "rec", "classification_weight": 0},
    "Rotation": {"score_rule": "cls", "reconstruction_weight": 0},
    "joint": {},
}


def main() -> None:
    """Measure what the file has not, and write the page's tables of all that it has."""
    parser = argparse.ArgumentParser(description=f"{__doc__} Hours.")
    add_classes(parser, [0, 2, 6, 7])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    add_out(parser, "thesis.csv")
    arguments = parser.parse_args()
    out = arguments.out
    measure_thesis(arguments.classes, arguments.seeds, arguments.data_home, out)
    for name, table in tables(pd.read_csv(out)).items():
        table.to_csv(out.with_name(f"{out.stem}_{name}.csv"))
        print(table)


def measure_thesis(digits: list[int], seeds: list[int], data_home: Path | None, out: Path) -> None:
    """Append AUPR of the joint model, of its two base models, and of these combined, to a CSV.

    As in the thesis: classes cut to the smallest one's size, 25 epochs, the anomaly positive,
    starred scores from the two models trained apart. Every digit and seed is written when it is
    done; what the file has already is not measured again.
    """
    train, test = load_mnist("train", data_home=data_home), load_mnist("test", data_home=data_home)
    data = (train.images, train.target, test.images, test.target)
    done = pd.read_csv(out)[["digit", "seed"]].to_numpy().tolist() if out.exists() else []
    for seed in seeds:
        for digit in digits:
            if [digit, seed] not in done:
                split = one_anomalous(*data, anomalous=digit, balance=True)
                rows = pd.DataFrame(
                    {"digit": digit, "seed": seed, **r} for r in _rows(*split, seed)
                )
                rows.to_csv(out, mode="a", header=not out.exists(), index=False)


def tables(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables of the page, as text: AUPR, and mean probabilities given to the true rotation."""
    aupr = rows.pivot_table("aupr", "method", "digit").loc[list(_METHODS)]
    aupr["mean"] = aupr.mean(axis=1)
    aupr["published mean of ten"] = [published_mean(_SOURCE, "MNIST", m) for m in _METHODS.values()]
    means = -rows.pivot_table(["mean_normal", "mean_anomalous"], "digit", "method")
    probability = pd.DataFrame(
        {
            f"{name}, {kind}": means[column, method]
            for name, method in (("Rotation", "Rotation"), ("joint", "A_cls"))
            for kind, column in (("normal", "mean_normal"), ("abnormal", "mean_anomalous"))
        }
    )
    return {"aupr": aupr.map("{:.4f}".format), "probability": probability.map("{:.3f}".format)}


def _rows(
    X: NDArray[np.uint8], X_test: NDArray[np.uint8], labels: NDArray[np.int64], seed: int
) -> Iterator[dict[str, Any]]:
    anomalous, apart = labels == -1, []
    for name, parameters in _MODELS.items():
        model = RotationAutoencoderDetector(**parameters, random_state=seed, verbose=1)
        start = time.perf_counter()
        model.fit(X)
        cost = {"steps": model.n_iter_[0], "fit_seconds": round(time.perf_counter() - start)}
        found = model.anomaly_scores(X_test)
        for part, score in found.items():
            yield _row(f"A_{part}" if name == "joint" else name, score, anomalous) | cost
        if name != "joint":
            ((part, limits),) = model.ranges_.items()
            apart.append(rescaled(found[part], *limits))
    both = np.stack(apart) / 2  # alpha = 0.5
    yield _row("A_ws*", both.sum(axis=0), anomalous)
    yield _row("A_max*", both.max(axis=0), anomalous)


def _row(method: str, score: NDArray[np.float64], anomalous: NDArray[np.bool]) -> dict[str, Any]:
    return {
        "method": method,
        "aupr": f"{average_precision_score(anomalous, score):.4f}",
        "mean_normal": f"{score[~anomalous].mean():.4f}",
        "mean_anomalous": f"{score[anomalous].mean():.4f}",
    }


if __name__ == "__main__":
    main()
