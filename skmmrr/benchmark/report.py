"""Tables of results in the papers' layout and in PyOD's, measured beside published."""

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

_NUMBERS = [*COLUMNS[len(KEY) : COLUMNS.index("device")], "threads"]
_DECIMALS = dict.fromkeys(("fit_seconds", "fit_minutes", "score_seconds"), 1) | dict.fromkeys(
    ("peak_memory_mb", "steps", "threads", "n_train", "n_test"), 0
)
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
        frame = import_pandas("skmmrr.benchmark.report").DataFrame(self.rows, columns=self.columns)
        frame.insert(0, "table", self.title)
        return str(frame.to_csv(index=False))


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
    frame[_NUMBERS] = frame[_NUMBERS].apply(pd.to_numeric)
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
    classes, cells = _by_detector(group, "class", metric)
    columns: list[Column] = [("class", [*classes, "mean"])]
    for detector, measured in cells.items():
        columns.append((detector, measured))
        printed = published_cells(dataset, protocol, metric, detector, classes)
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
    keys = ["dataset", "protocol", "class", "detector"]
    cells = frame.groupby(keys, sort=False).agg({column: _cell for column in columns})
    data = [f"{dataset} {label}" for dataset, _, label, _ in cells.index]
    found: list[Column] = [("data", data)] if len(set(data)) > 1 else []
    found.append(("detector", [detector for *_, detector in cells.index]))
    for column in columns:
        found.append((column.replace("_", " "), cells[column]))
        printed = [
            published_cells(dataset, protocol, column, detector, [label])
            for dataset, protocol, label, detector in cells.index
        ]
        if any(printed):
            found.append(("published", [cell[0] if cell else "" for cell in printed]))
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
    sets, cells = _by_detector(frame, index, column)
    first = frame.groupby(index, sort=False)[["n_train", "n_test"]].first().sum(axis=1).astype(int)
    names = [
        " ".join(n for n in (dataset.removeprefix("adbench:"), label, subset) if n and n != ALL)
        for dataset, _, label, subset in sets
    ]
    columns = [("data", [*names, "mean"]), ("samples", [*map(str, first), ""])]
    return _table(title, [*columns, *cells.items()])


def failures(frame: Frame) -> Table:
    """The cells that failed, with the last line of their traceback."""
    columns = ["dataset", "class", "detector", "seed", "error"]
    failed = frame.loc[frame["error"] != "", columns]
    last = failed["error"].str.strip().str.split("\n").str[-1].str[:200]
    return Table("failed", columns, failed.assign(error=last).to_numpy().tolist())


def _by_detector(
    frame: Frame, index: str | list[str], column: str
) -> tuple[list[Any], dict[str, list[str]]]:
    """Classes or data sets, and the cells of every detector, the last that of their mean."""
    cells = frame.pivot_table(column, index, "detector", aggfunc=_cell, sort=False, fill_value="")
    groups = frame.groupby("detector", sort=False)
    means = {detector: _mean_cell(own, len(cells), column) for detector, own in groups}
    return list(cells.index), {name: [*cells[name], mean] for name, mean in means.items()}


def _mean_cell(own: Frame, n_cells: int, column: str) -> str:
    """Mean over classes or data sets, and its spread over seeds; blank where some are missing."""
    seeds = own.groupby("seed")[column].agg(["mean", "size"])
    return _cell(seeds["mean"][seeds["size"] == n_cells])


def _cell(values: Any) -> str:
    values = values.dropna()
    if values.empty:
        return ""
    digits = _DECIMALS.get(values.name, 3)
    spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def _table(title: str, columns: list[Column]) -> Table:
    names, cells = zip(*columns, strict=True)
    return Table(title, list(names), [list(row) for row in zip(*cells, strict=True)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
