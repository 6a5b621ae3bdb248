"""Which published figures stand beside which rows of the bench.

A figure stands beside a row that computes the same score: MMRR's beside the paper's formula, which
is the error as it is (``adjust=False``), and not beside the default, which adjusts it. Where the
paper does something else in another way, such as its networks, the figure's mark says so.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from skmmrr.benchmark.published import published_value

RECOMPUTED = "*"
NOTE = "* computed from the figures above it; the paper prints no mean of these classes"


class Counterpart(NamedTuple):
    """What a paper prints for the score of a row of ours.

    Attributes
    ----------
    source, method : str
        As in ``published.csv``.
    but : str
        What differs all the same; empty where the paper's settings are ours.
    """

    source: str
    method: str
    but: str = ""


class Figures(NamedTuple):
    """Published figures of some classes, and their mark.

    Attributes
    ----------
    mark : str
        What differs, in brackets; empty where nothing does.
    cells : list of str
        Of the classes, then of their mean: as printed, or recomputed and with an asterisk.
    """

    mark: str
    cells: list[str]

    @property
    def title(self) -> str:
        """Of their column."""
        return f"published {self.mark}".strip()


_OTHER_NETWORKS = "paper's networks"
_AT_256 = "MMRR, paper's settings at 256x256"
_PAPER_FORMS = {"MMRR, paper's settings": "", "MMRR, paper scaled down": "at full size"}
_REFINED = ("", " w/o ref.")
_ABLATED = ("", ", no embedding", ", constant mask", ", Bernoulli mask")

COUNTERPARTS = {
    **{
        f"{form}{refined}{ablated}": Counterpart("MMRR", f"MMRR{refined}{ablated}", but)
        for form, but in _PAPER_FORMS.items()
        for refined in _REFINED
        for ablated in _ABLATED
    },
    **{f"{_AT_256}{refined}": Counterpart("MMRR", f"MMRR{refined}") for refined in _REFINED},
    **{
        f"{name}{refined}, unadjusted": Counterpart("MMRR", f"MMRR{refined}", but)
        for name, but in (
            ("MMRR", _OTHER_NETWORKS),
            ("MMRR, 8 nodes", f"{_OTHER_NETWORKS} and levels"),
        )
        for refined in _REFINED
    },
    **{name: Counterpart("MMRR", name, "settings not printed") for name in ("OC-SVM", "KDE")},
    "MLSAD": Counterpart("MLSAD", "MLSAD", "paper's levels, fakes and networks"),
    "MLSAD, paper's settings": Counterpart("MLSAD", "MLSAD", "settings not printed"),
    **{
        f"MLSAD, paper's settings, S_{n}": Counterpart(
            "MLSAD", f"MLSAD, S_{n}", "settings not printed"
        )
        for n in (1, 2, 4, 8, 16)
    },
    "DN2": Counterpart("DN2", "DN2", "paper's network"),
}
"""Of the rows of the bench, by name. The thesis is measured by ``docs/results/thesis.py``."""

_DATASETS = {  # ours: as in published.csv
    "mnist": "MNIST",
    "fashion-mnist": "FMNIST",
    "cifar10": "CIFAR10",
    "cifar10+aug": "CIFAR10 +aug",
    "cifar100": "CIFAR100 coarse",
    "mvtec": "MVTecAD",
}
_RESIZED = {"mnist": "32", "fashion-mnist": "32"}  # side to which the paper resizes them
_N_CLASSES = {"cifar100": 20}  # of a set with a printed mean, or 10
_SAME_TASK = {"CIFAR10": "CIFAR10 against rCIFAR10"}  # of MLSAD's table 4: all other classes
_METRICS = {  # protocol, or data set, and our metric: as in published.csv
    ("class normal", "auroc"): "image AUROC",
    ("mvtec", "auroc"): "image AUROC",
    ("mvtec", "pixel_auroc"): "pixel AUROC",
}


def published_figures(
    dataset: str, protocol: str, metric: str, detector: str, classes: list[str]
) -> Figures | None:
    """The paper's figures for the score of a row; None where it prints none.

    Parameters
    ----------
    dataset, protocol, metric, detector : str
        As in the rows of the bench.
    classes : list of str

    Returns
    -------
    figures : Figures or None

    Examples
    --------
    >>> from skmmrr.benchmark.counterparts import published_figures
    >>> task = "mnist", "class normal", "auroc"
    >>> published_figures(*task, "MMRR, 8 nodes, unadjusted", ["0", "1"])
    Figures(mark="(paper's networks and levels)", cells=['0.994', '0.998', '0.996*'])
    >>> published_figures(*task, "MMRR, 8 nodes", ["0", "1"]) is None  # its errors are adjusted
    True
    """
    kind, _, rest = dataset.partition(":")
    printed_metric = _METRICS.get((kind if kind == "mvtec" else protocol, metric))
    counterpart = COUNTERPARTS.get(detector)
    if counterpart is None or kind not in _DATASETS or printed_metric is None:
        return None
    large = detector.startswith(_AT_256)
    if large and kind != "mvtec":
        return None
    source, method, but = counterpart
    printed = partial(_printed, source, _DATASETS[kind], method, printed_metric)
    values = [printed(label) for label in classes]
    mean = _mean(values, printed("mean") if len(classes) == _N_CLASSES.get(kind, 10) else None)
    if not mean:
        return None
    marks = [but] if but else []
    if kind in _RESIZED and rest != _RESIZED[kind] and not but:
        marks = [f"{_RESIZED[kind]}x{_RESIZED[kind]}"]
    if kind == "mvtec":
        marks = [but or _OTHER_NETWORKS] if not large else []
        marks += ["256x256"] if ":" in rest else []
    mark = f"({', '.join(marks)})" if marks else ""
    return Figures(mark, [*("" if v is None else f"{v:.3f}" for v in values), mean])


def _printed(source: str, dataset: str, method: str, metric: str, label: str) -> float | None:
    value = published_value(source, dataset, method, metric, label)
    if value is None and dataset in _SAME_TASK:
        return published_value(source, _SAME_TASK[dataset], method, metric, label)
    return value


def _mean(values: list[float | None], printed: float | None) -> str:
    """The printed mean, else that of the classes, marked; blank where neither is known."""
    if printed is not None:
        return f"{printed:.3f}"
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3f}{RECOMPUTED}" if known and len(known) == len(values) else ""
