"""The papers' tables and figures, and PyOD's, as named runs: data sets, detectors and seeds."""

from dataclasses import dataclass

_CIFAR = ("cifar10",)
_CLASSICAL = ("OC-SVM", "KDE", "2-NN", "IForest")
_PYOD = tuple(
    f"PyOD {name}" for name in ("IForest", "ECOD", "KNN", "OCSVM", "AutoEncoder", "DeepSVDD")
)


@dataclass(frozen=True)
class Experiment:
    """What ``run --experiment`` runs.

    Attributes
    ----------
    description : str
    data, detectors : tuple of str
        Names.
    seeds : tuple of int
    """

    description: str
    data: tuple[str, ...]
    detectors: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)


EXPERIMENTS = {
    "digits": Experiment(
        "scikit-learn's digits, all detectors",
        ("digits",),
        (
            *("MMRR", "RotationAE", *_CLASSICAL, "LOF", "DN2 64"),
            *(name for name in _PYOD if name not in ("PyOD IForest", "PyOD OCSVM")),
        ),
        (0, 1, 2),
    ),
    "cheap": Experiment(
        "the papers' sets, the detectors that need no network",
        ("mnist", "fashion-mnist", "cifar10"),
        (*_CLASSICAL, "PyOD ECOD", "PyOD KNN"),
    ),
    "adbench": Experiment(
        "ADBench's tables, beside PyOD's detectors, in PyOD's three tables",
        ("adbench",),
        ("MMRR", "OC-SVM", "KDE", "2-NN", *_PYOD),
        (0, 1, 2),
    ),
    "mvtec-bottle": Experiment(
        "MVTec AD's bottle at 64x64",
        ("mvtec:bottle:64",),
        ("MMRR, 8 nodes", "RotationAE", *_CLASSICAL),
    ),
    "table-1": Experiment(
        "MMRR's table 1: training with flips and rotations",
        ("cifar10", "cifar10+aug"),
        ("MMRR, 8 nodes",),
    ),
    "table-2": Experiment(
        "MMRR's table 2: with and without the embedding", _CIFAR, ("MMRR", "MMRR, no embedding")
    ),
    "table-3": Experiment(
        "MMRR's table 3: learned, constant and Bernoulli masks",
        _CIFAR,
        ("MMRR", "MMRR, constant mask", "MMRR, Bernoulli mask"),
    ),
    "table-4": Experiment(
        "MMRR's table 4 (with 8 and 9): with and without the refinement, adjusted and not",
        ("mnist", "fashion-mnist", "cifar10"),
        ("MMRR", "MMRR, unadjusted"),
        (0, 1, 2),
    ),
    "mlsad-table-1": Experiment(
        "MLSAD's table 1: CIFAR-10, beside neighbours and KDE",
        _CIFAR,
        ("MLSAD", "KDE", "2-NN, adjusted"),
    ),
    "mlsad-table-4": Experiment(
        "MLSAD's table 4, its first column: the paper's settings, level by level; needs a GPU",
        _CIFAR,
        ("MLSAD, paper's settings",),
    ),
    "figure-2": Experiment("MMRR's figure 2: AUROC over levels", _CIFAR, ("MMRR, levels",)),
}
