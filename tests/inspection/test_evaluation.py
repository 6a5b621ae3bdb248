"""Figures of labelled folders: by kind, with masks where there are some."""

import csv
import sys

import numpy as np
import pytest
from PIL import Image

from skmmrr.__main__ import main
from skmmrr.baselines import KDEDetector
from skmmrr.inspection import PictureDetector, evaluate_folder
from skmmrr.metrics import aupro_score, pixel_roc_auc_score

from .brightness import Brightness

SPOT = np.s_[4:9, 10:16]


@pytest.fixture
def model(draw):
    paths = [draw(f"train/good/{i:02}.png") for i in range(20)]
    return PictureDetector(Brightness(), random_state=0).fit(paths)


@pytest.fixture
def labelled(draw, tmp_path):
    """MVTec AD's layout: what anybody sees, what nobody can, and the good, one of them spoiled."""
    for i in range(4):
        draw(f"test/good/{i}.png", defect=SPOT if i == 3 else None)
        draw(f"test/spot/{i}.png", defect=SPOT)
        draw(f"test/unseen/{i}.png")
        for kind in ("spot", "unseen"):
            mask = np.zeros((24, 20), np.uint8)
            mask[SPOT] = 255
            (tmp_path / "ground_truth" / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(tmp_path / "ground_truth" / kind / f"{i}_mask.png")
    return tmp_path


def by_kind(rows):
    return {row["kind"]: row for row in rows}


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["skmmrr", *map(str, arguments)])
    main()


def test_missed_and_false_are_counted_by_kind(model, labelled):
    rows = by_kind(evaluate_folder(model, labelled))
    assert list(rows) == ["spot", "unseen", "good", "all"]
    columns = ("pictures", "abnormal", "missed", "false_alarms")
    found = {kind: tuple(row[column] for column in columns) for kind, row in rows.items()}
    n_flagged = {
        kind: int((model.predict(sorted((labelled / "test" / kind).iterdir())) == -1).sum())
        for kind in ("good", "unseen")
    }
    assert found["spot"] == (4, 4, 0, "")
    assert found["unseen"] == (4, n_flagged["unseen"], 4 - n_flagged["unseen"], "")
    assert found["good"] == (4, n_flagged["good"], "", n_flagged["good"])
    assert found["all"] == (
        12,
        4 + sum(n_flagged.values()),
        4 - n_flagged["unseen"],
        n_flagged["good"],
    )
    assert rows["spot"]["image_auroc"] > 0.75 > rows["unseen"]["image_auroc"]


def test_maps_are_compared_with_masks(model, labelled):
    row = by_kind(evaluate_folder(model, labelled))["spot"]
    paths = sorted((labelled / "test" / "spot").iterdir())
    paths += sorted((labelled / "test" / "good").iterdir())
    maps = [np.abs(np.asarray(Image.open(p), float) - 100).mean(axis=2) for p in paths]
    masks = np.zeros((8, 24, 20))
    masks[:4, 4:9, 10:16] = 1
    assert row["pixel_auroc"] == pytest.approx(pixel_roc_auc_score(masks, maps))
    assert row["aupro"] == pytest.approx(aupro_score(masks, maps))


def test_a_folder_a_kind_needs_no_masks(model, labelled):
    (labelled / "test" / "good").rename(labelled / "test" / "Fine")
    with pytest.raises(ValueError, match="called good, normal or ok"):
        evaluate_folder(model, labelled / "test")
    rows = by_kind(evaluate_folder(model, labelled / "test", normal="Fine"))
    assert rows["all"]["pictures"] == 12
    assert rows["all"]["pixel_auroc"] == ""
    with pytest.raises(ValueError, match="no kind 'fine' of pictures, only"):
        evaluate_folder(model, labelled / "test", normal="fine")


def test_masks_beside_the_kinds_are_no_pictures(model, labelled):
    (labelled / "ground_truth").rename(labelled / "test" / "ground_truth")
    rows = by_kind(evaluate_folder(model, labelled / "test"))
    assert set(rows) == {"spot", "unseen", "good", "all"}
    assert rows["spot"]["pixel_auroc"] > 0.9


