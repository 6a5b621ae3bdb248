"""Tables of results in the papers' layout and in PyOD's, measured beside published."""

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from skmmrr.benchmark.detectors import DETECTOR_NAMES
from skmmrr.benchmark.published import published_value
from skmmrr.benchmark.results import METRICS, Row, read_rows, row_key
from skmmrr.benchmark.tasks import ALL

Group = tuple[tuple[str, ...], list[Row]]

_DATASETS = {  # ours: as in published.csv
    "mnist": "MNIST",
    "fashion-mnist": "FMNIST",
    "cifar10": "CIFAR10",
    "cifar10+aug": "CIFAR10 +aug",
    "mvtec": "MVTecAD",
}
_METHODS = {  # ours: source, and method in published.csv
    **{name: ("MMRR", name) for name in ("MMRR", "MMRR w/o ref.", "OC-SVM", "KDE")},
    **{
        f"MMRR{refined}, {what}": ("MMRR", f"MMRR{refined}, {what}")
        for refined in ("", " w/o ref.")
        for what in ("no embedding", "constant mask", "Bernoulli mask")
    },
    "MMRR, 8 nodes": ("MMRR", "MMRR"),
    "MMRR, 8 nodes w/o ref.": ("MMRR", "MMRR w/o ref."),
    "DN2": ("DN2", "DN2"),
}
_N_CLASSES = 10  # of every set with a printed mean alone
_METRICS = {  # protocol, or data set, and our metric: as in published.csv
    ("class normal", "auroc"): "image AUROC",
    ("mvtec", "auroc"): "image AUROC",
    ("mvtec", "pixel_auroc"): "pixel AUROC",
}
_PYOD_TABLES = {"auroc": "ROC", "precision_at_n": "precision at n", "seconds": "time in seconds"}


@dataclass(frozen=True)
class Table:
    """Cells of text under a title.

    Attributes
    ----------
    title : str
    columns : list of str
    rows : list of list of str
    """

    title: str
    columns: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """As Markdown, under a heading."""
        lines = [f"## {self.title}", "", _line(self.columns)]
        lines.append("|---|" + "---:|" * (len(self.columns) - 1))
        return "\n".join([*lines, *map(_line, self.rows), ""])

    def csv(self) -> str:
        """As CSV, with the title in the first column."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["table", *self.columns])
        writer.writerows([self.title, *row] for row in self.rows)
        return text.getvalue()


def read_results(paths: Iterable[str | os.PathLike[str]]) -> list[Row]:
    """Rows of some files, each once: of equal keys the last; in :func:`in_order`."""
    return in_order({row_key(row): row for path in paths for row in read_rows(path)}.values())


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by data set, class and detector, whatever the order in which they were done."""

    def place(row: Row) -> tuple[Any, ...]:
        names = (_natural(row["dataset"]), _natural(row["class"]))
        return *names, _rank(row), len(row["detector"])

    return sorted(rows, key=place)


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Order of a name, its numbers by their value."""
    parts = re.split(r"(\d+)", name)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _rank(row: Row) -> int:
    """Place of a detector in the list of the bench, variants beside what they vary."""
    name = row["detector"]
    known = [n for n in DETECTOR_NAMES if name.startswith(n)]
    return DETECTOR_NAMES.index(max(known, key=len)) if known else len(DETECTOR_NAMES)


def class_tables(rows: Sequence[Row], metric: str = "auroc") -> list[Table]:
    """A table for every data set and protocol: classes by detectors, and their mean.

    Cells are means over seeds, with the standard deviation where there are several. Where the
    papers print a figure for a detector, it stands beside.

    Parameters
    ----------
    rows : sequence of dict
        From :func:`read_results` or :func:`skmmrr.benchmark.run`.
    metric : str, default="auroc"
        One of ``skmmrr.benchmark.results.METRICS``.

    Returns
    -------
    tables : list of Table
    """
    if metric not in METRICS:
        raise ValueError(f"There is no metric {metric!r}. There are {', '.join(METRICS)}.")
    tables = []
    for (dataset, protocol, subset), group in grouped(rows, ("dataset", "protocol", "subset")):
        measured = [row for row in group if row[metric]]
        if measured and measured[0]["class"]:
            taken = "" if subset == ALL else f", {subset} samples"
            title = f"{metric} on {dataset}, {protocol}{taken}"
            tables.append(_class_table(title, dataset, protocol, metric, measured))
    return tables


def _class_table(title: str, dataset: str, protocol: str, metric: str, rows: list[Row]) -> Table:
    classes, detectors = unique(rows, "class"), unique(rows, "detector")
    columns: list[tuple[str, list[str]]] = []
    for detector in detectors:
        own = [row for row in rows if row["detector"] == detector]
        cells = [_cell([float(r[metric]) for r in own if r["class"] == c]) for c in classes]
        columns.append((detector, [*cells, _mean_cell(own, len(classes), metric)]))
        printed = published_cells(dataset, protocol, metric, detector, classes)
        if printed is not None:
            columns.append(("published", printed))
    body = [[name, *(c[i] for _, c in columns)] for i, name in enumerate([*classes, "mean"])]
    return Table(title, ["class", *(name for name, _ in columns)], body)


def published_cells(
    dataset: str, protocol: str, metric: str, detector: str, classes: list[str]
) -> list[str] | None:
    """The papers' figures of a detector for classes and mean; None where they print none."""
    kind = dataset.partition(":")[0]
    printed_metric = _METRICS.get((kind if kind == "mvtec" else protocol, metric))
    if detector not in _METHODS or kind not in _DATASETS or printed_metric is None:
        return None
    source, method = _METHODS[detector]
    printed = partial(published_value, source, _DATASETS[kind], method, printed_metric)
    values = [printed(label) for label in classes]
    found = [value for value in values if value is not None]
    of_all = printed("mean") if len(classes) == _N_CLASSES else None
    mean = float(np.mean(found)) if found else of_all
    return None if mean is None else ["" if v is None else _number(v) for v in (*values, mean)]


