"""The scripts of docs/results as modules, found by their path."""

import importlib
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "results"


@pytest.fixture
def load(monkeypatch):
    """Import a script by its name, as Python finds one beside another that is run."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def columns(name):
    """Names in the committed file, which are the heads of the page's table."""
    return pd.read_csv(FOLDER / f"{name}.csv", nrows=0).columns.tolist()
