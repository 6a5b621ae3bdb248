"""Every script tells what it measures, and what it writes."""

import sys

import pytest

from .conftest import FOLDER

SCRIPTS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(load, monkeypatch, capsys, name):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as stopped:
        load(name).main()
    assert stopped.value.code == 0
    assert "--out" in capsys.readouterr().out
