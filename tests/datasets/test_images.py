"""Pictures of any kind, and MVTec AD's folders."""

import os
import re
import shutil
import struct

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import EpsImagePlugin, Image

from skmmrr.datasets import load_image_folder, load_mvtec_ad

PICTURE = np.random.default_rng(0).integers(256, size=(12, 16, 3), dtype=np.uint8)


def save(path, array=PICTURE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


# Any folder


def test_folders_are_classes_and_other_files_are_passed_over(tmp_path):
    save(tmp_path / "top.png")
    save(tmp_path / "b" / "1.bmp", PICTURE[::-1])
    save(tmp_path / "a" / "2.PNG")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "manual.pdf").write_text("nor this")
    pictures = load_image_folder(tmp_path)
    assert pictures.target_names == [".", "a", "b"]
    assert [p.name for p in pictures.paths] == ["2.PNG", "1.bmp", "top.png"]
    assert pictures.target.tolist() == [1, 2, 0]
    assert_array_equal(pictures.images[1], PICTURE[::-1])
    assert_array_equal(pictures.data[0], PICTURE.ravel())


def test_every_mode_becomes_the_one_that_is_asked_for(tmp_path):
    grey = PICTURE[..., 0]
    save(tmp_path / "grey.png", grey)
    Image.fromarray(PICTURE).convert("CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(PICTURE).convert("P").save(tmp_path / "palette.png", transparency=0)
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "sixteen.tif")
    Image.fromarray(grey > 128).save(tmp_path / "binary.png")
    colour, in_grey = load_image_folder(tmp_path), load_image_folder(tmp_path, mode="grey")
    assert colour.images.shape == (5, 12, 16, 3)
    assert in_grey.images.shape == (5, 12, 16)
    names = [path.stem for path in colour.paths]
    for name in ("grey", "sixteen"):
        assert_array_equal(in_grey.images[names.index(name)], grey)
        assert_array_equal(colour.images[names.index(name)][..., 2], grey)


def test_a_rotation_in_the_exif_data_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    save(tmp_path / "turned.png", exif=exif)
    assert_array_equal(load_image_folder(tmp_path).images[0], np.rot90(PICTURE, -1))


