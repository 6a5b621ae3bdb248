"""What detectors are measured on: a data set, cut by a protocol into training and test samples."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skmmrr.benchmark._augmentation import with_augmented_copies
from skmmrr.core.labels import is_anomaly
from skmmrr.core.validation import check_integer
from skmmrr.datasets import (
    NoveltySplit,
    get_data_home,
    load_adbench,
    load_cifar10,
    load_cifar100,
    load_fashion_mnist,
    load_mnist,
    load_mvtec_ad,
    one_anomalous,
    one_anomalous_pooled,
    one_vs_all,
)

Array = NDArray[Any]

ALL = "all"  # of the samples
_LOADERS: dict[str, Callable[..., Bunch]] = {
    "mnist": load_mnist,
    "fashion-mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
}
_RESIZED = ("mnist", "fashion-mnist")
_AUGMENTED = "+aug"
_CLASS_PROTOCOLS = ("class normal", "class anomalous", "class anomalous, pooled", "development")
_MOST_DEVELOPMENT = 400  # normal samples, and as many anomalies
_TABLE_PROTOCOLS = {  # share that trains, whether anomalies stay in it
    "pyod": (0.6, True),
    "adbench": (0.7, True),
    "novelty": (0.6, False),
    "adbench-novelty": (0.5, False),
}
_MOST_TRAINING = {"adbench-novelty": 10_000}  # normal samples that train; the others test
_RESAMPLED = "adbench-novelty, resampled"
_LEAST_RESAMPLED = 1000  # samples of a set
_MVTEC_PROTOCOL = "normal train"

NAMES = (
    *("digits", *(f"{name}[:SIZE]" for name in _RESIZED), "cifar10", "cifar10+aug", "cifar100"),
    *("mvtec:CATEGORY[:SIZE]", "adbench:NAME", "adbench"),
)
"""How data sets are named; the capitals stand for names of the set's own."""

PROTOCOLS = (*_CLASS_PROTOCOLS, *_TABLE_PROTOCOLS, _RESAMPLED, _MVTEC_PROTOCOL)


@dataclass(frozen=True)
class Split:
    """Training and test samples of a task.

    Attributes
    ----------
    train : ndarray of shape (n_train, ...)
        Images or vectors.
    test : ndarray of shape (n_test, ...)
    y_test : ndarray of shape (n_test,)
        +1 for normal samples, -1 for anomalies.
    masks : ndarray of bool of shape (n_test, height, width) or None
        Where test images are abnormal, if that is known.
    """

    train: Array
    test: Array
    y_test: NDArray[np.int64]
    masks: NDArray[np.bool] | None = None


@dataclass(frozen=True)
class Task:
    """One class of one data set under one protocol.

    Attributes
    ----------
    dataset, protocol, label : str
        Its name; `label` is the class.
    load : callable (seed) -> Split
        Reads the samples, where the task is run. The seed is that of a random split.
    subset : str, default="all"
        Which of the samples are taken.
    """

    dataset: str
    protocol: str
    label: str
    load: Callable[[int], Split]
    subset: str = ALL


