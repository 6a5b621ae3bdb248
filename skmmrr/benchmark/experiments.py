"""The papers' tables and figures, and PyOD's, as named runs: data sets, detectors and seeds."""

from dataclasses import dataclass, replace

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
    protocol : str or None
        None takes that of the data sets.
    measured : str
        What of it has been run for the documentation, when, and the page; empty if nothing.
    """

    description: str
    data: tuple[str, ...]
    detectors: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    protocol: str | None = None
    measured: str = ""


def _in_paper_form(form: str) -> dict[str, Experiment]:
    """MMRR's tables 1 to 4 and figure 2 at one form of its settings; a base fit serves them all."""
    suffix, at = _FORMS[form]
    constant, bernoulli = (f"{form}, {mask} mask" for mask in ("constant", "Bernoulli"))
    return {
        f"table-1-{suffix}": Experiment(
            f"MMRR's table 1 {at}: training with flips and rotations",
            ("cifar10", "cifar10+aug"),
            (form,),
        ),
        f"table-2-{suffix}": Experiment(
            f"MMRR's table 2 {at}", _CIFAR, (form, f"{form}, no embedding")
        ),
        f"table-3-{suffix}": Experiment(
            f"MMRR's table 3 {at}", _CIFAR, (form, constant, bernoulli)
        ),
        f"table-4-{suffix}": Experiment(
            f"MMRR's table 4 (with 8 and 9) {at}",
            ("mnist:32", "fashion-mnist:32", "cifar10"),
            (form,),
        ),
        f"figure-2-{suffix}": Experiment(f"MMRR's figure 2 {at}", _CIFAR, (f"{form}, levels",)),
    }


_FORMS = {  # how their experiments end, and what these say
    "MMRR, paper's settings": ("paper", "at the paper's settings"),
    "MMRR, paper scaled down": ("scaled", "at the paper's settings scaled down"),
}

_TWO_CLASSES = "automobile and deer, 2026-11-26: docs/results/scaled.md"
_MEASURED = {
    "digits": "whole, 2026-11-23: docs/results/bench_digits.md",
    "cheap": "whole, 2026-11-23: docs/results/classes.md",
    "adbench": "whole, 2026-11-23 and 2026-11-27: docs/results/adbench.md",
    "adbench-novelty": "in part, 2026-11-27: docs/results/adbench_novelty.md",
    "adbench-novelty-resampled": "in part, 2026-11-27: docs/results/adbench_novelty.md",
    "mvtec-bottle": "whole, 2026-11-23: docs/results/mvtec.md",
    "parts": "whole, 2026-11-27: docs/results/parts.md",
    "table-4": 'by "MMRR, 8 nodes", seed 0, 2026-11-23: docs/results/classes.md',
    "mlsad-table-1": "whole, 2026-11-27: docs/results/mlsad.md",
    "table-1-scaled": "automobile and deer, 2026-11-27: docs/results/scaled.md",
    "table-2-scaled": _TWO_CLASSES,
    "table-3-scaled": _TWO_CLASSES,
    "table-4-scaled": f"MNIST's 8, {_TWO_CLASSES}",
    "figure-2-scaled": "automobile, deer and MNIST's 8, 2026-11-27: docs/results/scaled.md",
}

_UNDATED = {
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
        "ADBench's tables, compared with PyOD's detectors, in PyOD's three tables",
        ("adbench",),
        ("MMRR", "MMRR, no bins", "OC-SVM", "KDE", "2-NN", *_PYOD),
        (0, 1, 2),
    ),
    "adbench-novelty": Experiment(
        "ADBench's tables, trained on half of the normal samples (Livernoche et al. 2024)",
        ("adbench",),
        (
            *("MMRR", "MMRR, no bins", "OC-SVM", "5-NN", "LOF", "IForest"),
            *(name for name in _PYOD if name not in ("PyOD IForest", "PyOD OCSVM")),
            *("ICL", "DTE-NP", "DTE-C"),
        ),
        (0, 1, 2, 3, 4),
        "adbench-novelty",
    ),
    "adbench-novelty-resampled": Experiment(
        "ADBench's tables as the code of Livernoche et al. (2024) draws them, with copies",
        ("adbench",),
        ("MMRR", "OC-SVM", "PyOD KNN", "LOF", "IForest", "PyOD ECOD", "ICL", "DTE-NP", "DTE-C"),
        (0, 1, 2, 3, 4),
        "adbench-novelty, resampled",
    ),
    "mvtec-bottle": Experiment(
        "MVTec AD's bottle at 64x64",
        ("mvtec:bottle:64",),
        ("MMRR, 8 nodes", "RotationAE", *_CLASSICAL),
    ),
    "parts": Experiment(
        "MVTec AD's bottle and screw at 256x256: MMRR and patch neighbours on the same features",
        ("mvtec:bottle", "mvtec:screw"),
        ("MMRR features", "Patch 1-NN"),
        (0, 1, 2),
    ),
    "table-7-paper": Experiment(
        "MMRR's table 7 at the paper's settings: MVTec AD's bottle at 256x256",
        ("mvtec:bottle",),
        ("MMRR, paper's settings at 256x256",),
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
        "MLSAD's table 1: CIFAR-10, compared with neighbours and KDE",
        _CIFAR,
        ("MLSAD", "KDE", "2-NN, adjusted"),
    ),
    "mlsad-table-4": Experiment(
        "MLSAD's table 4, its first column: the paper's settings, level by level; needs a GPU",
        _CIFAR,
        ("MLSAD, paper's settings",),
    ),
    "figure-2": Experiment("MMRR's figure 2: AUROC over levels", _CIFAR, ("MMRR, levels",)),
    **{name: found for form in _FORMS for name, found in _in_paper_form(form).items()},
}

EXPERIMENTS = {
    name: replace(found, measured=_MEASURED.get(name, "")) for name, found in _UNDATED.items()
}
