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

from skmmrr._pandas import import_pandas
from skmmrr.benchmark.detectors import DETECTOR_NAMES
from skmmrr.benchmark.published import published_value
from skmmrr.benchmark.results import COLUMNS, KEY, METRICS, Row, read_rows
from skmmrr.benchmark.tasks import ALL

Frame = Any  # pandas.DataFrame
Column = tuple[str, Iterable[str]]

_NUMBERS = (
    *METRICS,
    *("fit_seconds", "score_seconds", "peak_memory_mb", "steps", "threads", "n_train", "n_test"),
)
_DECIMALS = {
    **dict.fromkeys(("fit_seconds", "fit_minutes", "score_seconds"), 1),
    **dict.fromkeys(("peak_memory_mb", "steps", "threads", "n_train", "n_test"), 0),
}  # of columns that do not have three
_TASK = ["dataset", "protocol", "subset"]
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


def read_results(paths: Iterable[str | os.PathLike[str]]) -> Frame:
    """Rows of some files as a frame, each once: of equal keys the last."""
    return as_frame(row for path in paths for row in read_rows(path))


def as_frame(rows: Iterable[Row]) -> Frame:
    """Rows of files, or of :func:`skmmrr.benchmark.run`, as the tables take them.

    They are in order of data set, class and detector, whatever the order in which they were done.

    Returns
    -------
    frame : pandas.DataFrame
        Figures are numbers, NaN where there is none; ``fit_minutes``, and ``seconds`` of fit and
        scores, are further columns.
    """
    pd = import_pandas("skmmrr.benchmark.report")
    frame = pd.DataFrame(sorted(rows, key=_place), columns=COLUMNS)
    frame = frame.drop_duplicates(list(KEY), keep="last", ignore_index=True)
    frame[list(_NUMBERS)] = frame[list(_NUMBERS)].apply(pd.to_numeric)
    seconds = frame["fit_seconds"] + frame["score_seconds"]
    return frame.assign(fit_minutes=frame["fit_seconds"] / 60, seconds=seconds)


def _place(row: Row) -> tuple[Any, ...]:
    names = (_natural(row["dataset"]), _natural(row["class"]))
    return *names, _rank(row["detector"]), len(row["detector"])


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Order of a name, its numbers by their value."""
    parts = re.split(r"(\d+)", name)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _rank(name: str) -> int:
    """Place of a detector in the list of the bench, variants beside what they vary."""
    known = [n for n in DETECTOR_NAMES if name.startswith(n)]
    return DETECTOR_NAMES.index(max(known, key=len)) if known else len(DETECTOR_NAMES)


def class_tables(frame: Frame, metric: str = "auroc") -> list[Table]:
    """A table for every data set and protocol: classes by detectors, and their mean.

    Cells are means over seeds, with the standard deviation where there are several. Where the
    papers print a figure for a detector, it stands beside.

    Parameters
    ----------
    frame : DataFrame
        From :func:`read_results` or :func:`as_frame`.
    metric : str, default="auroc"
        One of ``skmmrr.benchmark.results.METRICS``.

    Returns
    -------
    tables : list of Table
    """
    if metric not in METRICS:
        raise ValueError(f"There is no metric {metric!r}. There are {', '.join(METRICS)}.")
    measured = frame[frame[metric].notna() & (frame["class"] != "")]
    return [
        _class_table(dataset, protocol, subset, metric, group)
        for (dataset, protocol, subset), group in measured.groupby(_TASK, sort=False)
    ]


def _class_table(dataset: str, protocol: str, subset: str, metric: str, group: Frame) -> Table:
    cells = _by_detector(group, "class", metric)
    columns: list[Column] = [("class", [*cells.index, "mean"])]
    for detector, own in group.groupby("detector", sort=False):
        columns.append((detector, [*cells[detector], _mean_cell(own, len(cells), metric)]))
        printed = published_cells(dataset, protocol, metric, detector, list(cells.index))
        if printed is not None:
            columns.append(("published", printed))
    taken = "" if subset == ALL else f", {subset} samples"
    return _table(f"{metric} on {dataset}, {protocol}{taken}", columns)


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
    return None if mean is None else ["" if v is None else f"{v:.3f}" for v in (*values, mean)]


def detector_table(frame: Frame, columns: Sequence[str] = ("auroc",)) -> Table:
    """A line for every class and detector: some columns of results, beside published figures.

    Of a single class its name is left out.
    """
    groups = list(frame.groupby(["dataset", "protocol", "class", "detector"], sort=False))
    keys, parts = [key for key, _ in groups], [part for _, part in groups]
    data = [f"{dataset} {label}" for dataset, _, label, _ in keys]
    found: list[Column] = [("data", data)] if len(set(data)) > 1 else []
    found.append(("detector", [detector for *_, detector in keys]))
    for column in columns:
        digits = _DECIMALS.get(column, 3)
        found.append(
            (column.replace("_", " "), [_cell(part[column].dropna(), digits) for part in parts])
        )
        printed = [
            published_cells(dataset, protocol, column, detector, [label])
            for dataset, protocol, label, detector in keys
        ]
        if any(printed):
            found.append(("published", [cells[0] if cells else "" for cells in printed]))
    return _table(", ".join(columns), found)


def summary_table(frame: Frame, metric: str = "auroc") -> Table:
    """Means over classes and seeds: data sets by detectors, as in the papers' tables 1 to 4."""
    measured = frame[frame[metric].notna()]
    detectors, body = measured["detector"].unique().tolist(), []
    for (dataset, protocol, subset), group in measured.groupby(_TASK, sort=False):
        cells = dict.fromkeys(detectors, "")
        for detector, own in group.groupby("detector"):
            n_classes = own["class"].nunique()
            mean = _mean_cell(own, n_classes, metric)
            cells[detector] = f"{mean} ({n_classes})" if n_classes > 1 else mean
        name = dataset if subset == ALL else f"{dataset}, {subset}"
        body.append([name, protocol, *cells.values()])
    title = f"mean {metric}; in brackets the number of classes, if several"
    return Table(title, ["data", "protocol", *detectors], body)


