"""The directive ``bench-table``: a table of the bench's results, made when the page is built.

Its argument is a CSV file of ``skmmrr-benchmark run``. The option ``kind`` is a table of
:mod:`skmmrr.benchmark.report`: ``classes``, ``detectors``, ``summary``, ``ranks`` or ``pyod``;
``metric`` is its metric, or, of ``detectors``, its columns. ``dataset``, ``class`` and ``detector``
choose rows of the file, ``rows`` lines of the table; ``seen`` names classes that a last mean leaves
out. Several names stand between semicolons.

In these tables, and in others of the class ``numbers``, columns of figures get the class
``number``, for the style sheet.
"""

import re
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from skmmrr.benchmark.report import (
    Table,
    class_tables,
    detector_table,
    pyod_tables,
    rank_table,
    read_results,
    summary_table,
)

_PYOD = ("auroc", "precision_at_n", "seconds")
_KINDS = ("classes", "detectors", "summary", "ranks", "pyod")
_CHOICES = ("dataset", "class", "detector")


def _names(argument: str) -> list[str]:
    return [name.strip() for name in argument.split(";")]


class BenchTable(SphinxDirective):
    """Tables of results; see the module."""

    required_arguments = 1
    option_spec: ClassVar = {
        "kind": lambda a: directives.choice(a, _KINDS),
        **dict.fromkeys(("metric", "rows", "seen", *_CHOICES), _names),
    }

    def run(self) -> list[nodes.Node]:
        """Read the file, and make the table."""
        relative, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        frame = read_results([path])
        for column in _CHOICES:
            if column in self.options:
                frame = frame[frame[column].isin(self.options[column])]
        table = self._table(frame)
        wanted = self.options.get("rows")
        rows = [row for row in table.rows if wanted is None or row[0] in wanted]
        note = [nodes.paragraph(text=table.note)] if table.note else []
        return [_table_node(table.columns, rows), *note]

    def _table(self, frame: Any) -> Table:
        kind, metrics = self.options["kind"], self.options.get("metric", ["auroc"])
        if kind == "detectors":
            return detector_table(frame, metrics)
        if kind == "summary":
            return summary_table(frame, *metrics)
        if kind == "ranks":
            return rank_table(frame, *metrics)
        if kind == "pyod":
            return pyod_tables(frame)[_PYOD.index(*metrics)]
        (table,) = class_tables(frame, *metrics)
        if "seen" in self.options:
            (others,) = class_tables(frame[~frame["class"].isin(self.options["seen"])], *metrics)
            means = dict(zip(others.columns, others.rows[-1], strict=True))
            means |= {name: "" for name in table.columns if name.startswith("published")}
            means["class"] = f"mean of the {len(others.rows) - 1} unseen"
            table.rows.append([means[column] for column in table.columns])
        return table


def _table_node(columns: list[str], rows: list[list[str]]) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in columns), cols=len(columns))
    group += nodes.thead("", _row(columns))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["colwidths-auto", "numbers"])


def _row(cells: list[str]) -> nodes.row:
    kept = (cell.replace("± ", "±\N{NO-BREAK SPACE}") for cell in cells)
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in kept))


def _mark_numbers(app: Sphinx, doctree: nodes.document) -> None:
    for table in doctree.findall(nodes.table):
        if "numbers" not in table["classes"]:
            continue
        _, *columns = zip(*table.findall(nodes.row), strict=True)
        for head, *body in columns:
            if all(re.match(r"[-.\d]|$", entry.astext()) for entry in body):
                for entry in (head, *body):
                    entry["classes"].append("number")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and the marking of columns."""
    app.add_directive("bench-table", BenchTable)
    app.connect("doctree-read", _mark_numbers)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