def test_images_are_resized(tmp_path):
    save(tmp_path / "a.png", np.full((40, 20, 3), 90, np.uint8))
    save(tmp_path / "b.png")
    assert load_image_folder(tmp_path, size=(6, 8)).images.shape == (2, 6, 8, 3)
    assert_allclose(load_image_folder(tmp_path, size=(6, 8)).images[0], 90)
    with pytest.raises(ValueError, match=r"b.png has .* \(12, 16\), others have \(40, 20\)"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_damaged_picture_is_named(tmp_path, content):
    path = save(tmp_path / "half.png")
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    with pytest.raises(ValueError, match=r"half.png is damaged"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("name", ["a.bmp", "a.gif", "a.jpg", "a.png", "a.tif", "a.webp", "a.avif"])
def test_whatever_a_decoder_raises_names_the_file(tmp_path, monkeypatch, name):
    """Bytes are changed here and there, mostly in the header."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    rng = np.random.default_rng(0)
    path = save(tmp_path / name)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    messages = []
    for _ in range(100):
        damaged = content.copy()
        places = (len(damaged) * rng.random(4) ** 3).astype(int)
        damaged[places] = rng.integers(256, size=4)
        path.write_bytes(damaged.tobytes())
        try:
            load_image_folder(tmp_path)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 10
    assert all(name in message for message in messages)


@pytest.mark.parametrize("limit", [50, 150])  # Pillow raises above twice its limit, else warns
def test_a_picture_over_pillows_limit_is_named(tmp_path, monkeypatch, limit):
    save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(
        ValueError, match=r"huge.png is not read: Image size \(192 pixels\) exceeds"
    ):
        load_image_folder(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 192)
    assert len(load_image_folder(tmp_path).images) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs")
def test_what_is_not_a_regular_file_is_not_opened(tmp_path):
    (tmp_path / "pictures").mkdir()
    link = tmp_path / "pictures" / "link.png"
    link.symlink_to(save(tmp_path / "file.png"))
    assert load_image_folder(link.parent).paths == [link]
    os.mkfifo(tmp_path / "pictures" / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe.png is not a regular file"):
        load_image_folder(link.parent)  # which would wait for ever
    (tmp_path / "folder.png").mkdir()
    save(tmp_path / "folder.png" / "a.png")
    names = {path.name for path in load_image_folder(tmp_path / "folder.png").paths}
    assert names == {"a.png"}


def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: started.append(a))
    save(tmp_path / "drawing.eps")
    with pytest.raises(FileNotFoundError, match="no images of a format that is read: PNG, JPEG"):
        load_image_folder(tmp_path)
    (tmp_path / "drawing.eps").rename(tmp_path / "drawing.png")
    with pytest.raises(ValueError, match=r"drawing.png is damaged or of another format"):
        load_image_folder(tmp_path)
    assert not started


# Modes of more than 8 bits

GREY = PICTURE[..., 0]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm", "a.jp2"])
def test_sixteen_bits_are_brought_to_eight(tmp_path, name):
    save(tmp_path / name, GREY.astype(np.uint16) * 257)
    assert_array_equal(load_image_folder(tmp_path, mode="grey").images[0], GREY)


@pytest.mark.parametrize("name", ["a.tif", "a.pfm"])
def test_floats_between_0_and_1_are_brought_to_eight_bits(tmp_path, name):
    save(tmp_path / name, GREY.astype(np.float32) / 255)
    assert_array_equal(load_image_folder(tmp_path, mode="grey").images[0], GREY)


def test_a_tiff_of_twelve_bits_tells_its_white(tmp_path):
    entries = [(256, 4, 2), (257, 4, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 200)]
    entries += [(277, 3, 1), (278, 4, 1), (279, 4, 3)]
    header = b"II*\0" + struct.pack("<IH", 8, len(entries))
    tags = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    pixels = bytes([0xFF, 0xF8, 0x00])  # 4095 and 2048
    (tmp_path / "a.tif").write_bytes((header + tags).ljust(200, b"\0") + pixels)
    assert load_image_folder(tmp_path, mode="grey").images.tolist() == [[[255, 127]]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GREY.astype(np.int32) * 2**20, r"a.tif has pixels of Pillow's mode 'I' from \d+ to \d+"),
        (GREY.astype(np.float32), r"'F' from \d\.0 to 25\d\.0, .* as floats in \[0, 1\]"),
        (np.array([[0, 1.0001]], np.float32), r"'F' from 0\.0 to 1\.0001"),
        (np.array([[0, np.nan]], np.float32), r"'F' from nan to nan"),
    ],
)
def test_a_range_that_is_not_known_is_refused(tmp_path, array, message):
    save(tmp_path / "a.tif", array)
    with pytest.raises(ValueError, match=message):
        load_image_folder(tmp_path)


def test_a_mode_that_pillow_does_not_convert_is_named(tmp_path):
    Image.new("LAB", (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a.tif has pixels of Pillow's mode 'LAB'"):
        load_image_folder(tmp_path, mode="grey")


# Folders


def test_a_folder_without_pictures_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=f"{re.escape(str(tmp_path))} has no images"):
        load_image_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_image_folder(tmp_path / "missing")


def test_an_empty_class_is_named(tmp_path):
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    save(tmp_path / "good" / "0.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(FileNotFoundError, match="bad is empty"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mode": "hsv"}, "'mode'"), ({"size": (0, 5)}, "'size'"), ({"size": 8}, "height")],
)
def test_bad_options(tmp_path, options, message):
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        load_image_folder(tmp_path, **options)


# MVTec AD


@pytest.fixture
def bottle(tmp_path):
    root = tmp_path / "mvtec_ad" / "bottle"
    for name in ("000", "001"):
        save(root / "train" / "good" / f"{name}.png")
    save(root / "test" / "good" / "000.png")
    save(root / "test" / "broken" / "000.png")
    save(root / "test" / "broken" / "001.jpg")
    mask = np.zeros((12, 16), np.uint8)
    mask[3:6, 4:9] = 255
    save(root / "ground_truth" / "broken" / "000_mask.png", mask)
    save(root / "ground_truth" / "broken" / "001_mask.png", mask[::-1])
    return root


def test_images_masks_and_kinds(bottle):
    test = load_mvtec_ad("bottle", "test", size=(12, 16), data_home=bottle.parents[1])
    assert test.names == ["broken", "broken", "good"]
    assert test.target.tolist() == [-1, -1, 1]
    assert_array_equal(test.images[0], PICTURE)
    assert test.masks[0].sum() == 15
    assert test.masks[0, 3:6, 4:9].all()
    assert_array_equal(test.masks[1], test.masks[0, ::-1])
    assert not test.masks[2].any()
    train = load_mvtec_ad("bottle", data_home=bottle.parent)
    assert train.images.shape == (2, 256, 256, 3)
    assert (train.target == 1).all()
    assert not train.masks.any()


def test_small_defects_survive_resizing(bottle):
    test = load_mvtec_ad("bottle", "test", size=(2, 2), data_home=bottle.parent)
    assert test.masks[:2].any(axis=(1, 2)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_single_pixel_of_any_value_survives_a_strong_reduction(bottle, dtype):
    mask = np.zeros((500, 400), dtype)
    mask[499, 0] = 1
    save(bottle / "ground_truth" / "broken" / "000_mask.png", mask)
    test = load_mvtec_ad("bottle", "test", size=(5, 4), data_home=bottle.parent)
    assert np.argwhere(test.masks[0]).tolist() == [[4, 0]]


def test_masks_are_enlarged_without_holes(bottle):
    test = load_mvtec_ad("bottle", "test", size=(120, 160), data_home=bottle.parent)
    assert test.masks[0].sum() == 1500


def test_what_is_missing_or_too_much_is_named(bottle):
    home = bottle.parent
    mask = bottle / "ground_truth" / "broken" / "001_mask.png"
    content = mask.read_bytes()
    mask.unlink()
    with pytest.raises(FileNotFoundError, match=r"001.jpg has no mask"):
        load_mvtec_ad("bottle", "test", data_home=home)
    mask.write_bytes(content)
    mask.with_name("007_mask.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"007_mask.png has no image"):
        load_mvtec_ad("bottle", "test", data_home=home)
    (bottle / "test" / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty has no images"):
        load_mvtec_ad("bottle", "test", data_home=home)
    with pytest.raises(FileNotFoundError, match=r"no category 'cable'.*\n.*cable"):
        load_mvtec_ad("cable", data_home=home)
    with pytest.raises(ValueError, match="'subset'"):
        load_mvtec_ad("bottle", "all", data_home=home)


def test_a_category_without_masks_has_none(bottle):
    shutil.rmtree(bottle / "ground_truth")
    assert load_mvtec_ad("bottle", "test", data_home=bottle.parent).masks is None
