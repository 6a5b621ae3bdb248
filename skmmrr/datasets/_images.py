"""Folders of images: any, and MVTec AD's."""

import os
import stat
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.utils import Bunch

from skmmrr.core.validation import check_integer, check_option, check_path, shown
from skmmrr.datasets._home import corrupt, get_data_home

PathLike = str | os.PathLike[str]

_MODES = {"color": "RGB", "grey": "L"}
_MVTEC_SIDE = 256
# Those of pictures that Pillow decodes itself; for others, such as EPS, it starts programs.
_FORMATS = (
    *("PNG", "JPEG", "MPO", "TIFF", "BMP", "DIB", "GIF", "WEBP", "AVIF", "JPEG2000", "PPM"),
    *("ICO", "PCX", "PSD", "QOI", "SGI", "TGA"),
)
_BITS_PER_SAMPLE = 258  # a tag of TIFF


def check_size_and_mode(size: Any, mode: Any, owner: str) -> None:
    """Check what images are brought to."""
    check_option("mode", mode, owner, tuple(_MODES))
    check_size(size, owner)


def check_size(size: Any, owner: str) -> None:
    """Check for None or (height, width)."""
    if size is None:
        return
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise ValueError(
            f"The parameter 'size' of {owner} must be (height, width) or None. Got {shown(size)}."
        )
    for side in size:
        check_integer("size", side, owner, minimum=1)


