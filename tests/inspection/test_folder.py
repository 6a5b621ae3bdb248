"""Folders with everything that folders have: read if Pillow can, reported and skipped if not."""

import copy
import csv
import errno
import html
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from onnxruntime import InferenceSession
from PIL import EpsImagePlugin, Image

import skmmrr
from skmmrr import MMRRDetector, Network
from skmmrr.__main__ import main
from skmmrr.baselines import KDEDetector
from skmmrr.benchmark import Candidate
from skmmrr.inspection import PictureDetector, score_folder, training_pictures
from skmmrr.inspection._outputs import check_output

ROOT = Path(skmmrr.__file__).parents[1]
# Windows says it in several ways
TOO_LONG = os.strerror(errno.ENAMETOOLONG) if os.name == "posix" else ""
any_name = pytest.mark.skipif(sys.platform != "linux", reason="file names are not any bytes")


def picture(rng, defect=False):
    pixels = rng.normal(120, 4, size=(24, 20, 3)).clip(0, 255).astype(np.uint8)
    if defect:
        pixels[4:9, 12:18] = (250, 0, 0)
    return Image.fromarray(pixels)


@pytest.fixture
def good(tmp_path, rng):
    (tmp_path / "good").mkdir()
    for i in range(40):
        picture(rng).save(tmp_path / "good" / f"{i:02}.png")
    return tmp_path / "good"


