"""The command: help that teaches, and no traceback where data or a package is missing."""

import sys

import pytest

from skmmrr.benchmark.__main__ import main


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["skmmrr.benchmark", *arguments])
    main()


def test_help_names_every_measurement(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "--help")
    text = capsys.readouterr().out
    for name in [
        "mask",
        "speed",
        "levels",
        "vectors",
        "classical",
        "dn2",
        "conformal",
        "thesis",
        "threads",
    ]:
        assert f"    {name} " in text


def test_missing_data_is_told_without_a_traceback(monkeypatch, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "classical", "mnist", "--data-home", str(tmp_path))
    assert stopped.value.code == 1
    assert "SKMMRR_DATA" in capsys.readouterr().err


def test_prints_a_table(monkeypatch, capsys):
    run(monkeypatch, "mask", "--rows", "2", "--elements", "10", "--repeats", "1")
    assert "| level_mask |" in capsys.readouterr().out
