"""The command: help that teaches, and no traceback where data or a package is missing."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from skmmrr.benchmark.__main__ import main
from skmmrr.benchmark.detectors import DETECTOR_NAMES
from skmmrr.benchmark.experiments import EXPERIMENTS
from skmmrr.benchmark.results import METRICS, read_rows
from skmmrr.benchmark.tasks import NAMES, PROTOCOLS


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["skmmrr.benchmark", *arguments])
    main()


def test_help_names_every_command(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "--help")
    text = capsys.readouterr().out
    for name in ("list", "run", "report", "plot", "fetch"):
        assert f"    {name} " in text


def test_the_list_has_names_that_run_takes(monkeypatch, capsys):
    run(monkeypatch, "list")
    text = capsys.readouterr().out
    for name in (*NAMES, *PROTOCOLS, *DETECTOR_NAMES, *METRICS):
        assert f"\n  {name}\n" in text
    for name, experiment in EXPERIMENTS.items():
        assert f"\n  {name}: {experiment.description}\n" in text


def test_missing_data_is_told_without_a_traceback(monkeypatch, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "run", "--data", "mnist", "--data-home", str(tmp_path))
    assert stopped.value.code == 1
    assert "SKMMRR_DATA" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "digits", "--normal", "good"], "--normal goes with --folder, not --data"),
        (["--csv", "t.csv", "--classes", "1"], "--classes goes with --data, not --csv"),
        (["--data", "digits", "--detectors", "collections.OrderedDict"], "A detector is a name"),
        (["--csv", "t.csv", "--target", "b", "--out", "t.csv"], "not a results file"),
    ],
)
def test_wrong_uses_are_told_without_a_traceback(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{i % 7},{int(i > 20)}" for i in range(30))
    (tmp_path / "t.csv").write_text(f"a,b\n{rows}")
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "run", "--quiet", *arguments)
    assert stopped.value.code == 1
    assert message in capsys.readouterr().err
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == f"a,b\n{rows}"


def test_a_table_of_ones_own_with_and_without_labels(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{i % 7 + 50 * (i > 20)},{int(i > 20)}" for i in range(30))
    (tmp_path / "t.csv").write_text(f"a,b\n{rows}\n")
    options = ["run", "--csv", "t.csv", "--detectors", "KDE", "--out", "r.csv", "--quiet"]
    run(monkeypatch, *options, "--target", "b")
    assert "| mean | 1.000 |" in capsys.readouterr().out
    run(monkeypatch, *options)
    assert "| data | protocol |" in capsys.readouterr().out  # nothing to rank by, and no crash


def test_an_experiment_has_its_protocol_and_its_rows_are_ranked(monkeypatch, capsys, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "adbench").mkdir()
    for name in ("1_a", "2_b"):
        X, y = rng.normal(size=(60, 4)), np.arange(60) < 10
        np.savez(tmp_path / "adbench" / f"{name}.npz", X=X + 3 * y[:, None], y=y)
    out = str(tmp_path / "r.csv")
    options = ["--data-home", str(tmp_path), "--detectors", "DTE-NP", "5-NN", "KDE", "--seeds", "0"]
    run(monkeypatch, "run", "--experiment", "adbench-novelty", *options, "--out", out, "--quiet")
    assert {row["protocol"] for row in read_rows(out)} == {"adbench-novelty"}
    assert {row["n_train"] for row in read_rows(out)} == {"25"}
    capsys.readouterr()
    run(monkeypatch, "report", "--ranks", "--detectors", "dte-np", "KDE", "--", out)
    printed = capsys.readouterr().out
    assert "## ranks by auroc on 2 sets" in printed
    assert "DTE-NP" in printed
    assert "5-NN" not in printed
    run(monkeypatch, "report", "--ranks", "--format", "csv", out)
    assert capsys.readouterr().out.startswith("table,detector,mean auroc,mean rank")


def test_a_folder_may_have_a_name_that_is_not_text(monkeypatch, capsys, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9\r")
    folder.mkdir()
    for i in range(9):
        Image.new("L", (4, 4), i).save(folder / f"{i}.png")
    out = tmp_path / "r.csv"
    options = ["--folder", str(folder), "--size", "4", "--detectors", "KDE", "--quiet"]
    run(monkeypatch, "run", *options, "--out", str(out), "--scores", str(tmp_path / "s"))
    rows = read_rows(out)
    assert [row["error"] for row in rows] == [""] * 3
    assert r"/caf\udce9\r:4" in rows[0]["dataset"]
    assert len(list((tmp_path / "s").iterdir())) == 3
