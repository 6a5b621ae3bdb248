"""Every detector on every task with every seed, each a row of a CSV file as soon as it is known."""

import hashlib
import io
import json
import os
import re
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import average_precision_score, roc_auc_score
from tqdm.auto import tqdm

from skmmrr.benchmark._machine import device_of, machine, peak_memory, versions
from skmmrr.benchmark.detectors import Candidate, as_candidates
from skmmrr.benchmark.results import ResultsFile, Row, row_key
from skmmrr.benchmark.tasks import Split, Task
from skmmrr.core.files import write_atomically
from skmmrr.core.training import TrainingInterrupted
from skmmrr.metrics import (
    anomaly_score,
    aupro_score,
    best_f1_score,
    pixel_roc_auc_score,
    precision_at_n,
)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Scores = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Cell:
    """One fit: a detector on a task with a seed."""

    task: Task
    candidate: Candidate
    seed: int

    def identities(self) -> list[Row]:
        """The columns that tell its rows apart, of every row."""
        task = self.task
        return [
            {
                "dataset": task.dataset,
                "protocol": task.protocol,
                "class": task.label,
                "subset": task.subset,
                "detector": name,
                "seed": self.seed,
                "parameters": _parameters(self.candidate.estimator, changes),
            }
            for name, changes in zip(
                self.candidate.names, ({}, *self.candidate.variants.values()), strict=True
            )
        ]


def run(
    tasks: Iterable[Task],
    detectors: Any,
    *,
    seeds: Sequence[int] = (0,),
    out: str | os.PathLike[str],
    n_jobs: int | None = None,
    retry: bool = False,
    scores: str | os.PathLike[str] | None = None,
    verbose: int = 1,
) -> list[Row]:
    """Measure detectors, and append the rows to a CSV file as they are known.

    What the file has already is not run again: after an interruption, even a kill, the same call
    goes on where it stopped. A fit that fails is a row with its traceback. The file is locked while
    a run writes it.

    Parameters
    ----------
    tasks : iterable of Task
        From :func:`find_tasks`.
    detectors : sequence or dict
        Names (see :func:`find_detector`), scikit-learn or PyOD detectors, or :class:`Candidate`; a
        dict names estimators. Vectors are what a detector without the parameter `image_shape`
        gets, of images too.
    seeds : sequence of int, default=(0,)
        Of random splits, and of every parameter ``random_state`` of a detector.
    out : path-like
        The file; see :data:`skmmrr.benchmark.results.COLUMNS`.
    n_jobs : int, default=None
        Number of simultaneous fits, as in joblib: within ``joblib.parallel_config("dask")`` they
        run on a cluster. None is one here.
    retry : bool, default=False
        Whether to run again what failed.
    scores : path-like, default=None
        Folder for the labels and anomaly scores of every row, for ROC curves. They are on disk
        before their row is.
    verbose : int, default=1
        0 shows no progress.

    Returns
    -------
    rows : list of dict
        Those of the given tasks, detectors and seeds, also those that were there before.

    Raises
    ------
    ValueError
        If the file has rows of the same names made with other parameters.
    BlockingIOError
        If another run writes the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.svm import OneClassSVM
    >>> from skmmrr.benchmark import find_tasks, run
    >>> tasks = find_tasks("digits", classes=["0", "1"])
    >>> with TemporaryDirectory() as folder:
    ...     rows = run(tasks, [OneClassSVM()], out=Path(folder) / "digits.csv", verbose=0)
    >>> [(row["class"], row["detector"], float(row["auroc"]) > 0.9) for row in rows]
    [('0', 'OneClassSVM', True), ('1', 'OneClassSVM', True)]
    """
    candidates, tasks = as_candidates(detectors), list(tasks)
    cells = [Cell(t, c, seed) for seed in seeds for t in tasks for c in candidates]
    keys = {row_key(row) for cell in cells for row in cell.identities()}
    folder = None if scores is None else Path(scores)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(Path(out)):
        file = ResultsFile(out)
        if retry:
            file.drop_failed(keys)
        missing = [cell for cell in cells if _lacks(file, cell)]
        for rows, found in measure_all(missing, n_jobs, verbose):
            known = {row_key(row) for row in file.rows}
            new = [row for row in rows if row_key(row) not in known]
            if folder is not None:
                _save_scores(folder, new, found)
            file.add(new)  # last: a kill before it leaves a cell to be run again
    return [row for row in file.rows if row_key(row) in keys]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock of a file for one run, where the system has locks; it goes with the process.

    It is on a file of its own, since a retry replaces the file of results.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("ab") as lock:
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"Another run writes {path}, and two would measure the same cells. Wait until it "
                "ends, or name another file."
            ) from None
        except OSError:  # a network's file system without locks
            pass
        yield


def measure_all(
    cells: Sequence[Cell], n_jobs: int | None, verbose: int
) -> Iterator[tuple[list[Row], Scores]]:
    """Measure cells, as they come, under a progress bar with the time left."""
    done = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(measure)(cell) for cell in cells
    )
    yield from tqdm(done, "cells", len(cells), disable=not verbose)


def measure(cell: Cell) -> tuple[list[Row], Scores]:
    """Rows of a cell, and the labels and anomaly scores of those that did not fail.

    Raises
    ------
    KeyboardInterrupt
        Also where a detector answers Ctrl-C by stopping its training early.
    """
    rows, scores = [], {}
    common = {"machine": machine(), "versions": versions(), "threads": torch.get_num_threads()}
    common["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", TrainingInterrupted)
            for row, found in _fit_and_score(cell):
                rows.append(row | common)
                scores[row["detector"]] = found
    except TrainingInterrupted:
        raise KeyboardInterrupt from None
    except Exception:  # of any detector, whoever wrote it: a row like others
        failed = cell.identities()[len(rows) :]
        rows += [row | common | {"error": traceback.format_exc()} for row in failed]
    return [dict.fromkeys(("error",), "") | row for row in rows], scores