def find_tasks(
    name: str,
    *,
    classes: Sequence[str] | None = None,
    protocol: str | None = None,
    data_home: str | Path | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
) -> list[Task]:
    """Tasks of a data set by its name, one a class.

    Parameters
    ----------
    name : str
        - ``"digits"``, scikit-learn's: 60% of a class train, the rest and all others test;
        - ``"mnist"``, ``"fashion-mnist"``, ``"cifar10"``, ``"cifar100"`` (its 20 coarse classes):
          training and test files; ``"mnist:32"`` and ``"fashion-mnist:32"`` are resized to 32x32,
          as in the papers; ``"cifar10+aug"`` has a rotated and flipped copy of every training
          image beside it;
        - ``"mvtec:bottle"``: 256x256 pixels; ``"mvtec:bottle:64"`` 64x64;
        - ``"adbench:cardio"``: a table; ``"adbench"``: all that are there.
    classes : sequence of str, default=None
        Names of classes, or their numbers; None takes all.
    protocol : str, default=None
        "class normal" (MMRR, MLSAD, DN2; default for classes), "class anomalous, pooled" (thesis:
        80% of the normal samples of both files train, the others and all of the class test; classes
        cut to one size), "class anomalous" (the same on the files' own split), or "development",
        for choosing settings: as "class normal", but 400 normal samples (a quarter, if they are
        few) and as many others of the training files test. For
        tables "pyod" (default), 60% of the samples train, anomalies among them; "adbench", 70%,
        stratified; "novelty", 60% of the normal samples; or "adbench-novelty", half of the normal
        samples, 10,000 at most (Livernoche et al. 2024); or "adbench-novelty, resampled", as the
        public code of that paper does it, for its published figures alone: sets of fewer than 1,000
        samples are drawn with replacement up to that number first, so that test samples have copies
        that train, and the first half of the normal samples trains. Tables are standardised by
        their training samples.
    data_home : path-like, default=None
        See :func:`skmmrr.datasets.get_data_home`.
    n_train, n_test : int, default=None
        Take so many training and test samples, the same ones at every call; None takes all.

    Returns
    -------
    tasks : list of Task

    Raises
    ------
    FileNotFoundError
        If the set is not there.
    ValueError
        If there is no such data set, class or protocol.

    Examples
    --------
    >>> from skmmrr.benchmark import find_tasks
    >>> (task,) = find_tasks("digits", classes=["8"])
    >>> task.label, task.load(0).train.shape
    ('8', (104, 8, 8))
    """
    kind, _, rest = name.partition(":")
    if name == "digits":
        _chosen(protocol, _CLASS_PROTOCOLS[:1], name)
        tasks = [Task(name, _CLASS_PROTOCOLS[0], str(i), partial(_digit, i)) for i in range(10)]
    elif name in (*_LOADERS, "cifar10" + _AUGMENTED) or (kind in _RESIZED and rest):
        tasks = _class_tasks(name, _chosen(protocol, _CLASS_PROTOCOLS, name), data_home)
    elif kind == "mvtec" and rest:
        _chosen(protocol, (_MVTEC_PROTOCOL,), name)
        tasks = [_mvtec_task(rest, data_home)]
    elif kind == "adbench":
        protocol = _chosen(protocol, (*_TABLE_PROTOCOLS, _RESAMPLED), name)
        names = [rest] if rest else _adbench_names(data_home)
        tasks = [_table_task(n, protocol, data_home) for n in names]
    else:
        raise ValueError(f"There is no data set {name!r}. There are {', '.join(NAMES)}.")
    if classes is not None:
        tasks = _named(tasks, classes)
    for option, n in (("n_train", n_train), ("n_test", n_test)):
        if n is not None:
            check_integer(option, n, "find_tasks", minimum=1)
    if n_train is not None or n_test is not None:
        tasks = [_cut(task, n_train, n_test) for task in tasks]
    return tasks


def array_tasks(X: ArrayLike, y: ArrayLike | None, n_splits: int, name: str = "data") -> list[Task]:
    """Tasks of samples at hand: folds that train on normals alone, drawn by the seed of a run.

    Without labels a task tests on every ``n_splits``-th sample, and none is known as an anomaly.
    """
    X, labels = np.asarray(X), None if y is None else np.where(is_anomaly(y), -1, 1)
    if labels is not None:
        next(NoveltySplit(n_splits).split(X, labels))  # too few samples are reported at once
    protocol = "unlabelled folds" if y is None else "novelty folds"
    return [
        Task(name, protocol, f"fold {fold}", partial(_load_fold, X, labels, n_splits, fold))
        for fold in range(n_splits)
    ]


