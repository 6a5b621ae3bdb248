"""The rotation autoencoder under its thesis's protocol: one class abnormal, all files pooled."""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _measuring import Row, add_classes, add_out, write_table
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score

from skmmrr.baselines import RotationAutoencoderDetector
from skmmrr.baselines._rotation_autoencoder import rescaled
from skmmrr.benchmark.published import published_mean
from skmmrr.datasets import (
    load_cifar10,
    load_fashion_mnist,
    load_mnist,
    one_anomalous,
    one_anomalous_pooled,
)

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
_LOADERS = {"mnist": load_mnist, "fashion-mnist": load_fashion_mnist, "cifar10": load_cifar10}
_PUBLISHED = {"mnist": "MNIST", "fashion-mnist": "FMNIST", "cifar10": "CIFAR10"}
_WEIGHTS: dict[str, dict[str, float]] = {  # lambda_E and w_rec; CIFAR-10's are not printed
    "fashion-mnist": {"rotation_ratio": 2, "reconstruction_weight": 0.01},
}
_PROTOCOL = "pooled"
_BATCH_SIZE, _VALIDATION_FRACTION = 64, 0.05
_N_COMPONENTS, _N_PROJECTED = 32, 3000  # of the principal components that tell the splits apart


def main() -> None:
    """Measure what the file has not, and write the page's tables of all that it has."""
    parser = argparse.ArgumentParser(description=f"{__doc__} Hours.")
    parser.add_argument("--data", choices=_LOADERS, default="mnist")
    add_classes(parser, list(range(10)))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=25, help="of training (default 25)")
    parser.add_argument(
        "--splits", action="store_true", help="which split the thesis has, by principal components"
    )
    add_out(parser, "thesis.csv")
    arguments = parser.parse_args()
    out, home = arguments.out, arguments.data_home
    if arguments.splits:
        rows = measure_splits(arguments.data, arguments.classes, home)
        write_table(out.with_name(f"{out.stem}_splits.csv"), rows)
        return
    what = (arguments.data, arguments.classes, arguments.seeds, arguments.epochs)
    measure_thesis(*what, home, out)
    for name, table in tables(pd.read_csv(out)).items():
        table.to_csv(out.with_name(f"{out.stem}_{name}.csv"))
        print(table)


def measure_thesis(
    data: str,
    classes: Sequence[int],
    seeds: Sequence[int],
    epochs: int,
    data_home: Path | None,
    out: Path,
) -> None:
    """Append AUPR of the joint model, of its two base models, and of these combined, to a CSV.

    As in the thesis: files pooled, classes cut to the smallest one's size, the anomaly positive,
    starred scores from the two models trained apart. Every class and seed is written when it is
    done; what the file has already is not measured again.
    """
    train, test = (_LOADERS[data](part, data_home=data_home) for part in ("train", "test"))
    arrays = (train.images, train.target, test.images, test.target)
    keys = ["data", "protocol", "epochs", "class", "seed"]
    done = pd.read_csv(out)[keys].to_numpy().tolist() if out.exists() else []
    for seed in seeds:
        for label in classes:
            key = [data, _PROTOCOL, epochs, label, seed]
            if key not in done:
                split = one_anomalous_pooled(
                    *arrays, anomalous=label, balance=True, random_state=seed
                )
                found = _rows(*split, seed, epochs, _WEIGHTS.get(data, {}))
                rows = pd.DataFrame(dict(zip(keys, key, strict=True)) | r for r in found)
                rows.to_csv(out, mode="a", header=not out.exists(), index=False)


def measure_splits(data: str, classes: Sequence[int], data_home: Path | None) -> Iterator[Row]:
    """Rows of the share of anomalies and of a chance-like detector's AUPR, for each split.

    Principal components reconstruct CIFAR-10's classes alike: their AUPR is about the share of
    anomalies, and so is that which the thesis prints for its autoencoder.
    """
    train, test = (_LOADERS[data](part, data_home=data_home) for part in ("train", "test"))
    arrays = (train.data, train.target, test.data, test.target)
    splits = {
        "pooled": partial(one_anomalous_pooled, random_state=0),
        "files": one_anomalous,
    }
    for name, split in splits.items():
        found = [_projected_aupr(*split(*arrays, anomalous=k, balance=True)) for k in classes]
        share, aupr = np.mean(found, axis=0)
        yield {
            "data": data,
            "split": name,
            "classes": str(len(found)),
            "share of anomalies": f"{share:.3f}",
            "AUPR of principal components": f"{aupr:.3f}",
            "published, AE": f"{published_mean(_SOURCE, _PUBLISHED[data], 'AE'):.3f}",
        }


def _projected_aupr(
    X: NDArray[np.uint8], X_test: NDArray[np.uint8], labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Share of anomalies, and AUPR of the error of reconstruction by principal components."""
    rows = np.random.default_rng(0).permutation(len(X))[:_N_PROJECTED]
    pca = PCA(_N_COMPONENTS, svd_solver="randomized", random_state=0)
    pca.fit(X[rows].astype(np.float32))
    centred = X_test.astype(np.float32) - pca.mean_
    lengths, kept = ((a**2).sum(axis=1) for a in (centred, centred @ pca.components_.T))
    anomalous = labels == -1
    return anomalous.mean(), average_precision_score(anomalous, lengths - kept)


def tables(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables of the page, as text: AUPR, and mean probabilities given to the true rotation."""
    found = {}
    for (data, protocol, epochs), part in rows.groupby(["data", "protocol", "epochs"]):
        aupr = part.pivot_table("aupr", "method", "class").loc[list(_METHODS)]
        mean = aupr.mean(axis=1)
        printed = [published_mean(_SOURCE, _PUBLISHED[data], m) for m in _METHODS.values()]
        aupr.insert(0, "mean", mean)
        aupr.insert(1, "published mean of ten", printed)
        means = -part.pivot_table(["mean_normal", "mean_anomalous"], "class", "method")
        probability = pd.DataFrame(
            {
                f"{name}, {kind}": means[column, method]
                for name, method in (("Rotation", "Rotation"), ("joint", "A_cls"))
                for kind, column in (("normal", "mean_normal"), ("abnormal", "mean_anomalous"))
            }
        )
        name = f"{data}_{protocol}_{epochs}"
        found[f"{name}_aupr"] = aupr.map("{:.3f}".format)
        found[f"{name}_probability"] = probability.map("{:.3f}".format)
    return found


def _rows(
    X: NDArray[np.uint8],
    X_test: NDArray[np.uint8],
    labels: NDArray[np.int64],
    seed: int,
    epochs: int,
    weights: dict[str, float],
) -> Iterator[dict[str, Any]]:
    anomalous, apart = labels == -1, []
    n_trained = len(X) - math.ceil(_VALIDATION_FRACTION * len(X))
    steps = math.ceil(epochs * n_trained / _BATCH_SIZE)
    for name, parameters in _MODELS.items():
        model = RotationAutoencoderDetector(
            **(weights | {"max_iter": steps} | parameters),
            validation_fraction=_VALIDATION_FRACTION,
            random_state=seed,
            verbose=1,
        )
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
