"""The CSV file of a benchmark: rows are added one cell at a time, and survive what stops it."""

import csv
import io
import os
import re
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from skmmrr.core.files import write_atomically

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
    "pixel_f1",
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

_HEADER: Row = dict(zip(COLUMNS, COLUMNS, strict=True))


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
        self.rows = _rows(self.path, content) if content else []
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(self.path, len(whole))
        if not whole:
            self._append([_HEADER])

    def add(self, rows: Iterable[Row]) -> None:
        """Write rows, on disk when this returns."""
        texts = [{c: str(row.get(c, "")) for c in COLUMNS} for row in rows]
        self._append(texts)
        self.rows += texts

    def drop_failed(self, keys: Container[tuple[str, ...]]) -> None:
        """Rewrite the file without the failed rows of some keys, at once or not at all."""
        kept = [row for row in self.rows if not (row["error"] and row_key(row) in keys)]
        if len(kept) < len(self.rows):
            write_atomically(self.path, _text([_HEADER, *kept]))
            self.rows = kept

    def _append(self, rows: list[Row]) -> None:
        with self.path.open("ab") as file:
            file.write(_text(rows))
            file.flush()
            os.fsync(file.fileno())


def read_rows(path: str | os.PathLike[str]) -> list[Row]:
    """Rows of a file as text, but for a last line that was cut off.

    Raises
    ------
    ValueError
        If it is not a results file.
    """
    return _rows(Path(path), Path(path).read_bytes())


def _text(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writerows({c: _escaped(v) for c, v in row.items()} for row in rows)
    return text.getvalue().encode()


def _rows(path: Path, content: bytes) -> list[Row]:
    header = ",".join(COLUMNS).encode() + b"\n"
    if not content.startswith(header[: len(content)]):
        first = content.splitlines()[0][:80].decode(errors="replace")
        raise ValueError(
            f"{path} is not a results file of this version: it begins with {first!r}. Name "
            "another file."
        )
    lines = content[: content.rfind(b"\n") + 1].decode().split("\n")[:-1]
    rows = list(csv.reader(lines))[1:]
    for line, row in enumerate(rows, 2):
        if len(row) != len(COLUMNS):
            raise ValueError(
                f"{path} has {len(row)} values in line {line} for its {len(COLUMNS)} columns. "
                "Remove the line, and run its cell again."
            )
    return [dict(zip(COLUMNS, map(_unescaped, row), strict=True)) for row in rows]


def _escaped(value: Any) -> str:
    return str(value).replace("\\", "\\\\").replace("\r", "").replace("\n", "\\n")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda pair: "\n" if pair[1] == "n" else pair[1], text)