def read_image(path: PathLike, size: tuple[int, int] | None, mode: str) -> NDArray[np.uint8]:
    """Read a picture of any size and mode, of a format that Pillow decodes itself.

    Parameters
    ----------
    path : path-like
        Regular file. A rotation in its EXIF data is applied; of several frames the first is taken;
        transparency is dropped; integers of 16 bits and floats in [0, 1] are brought to 8 bits.
    size : tuple (height, width) or None
        To which it is resized, filtered against aliasing; None keeps its own.
    mode : {"color", "grey"}

    Returns
    -------
    image : ndarray of uint8 of shape (height, width, 3) or (height, width)

    Raises
    ------
    ValueError
        If the file is not a picture, damaged, of more pixels than Pillow allows, or of values whose
        range is not known; its name is in the message.
    OSError
        If there is no such file, or it may not be read.
    """
    path = Path(path)
    image, white = _open(path)
    image = _eight_bits(image, white, path)
    if image.mode in ("P", "PA"):  # Pillow warns of palettes with transparency
        image = image.convert("RGBA")
    try:
        image = image.convert(_MODES[mode])
    except ValueError as error:  # of LAB
        raise ValueError(
            f"{path} has pixels of Pillow's mode {image.mode!r}, which it does not convert to "
            f"{_MODES[mode]!r}. Save the picture as RGB or grey."
        ) from error
    if size is not None:
        image = _resized(image, size)
    return np.asarray(image)


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image in (height, width), filtered against aliasing where it becomes smaller."""
    return np.asarray(_resized(Image.fromarray(image), size))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size[::-1], Image.Resampling.BILINEAR)


def _open(path: Path) -> tuple[Image.Image, int | None]:
    """The picture in a regular file, upright, and what white is in integers of more than 8 bits."""
    if not stat.S_ISREG(path.stat().st_mode):  # to open a FIFO would wait for its writer
        raise ValueError(
            f"{path} is not a regular file (it is a folder, FIFO, socket or device) and is not "
            "read. Put a picture in its place, or leave it out."
        )
    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=formats) as opened:
                return ImageOps.exif_transpose(opened), _white(opened)
    except (FileNotFoundError, PermissionError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{path} is not read: {error} Save the picture smaller, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS for pictures that you trust."
        ) from error
    except Exception as error:  # of a decoder: a damaged file can make it raise anything
        raise corrupt(path, str(error) or type(error).__name__) from error


def _white(opened: Image.Image) -> int | None:
    """The value of white in integers of more than 8 bits; None where the file does not tell it."""
    if opened.mode.startswith("I;16"):
        (bits,) = getattr(opened, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))  # or 12
        return 2**bits - 1
    return 65535 if opened.mode == "I" and opened.format in ("PNG", "PPM") else None


def _eight_bits(image: Image.Image, white: int | None, path: Path) -> Image.Image:
    """Wider integers, and floats in [0, 1], to 8 bits: Pillow's own conversion would clip them."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode == "F" and low >= 0 and high <= 1:
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))
    if white is None:
        raise ValueError(
            f"{path} has pixels of Pillow's mode {image.mode!r} from {low} to {high}, and does not "
            "say which values are black and white. Save the picture with 8 or 16 bits a channel, "
            "or as floats in [0, 1]."
        )
    return Image.fromarray((values.astype(np.int64) * 255 // white).astype(np.uint8))


def load_image_folder(
    folder: PathLike, *, size: tuple[int, int] | None = None, mode: str = "color"
) -> Bunch:
    """Read a folder of images, and the folders in it as classes.

    Parameters
    ----------
    folder : path-like
        Files that are not pictures by their extension are skipped.
    size : tuple (height, width), default=None
        To which images are resized. None wants them all of one size.
    mode : {"color", "grey"}, default="color"
        "color" gives three channels, "grey" no channel axis.

    Returns
    -------
    pictures : Bunch
        - ``images``: ndarray of uint8 of shape (n_samples, height, width[, 3]);
        - ``data``: the same as (n_samples, n_features);
        - ``target``: ndarray of int64 of shape (n_samples,), index of the image's folder;
        - ``target_names``: list of str, the folders, "." for the first one;
        - ``paths``: list of Path.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, no image in it, or a folder in it is empty.
    ValueError
        If a file cannot be read as a picture, or images differ in size and none is asked for.

    Examples
    --------
    >>> from skmmrr.datasets import load_image_folder
    >>> load_image_folder("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There is no folder nowhere...
    """
    folder = check_path("folder", folder, "load_image_folder")
    paths = pictures_in(folder, "**/*")
    empty = sorted(p for p in folder.glob("**/") if not any(p.iterdir()))
    if empty:
        raise FileNotFoundError(f"The folder {empty[0]} is empty. Put images there, or remove it.")
    images = _read_all(paths, size, mode)
    names = [path.parent.relative_to(folder).as_posix() for path in paths]
    target_names, target = np.unique(names, return_inverse=True)
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=target.astype(np.int64),
        target_names=target_names.tolist(),
        paths=paths,
        DESCR=f"{len(images)} pictures of {folder}.",
    )


def load_mvtec_ad(
    category: str,
    subset: str = "train",
    *,
    size: tuple[int, int] = (_MVTEC_SIDE, _MVTEC_SIDE),
    mode: str = "color",
    data_home: PathLike | None = None,
) -> Bunch:
    """Read a category of MVTec AD, or of a set of its layout, which must be on disk.

    Parameters
    ----------
    category : str
        Such as "bottle".
    subset : {"train", "test"}, default="train"
        Normal images alone, or normal ones and anomalies of several kinds.
    size : tuple (height, width), default=(256, 256)
        To which images and masks are resized.
    mode : {"color", "grey"}, default="color"
        "color" gives three channels, "grey" no channel axis.
    data_home : path-like, default=None
        Folder with a folder ``mvtec_ad`` of categories, or with the categories; see
        :func:`get_data_home`.

    Returns
    -------
    mvtec : Bunch
        - ``images``: ndarray of uint8 of shape (n_samples, height, width[, 3]);
        - ``data``: the same as (n_samples, n_features);
        - ``target``: ndarray of int64 of shape (n_samples,), +1 for normal, -1 for anomalies;
        - ``masks``: ndarray of bool of shape (n_samples, height, width), True where abnormal; None
          where the category has no folder ``ground_truth``;
        - ``names``: list of str, the kind of each image, "good" for normal ones;
        - ``paths``: list of Path; ``DESCR``.

    Raises
    ------
    FileNotFoundError
        If the category, a folder's images or the mask of an anomaly are not there.
    ValueError
        If a file is damaged, or there is a mask without an image.

    Examples
    --------
    >>> from skmmrr.datasets import load_mvtec_ad
    >>> load_mvtec_ad("bottle", data_home="nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There is no category 'bottle' of MVTec AD. Looked for:...
    """
    check_path("category", category, "load_mvtec_ad")
    check_option("subset", subset, "load_mvtec_ad", ("train", "test"))
    home = get_data_home(data_home)
    candidates = [home / "mvtec_ad" / category, home / category]
    root = next((path for path in candidates if (path / subset).is_dir()), None)
    if root is None:
        looked = "\n  ".join(str(path / subset) for path in candidates)
        raise FileNotFoundError(
            f"There is no category {category!r} of MVTec AD. Looked for:\n  {looked}\nName the "
            "folder that has it by data_home or by the environment variable SKMMRR_DATA."
        )
    kinds = sorted(path for path in (root / subset).iterdir() if path.is_dir())
    paths = [path for kind in kinds for path in pictures_in(kind, "*")]
    images, names = _read_all(paths, size, mode), [path.parent.name for path in paths]
    truth = root / "ground_truth"
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=np.where(np.array(names) == "good", 1, -1),
        masks=_read_masks(truth, paths, images.shape[1:3]) if truth.is_dir() else None,
        names=names,
        paths=paths,
        DESCR=f"MVTec AD, {category} (Bergmann et al., 2019), resized.",
    )