def test_a_mask_that_is_missing_is_told_before_the_work(model, labelled, monkeypatch):
    (labelled / "ground_truth" / "spot" / "2_mask.png").unlink()
    monkeypatch.setattr(Brightness, "_score_samples", lambda *a: pytest.fail("late"))
    with pytest.raises(FileNotFoundError, match="has no mask 2_mask"):
        evaluate_folder(model, labelled)


def test_a_mask_that_cannot_be_read_is_told_before_the_work(model, labelled, monkeypatch):
    (labelled / "ground_truth" / "spot" / "2_mask.png").write_bytes(b"no picture")
    monkeypatch.setattr(Brightness, "_score_samples", lambda *a: pytest.fail("late"))
    with pytest.raises(ValueError, match="2_mask"):
        evaluate_folder(model, labelled)


def test_several_folders_may_have_normal_pictures(model, draw, tmp_path):
    for line in ("left", "right"):
        for i in range(3):
            draw(f"lines/{line}/good/{i}.png")
            draw(f"lines/{line}/spot/{i}.png", defect=SPOT)
    rows = by_kind(evaluate_folder(model, tmp_path / "lines"))
    assert list(rows) == ["left/spot", "right/spot", "good", "all"]
    assert [rows[kind]["pictures"] for kind in rows] == [3, 3, 6, 12]
    rows = by_kind(evaluate_folder(model, tmp_path / "lines", normal="left/good"))
    assert list(rows) == ["left/spot", "right/good", "right/spot", "left/good", "all"]


def test_masks_lie_as_deep_as_their_pictures(model, draw, tmp_path):
    for line in ("left", "right"):  # their pictures have the same names, and other defects
        draw(f"lines/{line}/good/0.png")
        spot = SPOT if line == "left" else tuple(slice(s.start + 6, s.stop + 6) for s in SPOT)
        draw(f"lines/{line}/spot/0.png", defect=spot)
        mask = np.zeros((24, 20), np.uint8)
        mask[spot] = 255
        (tmp_path / "lines" / "ground_truth" / line / "spot").mkdir(parents=True)
        Image.fromarray(mask).save(
            tmp_path / "lines" / "ground_truth" / line / "spot" / "0_mask.png"
        )
    rows = by_kind(evaluate_folder(model, tmp_path / "lines"))
    assert rows["left/spot"]["pixel_auroc"] > 0.9
    assert rows["right/spot"]["pixel_auroc"] > 0.9


def test_pictures_in_no_subfolder_are_left_out(model, labelled, draw):
    rows = evaluate_folder(model, labelled)
    draw("test/0.png", defect=SPOT)
    assert evaluate_folder(model, labelled) == rows


def test_a_kind_may_be_called_all(model, labelled):
    expected = by_kind(evaluate_folder(model, labelled / "test"))["spot"]
    (labelled / "test" / "spot").rename(labelled / "test" / "all")
    row, *_ = evaluate_folder(model, labelled / "test")
    assert row == {**expected, "kind": "all"}


def test_one_kind_alone_is_refused(model, labelled):
    with pytest.raises(ValueError, match="pictures of one kind"):
        evaluate_folder(model, labelled / "train")


def test_the_command_prints_a_table_and_writes_it(draw, labelled, monkeypatch, tmp_path, capsys):
    paths = [draw(f"train/good/{i:02}.png") for i in range(20)]
    kde = PictureDetector(KDEDetector(), size=(24, 20), random_state=0).fit(paths)
    kde.save(tmp_path / "model")
    (labelled / "test" / "spot").rename(labelled / "test" / "=spot")
    (labelled / "ground_truth" / "spot").rename(labelled / "ground_truth" / "=spot")
    options = ["--csv", tmp_path / "table.csv", "--report", tmp_path / "page.html", "--quiet"]
    for _ in range(2):  # the second time over the files of the first
        run(monkeypatch, "evaluate", tmp_path / "model", labelled, *options)
    printed, told = capsys.readouterr()
    assert "KDEDetector has no anomaly maps. The masks are not used." in told
    header = printed.splitlines()[0]
    assert "missed" in header
    assert "pixel auroc" not in header  # in which nothing would be
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = by_kind(csv.DictReader(file))
    assert rows["'=spot"]["missed"] == "0"
    assert rows["all"]["pictures"] == "12"
    assert 'data-truth="abnormal"' in (tmp_path / "page.html").read_text(encoding="utf-8")
