"""Imports point downward: from the detector to the stages, never back or sideways."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skmmrr

ROOT = Path(skmmrr.__file__).parent


def imported_modules(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("network", ("numpy", "sklearn", "skmmrr._")),
        ("plot", ("torch", "sklearn", "skmmrr._", "skmmrr.network")),
        ("datasets", ("torch", "skmmrr.network", "skmmrr.baselines", "skmmrr._mmrr")),
        ("baselines", ("skmmrr.network", "skmmrr.datasets", "skmmrr.plot", "skmmrr._mmrr")),
    ],
)
def test_folder_does_not_import(folder, forbidden):
    for path in (ROOT / folder).glob("*.py"):
        assert not [m for m in imported_modules(path) if m.startswith(forbidden)], path


def test_stages_do_not_import_each_other():
    stages = ("embedding", "masking", "restoration", "refinement", "score")
    for stage in stages:
        modules = list(imported_modules(ROOT / "network" / f"{stage}.py"))
        assert not [m for m in modules if m.split(".")[-1] in stages], stage


def test_training_knows_no_model():
    modules = list(imported_modules(ROOT / "_training.py"))
    assert not [m for m in modules if m.startswith(("skmmrr.network", "skmmrr._mmrr"))]


def test_pandas_is_imported_where_its_lack_is_told():
    importers = [path.name for path in ROOT.rglob("*.py") if "pandas" in imported_modules(path)]
    assert importers == ["_pandas.py"]


def test_import_is_quiet_and_leaves_matplotlib_alone():
    code = "import sys, skmmrr, skmmrr.plot; print('matplotlib' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert (result.stdout, result.stderr) == ("False\n", "")
