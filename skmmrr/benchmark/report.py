"""Tables of results in the papers' layout and in PyOD's, measured and published."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skmmrr._extras import import_pandas
from skmmrr.benchmark.counterparts import NOTE, RECOMPUTED, published_figures
from skmmrr.benchmark.detectors import DETECTOR_NAMES
from skmmrr.benchmark.ranks import rank_detectors
from skmmrr.benchmark.results import COLUMNS, KEY, METRICS, Row, read_rows
from skmmrr.benchmark.tasks import ALL

Frame = Any  # pandas.DataFrame
Column = tuple[str, Iterable[str]]

_NUMBERS = [*COLUMNS[len(KEY) : COLUMNS.index("device")], "threads"]
_DECIMALS = dict.fromkeys(("fit_seconds", "fit_minutes", "score_seconds"), 1) | dict.fromkeys(
    ("peak_memory_mb", "steps", "threads", "n_train", "n_test"), 0
)
_TASK = ["dataset", "protocol", "subset"]
_PYOD_TABLES = {"auroc": "ROC", "precision_at_n": "precision at n", "seconds": "time in seconds"}


@dataclass(frozen=True)
class Table:
    """Cells of text under a title.

    Attributes
    ----------
    title : str
    columns : list of str
    rows : list of list of str
    note : str
        What stands below; not in :meth:`csv`.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""

    def markdown(self) -> str:
        """As Markdown, under a heading."""
        lines = [f"## {self.title}", "", _line(self.columns)]
        lines.append("|---|" + "---:|" * (len(self.columns) - 1))
        note = ["", self.note.replace("*", r"\*")] if self.note else []
        return "\n".join([*lines, *map(_line, self.rows), *note, ""])

    def csv(self) -> str:
        """As CSV, with the title in the first column."""
        frame = import_pandas("skmmrr.benchmark.report").DataFrame(self.rows, columns=self.columns)
        frame.insert(0, "table", self.title)
        return str(frame.to_csv(index=False, lineterminator="\n"))


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

    Cells are means over seeds, with the standard deviation where there are several. Where a paper
    prints figures for the score that a detector computes (see
    :mod:`skmmrr.benchmark.counterparts`), they stand to its right under "published", with what the
    paper does otherwise in brackets. Their mean is the printed one; where none is printed it is
    computed from the classes, and has an asterisk.

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
        printed = published_figures(dataset, protocol, metric, detector, classes)
        if printed is not None:
            columns.append((printed.title, printed.cells))
    taken = "" if subset == ALL else f", {subset} samples"
    return _table(f"{metric} on {dataset}, {protocol}{taken}", columns)


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
            published_figures(dataset, protocol, column, detector, [label])
            for dataset, protocol, label, detector in cells.index
        ]
        if any(printed):
            of_class = [f"{p.cells[0]} {p.mark}".strip() if p else "" for p in printed]
            found.append(("published", of_class))
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


def rank_table(frame: Frame, metric: str = "auroc") -> Table:
    """A line a detector, the best first: mean, and mean rank over the data sets that all have."""
    found = rank_detectors(frame, metric)
    rows = [
        [name, f"{mean:.3f}", f"{rank:.2f}"]
        for name, mean, rank in zip(found.detectors, found.means, found.ranks, strict=True)
    ]
    p_value = "" if np.isnan(found.p_value) else f"; Friedman's p = {found.p_value:.2g}"
    note = (
        f"Ranks that are less than {found.critical_difference:.2f} apart do not differ "
        f"significantly (Nemenyi, 5%{p_value})"
    )
    title = f"ranks by {metric} on {found.n_sets} sets"
    return Table(title, ["detector", f"mean {metric}", "mean rank"], rows, note)


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
    rows = [list(row) for row in zip(*cells, strict=True)]
    recomputed = any(cell.endswith(RECOMPUTED) for row in rows for cell in row)
    return Table(title, list(names), rows, NOTE if recomputed else "")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
