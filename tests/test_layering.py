"""Imports point downward: from the detectors to the stages, never back or sideways."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skmmrr

ROOT = Path(skmmrr.__file__).parent


def imported_modules(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


STAGES = ("embedding", "masking", "restoration", "refinement", "score")


@pytest.mark.parametrize(
    ("places", "forbidden"),
    [
        ("mmrr/backbones/*.py", ("numpy", "sklearn", "skmmrr.core", "skmmrr.representation")),
        ("plot/*.py", ("torch", "sklearn", "skmmrr.core", "skmmrr.mmrr", "skmmrr.baselines")),
        ("datasets/*.py", ("torch", "skmmrr.mmrr", "skmmrr.baselines")),
        ("baselines/**/*.py", ("skmmrr.mmrr", "skmmrr.datasets", "skmmrr.plot")),
        ("core/*.py", ("skmmrr.mmrr", "skmmrr.baselines", "skmmrr.options", "skmmrr.plot")),
        ("representation.py", ("skmmrr.mmrr", "skmmrr.core.base", "skmmrr.core.training")),
        ("options.py", ("skmmrr.mmrr", "skmmrr.baselines", "skmmrr.core.base")),
        *(
            (f"mmrr/{stage}.py", ("numpy", "sklearn", "skmmrr.core", "skmmrr.mmrr.model"))
            for stage in (*STAGES, "root_finding", "model")
        ),
    ],
)
def test_imports_point_downward(places, forbidden):
    paths = list(ROOT.glob(places))
    assert paths
    for path in paths:
        assert not [m for m in imported_modules(path) if m.startswith(forbidden)], path


def test_stages_do_not_import_each_other():
    for stage in STAGES:
        modules = list(imported_modules(ROOT / "mmrr" / f"{stage}.py"))
        assert not [m for m in modules if m.split(".")[-1] in STAGES], stage


def test_what_detectors_share_knows_no_network():
    for name in ("base", "files", "validation", "image_shapes"):
        modules = list(imported_modules(ROOT / "core" / f"{name}.py"))
        assert not [m for m in modules if m.startswith(("skmmrr.core.training", "skmmrr.mmrr"))]


def test_pandas_is_imported_where_its_lack_is_reported():
    assert not [path for path in ROOT.rglob("*.py") if "pandas" in imported_modules(path)]


def test_import_is_quiet_and_leaves_matplotlib_alone():
    code = "import sys, skmmrr, skmmrr.plot; print('matplotlib' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert (result.stdout, result.stderr) == ("False\n", "")