def _read_masks(folder: Path, paths: Sequence[Path], size: tuple[int, int]) -> NDArray[np.bool]:
    """Masks of the anomalies, all False for good images; every mask must have its image."""
    abnormal = [path for path in paths if path.parent.name != "good"]
    found = find_masks(folder, abnormal, folder.parent / "test")
    unused = {
        p for kind in {p.parent.name for p in found} for p in pictures_in(folder / kind, "*")
    }.difference(found.values())
    if unused:
        raise ValueError(f"The mask {min(unused)} has no image. Fetch it again, or remove it.")
    masks = np.zeros((len(paths), *size), dtype=bool)
    for i, path in enumerate(paths):
        if path in found:
            masks[i] = read_mask(found[path], size)
    return masks


def find_masks(folder: Path, abnormal: Sequence[Path], root: Path) -> dict[Path, Path]:
    """The mask of each abnormal image, in a folder with the same subfolders as the images' root."""
    places = {path: folder / path.parent.relative_to(root) for path in abnormal}
    masks = {(p.parent, p.stem): p for k in {*places.values()} for p in pictures_in(k, "*")}
    found = {}
    for path, place in places.items():
        mask = masks.get((place, f"{path.stem}_mask"), masks.get((place, path.stem)))
        if mask is None:
            raise FileNotFoundError(
                f"The abnormal image {path} has no mask {path.stem}_mask, of any image format, in "
                f"{place}. Fetch it again, or remove the image."
            )
        found[path] = mask
    return found


def read_mask(path: Path, size: tuple[int, int]) -> NDArray[np.bool]:
    """A mask at a size, in which small defects do not vanish."""
    image, _ = _open(path)
    if image.mode not in ("1", "L", "F") and not image.mode.startswith("I"):
        image = image.convert("RGB")
    mask = np.asarray(image) != 0
    return resize_mask(mask.any(axis=2) if mask.ndim == 3 else mask, size)


def resize_mask(mask: NDArray[np.bool], size: tuple[int, ...]) -> NDArray[np.bool]:
    """A mask at another size, true wherever any part of a pixel is."""
    scales = list(zip(mask.shape, size, strict=True))
    resized = mask[np.ix_(*(np.arange(new) * old // new for old, new in scales))]
    places = zip(np.nonzero(mask), scales, strict=True)
    resized[tuple(place * new // old for place, (old, new) in places)] = True
    return resized


def pictures_in(folder: Path, pattern: str) -> list[Path]:
    """Files that are pictures by their extension, in order; an error if there are none."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}, or it is not a folder.")
    extensions = Image.registered_extensions()
    named = (p for p in folder.glob(pattern) if extensions.get(p.suffix.lower()) in _FORMATS)
    paths = sorted(path for path in named if not path.is_dir())
    if not paths:
        raise FileNotFoundError(
            f"The folder {folder} has no images of a format that is read: {', '.join(_FORMATS)}."
        )
    return paths


def _read_all(paths: Iterable[Path], size: tuple[int, int] | None, mode: str) -> NDArray[np.uint8]:
    check_size_and_mode(size, mode, "skmmrr.datasets")
    images: list[NDArray[np.uint8]] = []
    for path in paths:
        images.append(read_image(path, size, mode))
        if images[-1].shape != images[0].shape:
            raise ValueError(
                f"{path} has (height, width) = {images[-1].shape[:2]}, others have "
                f"{images[0].shape[:2]}. Name the size to which all are resized."
            )
    return np.stack(images)
