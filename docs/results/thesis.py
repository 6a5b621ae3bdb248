"""The rotation autoencoder under its thesis's protocol: one class of MNIST abnormal."""

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from skmmrr.baselines import RotationAutoencoderDetector
from skmmrr.baselines._rotation_autoencoder import rescaled
from skmmrr.benchmark._markdown import table_row
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


def measure_thesis(digits: list[int], seeds: list[int], data_home: Path | None, out: Path) -> str:
    """Markdown table of AUPR: the joint model, its two base models, and these combined.

    As in the thesis: classes cut to the smallest one's size, 25 epochs, the anomaly positive,
    starred scores from the two models trained apart. Every digit and seed is appended to a CSV
    when it is done; what the file has already is not measured again.
    """
    train, test = load_mnist("train", data_home=data_home), load_mnist("test", data_home=data_home)
    data = (train.images, train.target, test.images, test.target)
    done = {(row["digit"], row["seed"]) for row in _read(out)}
    for seed in seeds:
        for digit in digits:
            if (str(digit), str(seed)) not in done:
                split = one_anomalous(*data, anomalous=digit, balance=True)
                _append(out, [{"digit": digit, "seed": seed, **row} for row in _rows(*split, seed)])
    return _table(_read(out))


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


def _append(out: Path, rows: list[dict[str, Any]]) -> None:
    new = not out.exists()
    columns = ["digit", "seed", *(key for key in rows[0] if key not in ("digit", "seed"))]
    with out.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if new:
            writer.writeheader()
        writer.writerows(rows)


def _read(out: Path) -> list[dict[str, str]]:
    if not out.exists():
        return []
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def _table(rows: list[dict[str, str]]) -> str:
    digits = sorted({row["digit"] for row in rows})
    lines = [
        f"| method | {' | '.join(digits)} | mean | published mean of ten |",
        "|---|" + "---:|" * (len(digits) + 2),
    ]
    for method, printed in _METHODS.items():
        values = [_mean_aupr(rows, method, digit) for digit in digits]
        values += [float(np.mean(values)), published_mean(_SOURCE, "MNIST", printed)]
        lines.append(table_row(method, values, digits=4))
    return "\n".join(lines)


def _mean_aupr(rows: list[dict[str, str]], method: str, digit: str) -> float:
    wanted = (method, digit)
    return float(np.mean([float(r["aupr"]) for r in rows if (r["method"], r["digit"]) == wanted]))