def summary_table(rows: Sequence[Row], metric: str = "auroc") -> Table:
    """Means over classes and seeds: data sets by detectors, as in the papers' tables 1 to 4."""
    measured = [row for row in rows if row.get(metric)]
    detectors, body = unique(measured, "detector"), []
    for (dataset, protocol, subset), group in grouped(measured, ("dataset", "protocol", "subset")):
        cells = []
        for detector in detectors:
            own = [row for row in group if row["detector"] == detector]
            n_classes = len(unique(own, "class"))
            mean = _mean_cell(own, n_classes, metric)
            cells.append(f"{mean} ({n_classes})" if n_classes > 1 else mean)
        body.append([dataset if subset == ALL else f"{dataset}, {subset}", protocol, *cells])
    title = f"mean {metric}; in brackets the number of classes, if several"
    return Table(title, ["data", "protocol", *detectors], body)


def pyod_tables(rows: Sequence[Row]) -> list[Table]:
    """PyOD's three tables: ROC, precision at n and time, data sets by detectors."""
    measured = [row | {"seconds": _seconds(row)} for row in rows if row["auroc"]]
    return [_pyod_table(f"PyOD: {name}", measured, of) for of, name in _PYOD_TABLES.items()]


def _seconds(row: Row) -> float:
    return float(row["fit_seconds"]) + float(row["score_seconds"])


def _pyod_table(title: str, rows: list[Row], column: str) -> Table:
    detectors = unique(rows, "detector")
    sets = grouped(rows, ("dataset", "protocol", "subset", "class"))
    body = []
    for (dataset, _, subset, label), group in sets:
        samples = int(group[0]["n_train"]) + int(group[0]["n_test"])
        values = [[float(r[column]) for r in group if r["detector"] == d] for d in detectors]
        name = " ".join(part for part in (dataset, label, subset) if part and part != ALL)
        body.append([name, str(samples), *map(_cell, values)])
    own = [[row for row in rows if row["detector"] == detector] for detector in detectors]
    body.append(["mean", "", *(_mean_cell(part, len(sets), column) for part in own)])
    return Table(title, ["data", "samples", *detectors], body)


def failures(rows: Sequence[Row]) -> Table:
    """The cells that failed, with the last line of their traceback."""
    columns = ["dataset", "class", "detector", "seed"]
    failed = [row for row in rows if row["error"]]
    body = [
        [*(str(row[c]) for c in columns), row["error"].strip().splitlines()[-1][:200]]
        for row in failed
    ]
    return Table("failed", [*columns, "error"], body)


def _mean_cell(rows: Sequence[Row], n_cells: int, column: str) -> str:
    """Mean over classes or data sets, and its spread over seeds; blank where some are missing."""
    seeds = [[float(row[column]) for row in group] for _, group in grouped(rows, ("seed",))]
    return _cell([float(np.mean(values)) for values in seeds if len(values) == n_cells])


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return _number(float(np.mean(values))) + spread


def _number(value: float) -> str:
    return f"{value:.3f}"


def unique(rows: Iterable[Row], column: str) -> list[str]:
    """Values of a column, in the order in which they come first."""
    return list(dict.fromkeys(row[column] for row in rows))


def grouped(rows: Iterable[Row], columns: tuple[str, ...]) -> list[Group]:
    """Rows by the values of some columns, in the order in which those come first."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(str(row[c]) for c in columns), []).append(row)
    return list(found.items())


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