def _load_fold(
    X: Array, labels: NDArray[np.int64] | None, n_splits: int, fold: int, seed: int
) -> Split:
    if labels is None:
        test = np.random.default_rng(seed).permutation(len(X)) % n_splits == fold
        return Split(X[~test], X[test], np.ones(test.sum(), int))
    folds = NoveltySplit(n_splits, random_state=seed).split(X, labels)
    chosen, tested = list(folds)[fold]
    return Split(X[chosen], X[tested], labels[tested])


def _chosen(protocol: str | None, allowed: tuple[str, ...], name: str) -> str:
    if protocol is None:
        return allowed[0]
    if protocol not in allowed:
        raise ValueError(
            f"The data set {name!r} has no protocol {protocol!r}. It has {', '.join(allowed)}."
        )
    return protocol


def _named(tasks: list[Task], classes: Iterable[str]) -> list[Task]:
    """The tasks of some classes, by name or number."""
    numbered = {str(i): task for i, task in enumerate(tasks)} | {t.label: t for t in tasks}
    missing = [str(c) for c in classes if str(c) not in numbered]
    if missing:
        labels = ", ".join(task.label for task in tasks)
        raise ValueError(f"{tasks[0].dataset} has no class {missing[0]!r}. It has {labels}.")
    return [numbered[str(c)] for c in classes]


def _cut(task: Task, n_train: int | None, n_test: int | None) -> Task:
    subset = f"{n_train or ALL}/{n_test or ALL}"
    load = partial(_load_cut, task.load, n_train, n_test)
    return Task(task.dataset, task.protocol, task.label, load, subset)


def _load_cut(
    load: Callable[[int], Split], n_train: int | None, n_test: int | None, seed: int
) -> Split:
    split, rng = load(seed), np.random.default_rng(0)  # files may be sorted by class
    train = np.sort(rng.permutation(len(split.train))[:n_train])
    test = np.sort(rng.permutation(len(split.test))[:n_test])
    masks = None if split.masks is None else split.masks[test]
    return Split(split.train[train], split.test[test], split.y_test[test], masks)


# Images in classes


def _digit(digit: int, seed: int) -> Split:
    """60% of a digit to train, the rest of it and all others to test."""
    digits = load_digits()
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(digits.target == digit))
    n_train = int(0.6 * len(normal))
    test = np.concatenate([normal[n_train:], np.flatnonzero(digits.target != digit)])
    y_test = np.where(digits.target[test] == digit, 1, -1)
    return Split(digits.images[normal[:n_train]], digits.images[test], y_test)


def _class_tasks(name: str, protocol: str, data_home: str | Path | None) -> list[Task]:
    names = _load(name.removesuffix(_AUGMENTED), "test", data_home).target_names
    return [
        Task(name, protocol, str(label), partial(_load_class, name, protocol, i, data_home))
        for i, label in enumerate(names)
    ]


def _load_class(
    name: str, protocol: str, label: int, data_home: str | Path | None, seed: int
) -> Split:
    source = name.removesuffix(_AUGMENTED)
    train = _load(source, "train", data_home)
    if protocol == "development":
        data = _development(train.images, train.target, label)
    else:
        test = _load(source, "test", data_home)
        data = (train.images, train.target, test.images, test.target)
    if protocol == "class anomalous, pooled":
        split = one_anomalous_pooled(*data, anomalous=label, balance=True, random_state=seed)
    elif protocol == "class anomalous":
        split = one_anomalous(*data, anomalous=label, balance=True)
    else:
        split = one_vs_all(*data, normal=label)
    X, X_test, y = split
    if name.endswith(_AUGMENTED):
        X = with_augmented_copies(X, seed)
    return Split(X, X_test, y)