def pyod_tables(frame: Frame) -> list[Table]:
    """PyOD's three tables: ROC, precision at n and time, data sets by detectors."""
    measured = frame[frame["auroc"].notna()]
    return [_pyod_table(f"PyOD: {name}", measured, of) for of, name in _PYOD_TABLES.items()]


def _pyod_table(title: str, frame: Frame, column: str) -> Table:
    index = ["dataset", "protocol", "class", "subset"]
    cells = _by_detector(frame, index, column)
    first = frame.groupby(index, sort=False)[["n_train", "n_test"]].first().sum(axis=1).astype(int)
    names = [
        " ".join(n for n in (dataset.removeprefix("adbench:"), label, subset) if n and n != ALL)
        for dataset, _, label, subset in cells.index
    ]
    columns: list[Column] = [("data", [*names, "mean"]), ("samples", [*map(str, first), ""])]
    for detector, own in frame.groupby("detector", sort=False):
        columns.append((detector, [*cells[detector], _mean_cell(own, len(cells), column)]))
    return _table(title, columns)


def failures(frame: Frame) -> Table:
    """The cells that failed, with the last line of their traceback."""
    columns = ["dataset", "class", "detector", "seed", "error"]
    failed = frame.loc[frame["error"] != "", columns]
    last = failed["error"].str.strip().str.split("\n").str[-1].str[:200]
    return Table("failed", columns, failed.assign(error=last).to_numpy().tolist())


def _by_detector(frame: Frame, index: str | list[str], column: str) -> Frame:
    """Cells of text, a column a detector."""
    return frame.pivot_table(column, index, "detector", aggfunc=_cell, sort=False, fill_value="")


def _mean_cell(own: Frame, n_cells: int, column: str) -> str:
    """Mean over classes or data sets, and its spread over seeds; blank where some are missing."""
    seeds = own.groupby("seed")[column].agg(["mean", "size"])
    return _cell(seeds["mean"][seeds["size"] == n_cells])


def _cell(values: Any, digits: int = 3) -> str:
    if not len(values):
        return ""
    spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def _table(title: str, columns: list[Column]) -> Table:
    names, cells = zip(*columns, strict=True)
    return Table(title, list(names), [list(row) for row in zip(*cells, strict=True)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