def _fit_and_score(cell: Cell) -> Iterator[tuple[Row, NDArray[np.float64]]]:
    """Rows and scores of the fit and its variants, as they come."""
    split = cell.task.load(cell.seed)
    train, test = (_as_taken(X, cell.candidate.estimator) for X in (split.train, split.test))
    estimator = _seeded(clone(cell.candidate.estimator), cell.seed, train)
    start = time.perf_counter()
    with peak_memory() as fitting:
        estimator.fit(train)
    seconds = time.perf_counter() - start
    changes = ({}, *cell.candidate.variants.values())
    fitted = {name: estimator.get_params(deep=False)[name] for change in changes for name in change}
    for identity, change in zip(cell.identities(), changes, strict=True):
        if change:  # one variant does not see what the one before it changed
            estimator.set_params(**(fitted | change))
        start = time.perf_counter()
        with peak_memory() as scoring:
            scores = anomaly_score(estimator, test)
        row = identity | {
            "fit_seconds": f"{seconds:.3f}",
            "score_seconds": f"{time.perf_counter() - start:.3f}",
            "steps": int(np.sum(getattr(estimator, "n_iter_", 0))) or "",
            "n_train": len(train),
            "n_test": len(test),
            "device": device_of(estimator),
        }
        if fitting.megabytes is not None and scoring.megabytes is not None:
            row["peak_memory_mb"] = f"{max(fitting.megabytes, scoring.megabytes):.0f}"
        threshold = None if change else _threshold(estimator)  # it is that of the scores of the fit
        metrics = _metrics(estimator, split, test, scores, threshold)
        row |= {name: f"{value:.6f}" for name, value in metrics.items()}
        yield row, np.stack([split.y_test, scores])


def _metrics(
    estimator: Any, split: Split, test: NDArray[Any], scores: Any, threshold: float | None
) -> dict[str, float]:
    anomalous = split.y_test == -1
    metrics = {}
    if anomalous.any() and not anomalous.all():
        metrics["auroc"] = roc_auc_score(anomalous, scores)
        metrics["aupr"] = average_precision_score(anomalous, scores)
        metrics["precision_at_n"] = precision_at_n(split.y_test, scores)
    if threshold is not None:
        for name, group in (("false", ~anomalous), ("true", anomalous)):
            if group.any():
                metrics[f"{name}_positive_rate"] = np.mean(scores[group] > threshold)
    if split.masks is not None and split.masks.any() and hasattr(estimator, "anomaly_map"):
        maps = estimator.anomaly_map(test)
        metrics["pixel_auroc"] = pixel_roc_auc_score(split.masks, maps)
        metrics["aupro"] = aupro_score(split.masks, maps)
        metrics["pixel_f1"] = best_f1_score(np.where(split.masks, -1, 1).ravel(), maps.ravel())
    return metrics


def _threshold(estimator: Any) -> float | None:
    """Above which an anomaly score means an anomaly: PyOD's, or scikit-learn's; None without."""
    if hasattr(estimator, "threshold_") and hasattr(estimator, "decision_scores_"):
        return float(estimator.threshold_)
    offset = getattr(estimator, "offset_", None)
    return None if offset is None else -float(np.ravel(offset)[0])


def _as_taken(X: NDArray[Any], estimator: Any) -> NDArray[Any]:
    """Images as they are for detectors that know images; vectors for all others."""
    if X.ndim == 2 or "image_shape" in estimator.get_params():
        return X
    return X.reshape(len(X), -1).astype(np.float32)


def _seeded(estimator: Any, seed: int, X: NDArray[Any]) -> Any:
    """The estimator with its seeds set, and with the number of features where it asks for that."""
    parameters = estimator.get_params()
    seeds = [name for name in parameters if re.fullmatch(r"(.*__)?random_state", name)]
    changes: dict[str, Any] = dict.fromkeys(seeds, seed)
    if "n_features" in parameters:  # PyOD's DeepSVDD
        changes["n_features"] = X.shape[1]
    return estimator.set_params(**changes)


def _parameters(estimator: Any, changes: dict[str, Any]) -> str:
    """All parameters as JSON, without the seed; what is no JSON by its name."""
    parameters = estimator.get_params(deep=False) | changes
    parameters.pop("random_state", None)
    return json.dumps(parameters, sort_keys=True, default=_name)


def _name(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if hasattr(value, "get_params"):
        return str(value)
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _lacks(file: ResultsFile, cell: Cell) -> bool:
    """Whether a row of the cell is not in the file; those that are must have its parameters."""
    known = {row_key(row): row["parameters"] for row in file.rows}
    for row in cell.identities():
        before = known.get(row_key(row), row["parameters"])
        if before != row["parameters"]:
            raise ValueError(
                f"{file.path} has rows of {row['detector']!r} with other parameters: {before}, not "
                f"{row['parameters']}. Choose another file, or give the detector another name in a "
                "dict."
            )
    return not all(row_key(row) in known for row in cell.identities())


def _save_scores(folder: Path, rows: list[Row], scores: Scores) -> None:
    for row in rows:
        if not row["error"]:
            y, found = scores[row["detector"]]
            content = io.BytesIO()
            np.savez_compressed(content, key=row_key(row), y=y, anomaly_score=found)
            write_atomically(folder / f"{_file_name(row_key(row))}.npz", content.getvalue())


def _file_name(key: tuple[str, ...]) -> str:
    """A name of a key's own, as short as file systems want it."""
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:8]
    return re.sub(r"[^\w.+-]+", "_", "__".join(key))[:150] + f"__{digest}"