def _development(X: Array, y: Array, label: int) -> tuple[Array, Array, Array, Array]:
    """Training and test samples and classes, all of the training files."""
    rng = np.random.default_rng(0)
    normal, others = (rng.permutation(np.flatnonzero(kind)) for kind in (y == label, y != label))
    n = min(_MOST_DEVELOPMENT, len(normal) // 4)
    test, train = np.concatenate([normal[:n], others[:n]]), np.sort(normal[n:])
    return X[train], y[train], X[test], y[test]


@cache
def _load(name: str, subset: str, data_home: str | Path | None) -> Bunch:
    """Read a set once in a process."""
    kind, _, rest = name.partition(":")
    size = {"size": (_side(name, rest),) * 2} if rest else {}
    return _LOADERS[kind](subset, data_home=data_home, **size)


def _side(name: str, side: str) -> int:
    """The number of pixels that the name of a set ends with."""
    if not (side.isdigit() and int(side) > 0):
        raise ValueError(f"The size of {name} must be a number of pixels. Got {side!r}.")
    return int(side)


# Pictures with masks


def _mvtec_task(rest: str, data_home: str | Path | None) -> Task:
    category, _, side = rest.partition(":")
    size = _side(f"mvtec:{rest}", side) if side else 256
    _load_mvtec(category, size, "test", data_home)  # reports what is missing before anything runs
    name = f"mvtec:{category}" if size == 256 else f"mvtec:{category}:{size}"
    load = partial(_load_category, category, size, data_home)
    return Task(name, _MVTEC_PROTOCOL, category, load)


def _load_category(category: str, size: int, data_home: str | Path | None, seed: int) -> Split:
    train, test = (_load_mvtec(category, size, part, data_home) for part in ("train", "test"))
    return Split(train.images, test.images, test.target, test.masks)


@cache
def _load_mvtec(category: str, size: int, subset: str, data_home: str | Path | None) -> Bunch:
    return load_mvtec_ad(category, subset, size=(size, size), data_home=data_home)


# Tables


def _adbench_names(data_home: str | Path | None) -> list[str]:
    folder = get_data_home(data_home) / "adbench"
    names = [path.stem for path in folder.glob("*.npz")]
    if not names:
        raise FileNotFoundError(
            f"There is no .npz file in {folder}. Put ADBench's tables there, or name the folder "
            "above by data_home or by the environment variable SKMMRR_DATA."
        )
    return sorted(names, key=lambda name: (len(name.partition("_")[0]), name))


def _table_task(name: str, protocol: str, data_home: str | Path | None) -> Task:
    load_adbench(name, data_home=data_home)
    load = partial(_load_table, name, protocol, data_home)
    return Task(f"adbench:{name}", protocol, "", load)


def _load_table(name: str, protocol: str, data_home: str | Path | None, seed: int) -> Split:
    table = load_adbench(name, data_home=data_home)
    parts = _resampled if protocol == _RESAMPLED else partial(_drawn, protocol)
    train, test = parts(table.target, seed)
    scaler = StandardScaler().fit(table.data[train])
    X, X_test = scaler.transform(table.data[train]), scaler.transform(table.data[test])
    return Split(X, X_test, table.target[test])


def _drawn(protocol: str, y: NDArray[np.int64], seed: int) -> tuple[Array, Array]:
    """Indices of training and test samples."""
    share, contaminated = _TABLE_PROTOCOLS[protocol]
    train, test = train_test_split(
        np.arange(len(y)),
        train_size=share,
        random_state=seed,
        stratify=None if protocol == "pyod" else y,
    )
    if not contaminated:
        anomalous = y[train] == -1
        train, test = train[~anomalous], np.concatenate([test, train[anomalous]])
    most = _MOST_TRAINING.get(protocol, len(train))
    return train[:most], np.concatenate([test, train[most:]])


def _resampled(y: NDArray[np.int64], seed: int) -> tuple[Array, Array]:
    """The same as Livernoche et al. (2024) draw them: some of a small set more than once."""
    rows = np.arange(len(y))
    if len(y) < _LEAST_RESAMPLED:
        rows = np.random.default_rng(seed).integers(len(y), size=_LEAST_RESAMPLED)
    normal, anomalous = rows[y[rows] == 1], rows[y[rows] == -1]
    half = round(len(normal) / 2)
    return normal[:half], np.concatenate([normal[half:], anomalous])
