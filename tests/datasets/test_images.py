"""Pictures of any kind, and MVTec AD's folders."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from skmmrr.datasets import load_image_folder, load_mvtec_ad

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(256, size=(12, 16, 3), dtype=np.uint8)


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


def test_a_folder_without_pictures_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} has no images"):
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
