"""Rows come back from a file as they were written, whatever their text, and wherever it ends."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from skmmrr.benchmark.results import COLUMNS, ResultsFile, read_rows

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r"), max_size=20)
varied = {"detector": texts, "parameters": texts, "error": texts}
empty = dict.fromkeys(COLUMNS, "")
rows = st.lists(st.fixed_dictionaries(varied).map(lambda row: empty | row), max_size=4)


@given(rows)
def test_rows_come_back(written):
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        ResultsFile(path).add(written)
        assert read_rows(path) == written
        assert ResultsFile(path).rows == written


@given(rows, st.data())
def test_a_file_that_was_cut_anywhere_keeps_its_whole_rows_and_takes_more(written, data):
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        ResultsFile(path).add(written)
        content = path.read_bytes()
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        whole = max(0, path.read_bytes().count(b"\n") - 1)
        reopened = ResultsFile(path)
        assert reopened.rows == written[:whole]
        reopened.add(written)
        assert read_rows(path) == written[:whole] + written