@pytest.fixture
def zoo(tmp_path, rng):
    """A text file, a truncated PNG, a 16-bit TIFF, a CMYK JPEG, a palette PNG, a rotated photo."""
    folder = tmp_path / "zoo" / "deep"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("not a picture")
    (folder / "text.png").write_text("no picture either")
    picture(rng).save(folder / "whole.png")
    content = (folder / "whole.png").read_bytes()
    (folder / "truncated.png").write_bytes(content[: len(content) // 2])
    wide = (rng.normal(120, 4, size=(24, 20)) * 257).astype(np.uint16)
    Image.fromarray(wide).save(folder / "sixteen.tiff")
    picture(rng).convert("CMYK").save(folder / "cmyk.jpg")
    palette = picture(rng).convert("P")
    palette.save(folder / "palette.png", transparency=bytes(range(256)))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    picture(rng, defect=True).save(folder / "turned.jpg", exif=exif)
    return folder.parent


@pytest.fixture
def hostile(tmp_path, monkeypatch, rng):
    """Six sound pictures, two of them with names that are no text, among files to be wary of."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in (
        "a.png",
        "=cmd.png",
        "-cmd.png",
        "new\rline;=cmd.png",
        os.fsdecode(b"caf\xe9.png"),
    ):
        picture(rng).save(name, format="PNG")
    Image.fromarray(rng.random((24, 20), np.float32)).save("float.tiff")
    Image.fromarray(np.full((24, 20), 2**30, np.int32)).save("int32.tiff")
    Image.new("L", (1000, 1000)).save("huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    picture(rng).save("drawing.eps")
    picture(rng).save("disguised.eps")
    os.rename("disguised.eps", "disguised.png")
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("it is run"))
    os.mkfifo("pipe.png")
    os.symlink("nowhere", "broken.png")
    return folder


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A small model that has anomaly maps."""
    folder, rng = tmp_path_factory.mktemp("maps"), np.random.default_rng(0)
    for i in range(40):
        picture(rng).save(folder / f"{i}.png")
    small = {"network": Network(width=8), "n_estimators": 1, "max_iter": 30}
    detector = MMRRDetector(3, random_state=0, **small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could learn on
        return PictureDetector(detector, size=(12, 10), random_state=0).fit(
            sorted(folder.iterdir())
        )


@pytest.fixture
def detector(good):
    paths, _ = training_pictures(good)
    return PictureDetector(KDEDetector(random_state=0), size=(12, 10), random_state=0).fit(paths)


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["skmmrr", *map(str, arguments)])
    main()


def test_reads_what_pillow_reads_and_tells_the_rest(detector, zoo):
    findings = {f.path.name: f for f in score_folder(detector, zoo)}
    errors = {name for name, finding in findings.items() if finding.error}
    assert errors == {"notes.txt", "text.png", "truncated.png"}
    assert np.isnan(findings["text.png"].anomaly_score)
    assert findings["turned.jpg"].abnormal
    assert len(findings) == 8


def test_learns_what_can_be_read(monkeypatch, zoo, tmp_path, capsys):
    options = ["--detector", "2-nn", "--size", "12", "--quiet"]
    run(monkeypatch, "fit", zoo, "--out", tmp_path / "model", *options)
    said, told = capsys.readouterr()
    assert "Learned 3 pictures" in said
    assert "calibrated on 2 others" in said
    assert told.count("Skipped") == 3
    assert "DeepKNNDetector has no anomaly maps" in told


def test_defects_of_mvtecs_layout_are_not_learned(detector, tmp_path, rng):
    tmp_path = tmp_path / "set"
    for place in ("train/good", "test/good", "test/cut", "ground_truth/cut"):
        (tmp_path / place).mkdir(parents=True)
        picture(rng).save(tmp_path / place / "0.png")
    paths, skipped = training_pictures(tmp_path)
    assert ([path.parent.name for path in paths], skipped) == (["good"], [])
    kinds = [finding.kind for finding in score_folder(detector, tmp_path)]
    assert kinds == ["cut", "good"]


def test_a_detector_of_arrays_is_refused(monkeypatch, zoo, tmp_path, capsys, rng):
    KDEDetector().fit(rng.normal(size=(9, 2))).save(tmp_path / "model")
    with pytest.raises(SystemExit):
        run(monkeypatch, "score", tmp_path / "model", zoo)
    assert "contains a KDEDetector for arrays" in capsys.readouterr().err


def test_maps_overlays_and_boxes(monkeypatch, maps, zoo, tmp_path, capsys):
    maps.save(tmp_path / "model")
    out = [tmp_path / name for name in ("scores.csv", "overlays", "report.html")]
    options = ["--csv", out[0], "--overlays", out[1], "--report", out[2], "--quiet"]
    run(monkeypatch, "score", tmp_path / "model", zoo, *options)
    with out[0].open(newline="", encoding="utf-8") as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert rows["turned.jpg"]["abnormal"] == "1"
    assert re.match(r"\[\[\d+, \d+, \d+, \d+\]", rows["turned.jpg"]["boxes"])
    assert rows["text.png"]["error"]
    drawn = sorted(p.name for p in (out[1] / "deep").iterdir())
    assert drawn == [f"{n}.png" for n in sorted(n for n, row in rows.items() if not row["error"])]
    with Image.open(out[1] / "deep" / "turned.jpg.png") as overlay:
        assert overlay.size == (24, 20)  # upright: the picture's own size, turned
    assert "data:image/webp" in out[2].read_text(encoding="utf-8")
    captured = capsys.readouterr()
    assert "Skipped" in captured.err
    assert "of 5 pictures are abnormal" in captured.err


@any_name
def test_a_hostile_folder_is_scored_and_reported(monkeypatch, maps, hostile, tmp_path, capsys):
    maps.save(tmp_path / "model")
    out = [tmp_path / name for name in ("scores.csv", "overlays", "report.html")]
    options = ["--csv", out[0], "--overlays", out[1], "--report", out[2], "--quiet"]
    run(monkeypatch, "score", tmp_path / "model", ".", *options)
    with out[0].open(newline="", encoding="utf-8") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    sound = {
        "a.png",
        "'=cmd.png",
        "'-cmd.png",
        r"new\rline;=cmd.png",
        r"caf\udce9.png",
        "float.tiff",
    }
    skipped = {"int32.tiff", "huge.png", "drawing.eps", "disguised.png", "pipe.png", "broken.png"}
    assert {name for name, row in rows.items() if not row["error"]} == sound
    assert {name for name, row in rows.items() if row["error"]} == skipped
    assert len(list(out[1].iterdir())) == len(sound)
    page = html.unescape(out[2].read_text(encoding="utf-8"))
    assert all(name.strip("'") in page for name in sound | skipped)
    told = capsys.readouterr().err
    assert all(f"Skipped {name}: " in told for name in skipped)
    assert "of 6 pictures are abnormal" in told


@any_name
def test_a_hostile_folder_is_learned(monkeypatch, hostile, tmp_path, capsys):
    out = tmp_path / "model"
    run(monkeypatch, "fit", ".", "--out", out, "--detector", "kde", "--size", "8", "--quiet")
    assert "Learned 4 pictures" in capsys.readouterr().out


@any_name
def test_no_name_stops_a_terminal_of_another_encoding(detector, tmp_path, rng):
    """Not even with its encoding strict, as where output is piped."""
    (tmp_path / "new").mkdir()
    for name in ("\N{SNOWMAN}.png", "\x1b[2J.png", os.fsdecode(b"\xff.png")):
        picture(rng).save(tmp_path / "new" / name, format="PNG")
    detector.save(tmp_path / "model")
    command = [sys.executable, "-m", "skmmrr", "score", tmp_path / "model", "new", "--quiet"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii:strict", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    for name in (rb"\u2603.png", rb"\x1b[2J.png", rb"\udcff.png"):
        assert b'"new/' + name + b'"' in result.stdout


def test_overlays_are_not_scored_or_learned(monkeypatch, maps, good, tmp_path, capsys):
    maps.save(tmp_path / "model")
    score = ["score", tmp_path / "model", good, "--quiet", "--csv", good / "scores.csv"]
    for _ in range(2):
        run(monkeypatch, *score, "--overlays", good / "maps")
        assert "of 40 pictures are abnormal" in capsys.readouterr().err
    (good / "maps" / "00.png.png").rename(good / "elsewhere.png")
    assert len(training_pictures(good)[0]) == 40
    errors = {finding.path.name: finding.error for finding in score_folder(maps, good)}
    assert errors["elsewhere.png"] == "It is an overlay written by skmmrr score."
    assert sum(bool(error) for error in errors.values()) == 40 + 1  # and the table


def test_scores_remain_where_an_overlay_cannot_be_written(monkeypatch, maps, tmp_path, capsys, rng):
    """Its name is too long, or that of a picture: `a.png.png` is the overlay of `a.png`."""
    maps.save(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    names = ["a.png", "a.png.png", "b" * 251 + ".png"]
    for name in names:
        picture(rng).save(tmp_path / "new" / name)
    content = (tmp_path / "new" / "a.png.png").read_bytes()
    options = ["--overlays", "new", "--csv", "scores.csv", "--quiet"]
    run(monkeypatch, "score", "model", "new", *options)
    told = capsys.readouterr().err
    new = Path("new")
    assert f"No overlay of {new / 'a.png'}: A file of that name is not an overlay." in told
    assert f"No overlay of {new / names[2]}: {TOO_LONG}" in told
    assert "of 3 pictures are abnormal" in told
    assert (tmp_path / "new" / "a.png.png").read_bytes() == content
    assert len(list((tmp_path / "new").iterdir())) == 3 + 1


def test_a_folder_in_which_nothing_can_be_read(monkeypatch, maps, tmp_path, capsys):
    maps.save(tmp_path / "model")
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "text.png").write_text("no picture")
    out = tmp_path / "scores.csv"
    run(monkeypatch, "score", tmp_path / "model", folder, "--csv", out, "--overlays", tmp_path)
    assert "text.png is damaged" in out.read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        run(monkeypatch, "fit", folder, "--out", tmp_path / "m", "--quiet")
    assert f"No picture of {folder} could be read" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_tiles_and_a_region_of_interest(monkeypatch, good, tmp_path, capsys):
    region = np.zeros((24, 20), np.uint8)
    region[:, :10] = 255
    Image.fromarray(region).save(tmp_path / "roi.png")
    small = MMRRDetector(3, max_iter=3, network=Network(width=4), n_estimators=1)
    monkeypatch.setattr("skmmrr.__main__.find_detector", lambda name: Candidate(name, small))
    options = ["--tile", "8", "--roi", tmp_path / "roi.png", "--quiet"]
    run(monkeypatch, "fit", good, "--out", tmp_path / "model", *options)
    model = skmmrr.load(tmp_path / "model")
    assert (model.tile, model.size) == (8, None)
    assert_array_equal(model.roi, region > 0)
    run(monkeypatch, "score", tmp_path / "model", good, "--quiet", "--overlays", tmp_path / "maps")
    with Image.open(tmp_path / "maps" / "00.png.png") as overlay:
        drawn = np.asarray(overlay)
    assert_array_equal(drawn[:, 10:], np.asarray(Image.open(good / "00.png"))[:, 10:])


def test_fit_and_score(monkeypatch, good, zoo, tmp_path, capsys):
    model = tmp_path / "model.safetensors"
    options = ["--detector", "kde", "--size", "12", "10", "--false-positive-rate", "0.2", "--quiet"]
    run(monkeypatch, "fit", good, "--out", model, *options)
    assert "Learned 30 pictures" in (said := capsys.readouterr().out)
    assert "calibrated on 10 others" in said
    run(monkeypatch, "score", model, zoo, "--quiet")
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 8
    scored = [row for row in rows if not row["error"]]
    assert all(0 < float(row["p_value"]) <= 1 for row in scored)
    grey = tmp_path / "grey.safetensors"
    run(monkeypatch, "fit", good, "--out", grey, "--detector", "kde", "--size", "8", "--grey")
    assert skmmrr.load(grey).detector_.image_shape_ == (8, 8, 1)


@pytest.mark.parametrize(
    ("name", "side"),
    [("mmrr-features", 256), ("mmrr-features-long", 256), ("dn2", 256), ("mmrr-8-nodes", 64)],
)
def test_detectors_of_features_see_larger_pictures(monkeypatch, good, tmp_path, name, side):
    built = []

    def fit(self, paths):
        built.append(self)
        raise ValueError("seen enough")

    monkeypatch.setattr(PictureDetector, "fit", fit)
    with pytest.raises(SystemExit):
        run(monkeypatch, "fit", good, "--out", tmp_path / "m", "--detector", name, "--quiet")
    assert [model.size for model in built] == [(side, side)]


def test_parts_whose_pose_counts_are_neither_rotated_nor_aligned(monkeypatch, good, tmp_path):
    options = ["--detector", "patch-1-nn", "--size", "32", "--quiet", "--fixed-pose"]
    run(monkeypatch, "fit", good, "--out", tmp_path / "m.safetensors", *options)
    extractor = skmmrr.load(tmp_path / "m.safetensors").detector_.extractor_
    assert extractor.rotate is False
    assert extractor.registration is None


def test_of_folders_a_kind_the_good_ones_are_learned(monkeypatch, good, tmp_path, capsys, rng):
    for place in ("set/cut", "set/left/ok", "set/left/good"):
        (tmp_path / place).mkdir(parents=True)
        picture(rng, defect=True).save(tmp_path / place / "0.png")
    good.rename(tmp_path / "set" / "good")
    paths, skipped = training_pictures(tmp_path / "set")
    assert (len(paths), skipped) == (41, [])
    assert {path.parent.name for path in paths} == {"good"}
    options = ["--detector", "kde", "--out", tmp_path / "m", "--quiet"]
    run(monkeypatch, "fit", tmp_path / "set", *options)
    assert f"Learning the pictures in {tmp_path / 'set' / 'good'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "model", "good", "--report", "r", "--normal", "goood"], "no kind 'goood'"),
        (
            ["fit", "good", "--out", "m", "--false-positive-rate", "0.01"],
            "needs at least 99 normal",
        ),
        (["fit", "good", "--out", "m", "--false-positive-rate", "7"], "must be a number in (0, 1)"),
        (["score", "model", "good", "--csv", "no/s.csv"], "no folder no to write to"),
        (["score", "model", "good", "--report", "good"], "good is a folder"),
        (["score", "model", "good", "--overlays", "maps"], "KDEDetector has no anomaly maps"),
        (["score", "model", "good", "--device", "cpu"], "--device does not apply to KDEDetector"),
        (["score", "maps_model", "good", "--device", "abacus"], "Got 'abacus'"),
        (
            ["score", "model", "good", "--csv", "good/00.png"],
            f"--csv: {Path('good/00.png')} exists and is not",
        ),
        (["score", "model", "good", "--csv", "model"], "--csv: model exists and is not"),
        pytest.param(
            ["score", "model", "good", "--csv", "pipe"],
            "--csv: pipe exists and is not",
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs"),
        ),
        (["score", "model", "good", "--csv", "m" * 250], f"cannot be written: {TOO_LONG}"),
        (["score", "model", "good", "--report", "good/00.png"], "not of the kind 'HTML page'"),
        (
            ["score", "model", "good", "--csv", "n", "--report", "./n"],
            "--csv and --report are both",
        ),
        (["score", "maps_model", "good", "--overlays", "model/a"], "model is not a folder"),
        (["fit", "good", "--out", "good/00.png"], "not of the kind 'model'"),
        (["fit", "good", "--out", "m" * 250], f"cannot be written: {TOO_LONG}"),
    ],
)
def test_what_cannot_be_done_is_told_before_the_work(
    monkeypatch, good, tmp_path, detector, maps, capsys, arguments, message
):
    detector.save(tmp_path / "model")
    maps.save(tmp_path / "maps_model")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    for function in ("inspect_for", "training_pictures", "LoadImages"):
        if not any("rate" in argument for argument in arguments):  # which needs their number
            monkeypatch.setattr(f"skmmrr.__main__.{function}", lambda *a, **k: pytest.fail("late"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *arguments, "--quiet")
    assert stopped.value.code == 1
    assert message in capsys.readouterr().err
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert {p: t for p, t in after.items() if p.is_file()} == {
        p: t for p, t in before.items() if p.is_file()
    }


@pytest.mark.parametrize("option", ["--csv", "--report", "--overlays", "--out"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    monkeypatch, good, tmp_path, maps, capsys, option
):
    """Whatever the reason: root may write to all folders, so that the file system refuses here."""
    maps.save(tmp_path / "model")

    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system")

    for name in ("NamedTemporaryFile", "TemporaryFile"):
        monkeypatch.setattr(tempfile, name, refuse)
    command = ["fit"] if option == "--out" else ["score", tmp_path / "model"]
    with pytest.raises(SystemExit):
        run(monkeypatch, *command, good, option, tmp_path / "out", "--quiet")
    assert f"{option}: {tmp_path / 'out'} cannot be written: Read-only" in capsys.readouterr().err


def test_a_missing_package_is_told_before_the_training(monkeypatch, good, tmp_path, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        run(monkeypatch, "fit", good, "--out", tmp_path / "model", "--quiet")
    assert "skmmrr[files]" in capsys.readouterr().err


def test_files_of_before_are_replaced(monkeypatch, good, tmp_path, detector):
    detector.save(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.csv").touch()
    for _ in range(2):
        run(monkeypatch, "score", "model", good, "--csv", "s.csv", "--report", "r.html", "--quiet")
        run(
            monkeypatch,
            "fit",
            good,
            "--out",
            "model",
            "--detector",
            "kde",
            "--size",
            "8",
            "--quiet",
        )
    assert len((tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()) == 1 + 40


def test_compare(monkeypatch, good, tmp_path, capsys, rng):
    bad = tmp_path / "all" / "bad"
    bad.mkdir(parents=True)
    for i in range(6):
        picture(rng, defect=True).save(bad / f"{i}.png")
    (good / "text.png").write_text("no picture")
    good.rename(tmp_path / "all" / "good")
    options = ["--normal", "good", "--size", "12", "--detectors", "KDE", "2-NN", "--quiet"]
    run(monkeypatch, "compare", tmp_path / "all", *options)
    table, told = capsys.readouterr()
    assert "text.png" in told
    assert "auroc" in table
    assert re.search(r"KDE +1\.0", table)


def test_compare_takes_the_folders_of_fit(monkeypatch, good, tmp_path, capsys, rng):
    """Good pictures alone, and MVTec AD's layout, whose masks are no pictures."""
    options = ["--size", "12", "--detectors", "kde", "2-nn", "--quiet"]
    run(monkeypatch, "compare", good, *options)
    assert "agreement" in capsys.readouterr().out
    for place in ("train", "test/cut", "ground_truth/cut"):
        (tmp_path / "set" / place).mkdir(parents=True)
    good.rename(tmp_path / "set" / "train" / "good")
    for i in range(6):
        picture(rng, defect=True).save(tmp_path / "set" / "test" / "cut" / f"{i}.png")
        picture(rng).save(tmp_path / "set" / "ground_truth" / "cut" / f"{i}_mask.png")
    run(monkeypatch, "compare", tmp_path / "set", *options)
    assert re.search(r"KDE +1\.0", capsys.readouterr().out)


def test_export(monkeypatch, maps, tmp_path, capsys):
    maps.save(tmp_path / "model")
    run(monkeypatch, "export", tmp_path / "model", "--out", tmp_path / "model.onnx")
    metadata = InferenceSession(tmp_path / "model.onnx").get_modelmeta().custom_metadata_map
    assert float(metadata["threshold"]) == -maps.offset_  # by pictures that were not learned
    check_output("--out", tmp_path / "model.onnx", "ONNX model")  # that one may be replaced
    with pytest.raises(SystemExit):
        run(monkeypatch, "export", tmp_path / "model", "--out", tmp_path / "model")
    assert "not of the kind 'ONNX model'" in capsys.readouterr().err


def test_a_model_of_a_region_is_not_exported(monkeypatch, maps, good, tmp_path, capsys):
    model = copy.deepcopy(maps).set_params(roi=np.eye(12))
    model.fill_ = np.zeros(3)
    model.calibrate(sorted(good.iterdir()))
    model.save(tmp_path / "model")
    with pytest.raises(SystemExit):
        run(monkeypatch, "export", tmp_path / "model", "--out", tmp_path / "model.onnx")
    assert "outside the region of interest" in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "nothing.safetensors", "."], "nothing.safetensors"),
        (["fit", "nowhere", "--out", "m"], "no folder nowhere"),
        (["fit", ".", "--out", "no/where/m"], "no folder no/where to write to"),
        (["fit", ".", "--out", "m", "--size", "0"], "--size takes one side"),
    ],
)
def test_wrong_uses_are_told_without_a_traceback(monkeypatch, tmp_path, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, *arguments)
    assert stopped.value.code == 1
    assert message in capsys.readouterr().err


def test_demo_writes_washers_that_fit_and_evaluate_read(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "parts"
    run(monkeypatch, "demo", folder)
    assert "110 pictures" in capsys.readouterr().out
    assert len(training_pictures(folder)[0]) == 60
    kinds = {path.parent.name for path in (folder / "test").rglob("*.png")}
    assert kinds == {"good", "scratch", "chip", "stain"}
    with pytest.raises(SystemExit, match="1"):
        run(monkeypatch, "demo", folder)
    assert "is not empty. Name a new folder." in capsys.readouterr().err
