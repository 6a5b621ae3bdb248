"""The CSV file of a benchmark: rows are added one cell at a time, and survive what stops it."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

KEY = ("dataset", "protocol", "class", "subset", "detector", "seed")
"""Columns that tell rows apart."""

METRICS = (
    "auroc",
    "aupr",
    "precision_at_n",
    "false_positive_rate",
    "true_positive_rate",
    "pixel_auroc",
    "aupro",
)
COLUMNS = (
    *KEY,
    *METRICS,
    "fit_seconds",
    "score_seconds",
    "peak_memory_mb",
    "steps",
    "n_train",
    "n_test",
    "device",
    "threads",
    "machine",
    "versions",
    "parameters",
    "date",
    "error",
)

Row = dict[str, Any]


def row_key(row: Row) -> tuple[str, ...]:
    """What makes a row itself."""
    return tuple(str(row[column]) for column in KEY)


class ResultsFile:
    r"""Rows in a CSV file, each written and flushed to disk at once.

    A line is a row: line breaks within a cell, such as a traceback's, are written as ``\n``. So
    a last line without its end is one that was cut off, and is dropped when the file is opened.

    Parameters
    ----------
    path : path-like
        The file; made if it is not there, with its folder.

    Raises
    ------
    ValueError
        If the file has other columns.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(self.path, len(whole))
        if not whole:
            self._append([dict(zip(COLUMNS, COLUMNS, strict=True))])
        self.rows = read_rows(self.path)

    def add(self, rows: Iterable[Row]) -> None:
        """Write rows, on disk when this returns."""
        rows = list(rows)
        self._append(rows)
        self.rows += rows

    def drop_failed(self) -> None:
        """Rewrite the file without the rows of failed cells, at once or not at all."""
        kept = [row for row in self.rows if not row["error"]]
        if len(kept) < len(self.rows):
            rest = ResultsFile(self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp"))
            rest.add(kept)
            os.replace(rest.path, self.path)
            self.rows = kept

    def _append(self, rows: list[Row]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        writer.writerows({c: _escaped(v) for c, v in row.items()} for row in rows)
        with self.path.open("ab") as file:
            file.write(text.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())


def read_rows(path: str | os.PathLike[str]) -> list[Row]:
    """Rows of a file as text; a ValueError if it is no file of results."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(
                f"{path} is no file of results of this version: its columns are "
                f"{reader.fieldnames}. Name another file."
            )
        return [{c: _unescaped(v) for c, v in row.items()} for row in reader]


def _escaped(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace("\r", "").replace("\n", "\\n")


def _unescaped(text: str) -> str:
    return text.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")
