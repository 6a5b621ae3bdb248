"""Where a picture is abnormal: boxes, and the map over the picture."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, PngImagePlugin
from scipy import ndimage

from skmmrr.plot._pyplot import pyplot

_SHARE = 0.5  # of the highest value of a map: what is above belongs to a region
_RED = (230, 30, 30)
_MARK = ("Software", "skmmrr overlay")  # in the PNG, so it stays with the file wherever that goes


def abnormal_boxes(
    anomaly_map: NDArray[np.float64], size: tuple[int, int] | None = None, most: int = 5
) -> list[tuple[int, int, int, int]]:
    """Boxes around the regions of a map that reach half of its highest value.

    Parameters
    ----------
    anomaly_map : ndarray of shape (height, width)
    size : tuple (height, width), default=None
        Of the picture that the boxes are for, if it is not the map's.
    most : int, default=5
        Boxes at most, those of the highest sums.

    Returns
    -------
    boxes : list of tuple (left, top, right, bottom)
        In pixels, right and bottom excluded. They say where a picture is abnormal if it is, not
        whether.

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr.inspection import abnormal_boxes
    >>> anomaly_map = np.zeros((8, 8))
    >>> anomaly_map[2:4, 1:6] = 1
    >>> abnormal_boxes(anomaly_map, size=(80, 80))
    [(10, 20, 60, 40)]
    """
    if not anomaly_map.max() > 0:
        return []
    height, width = anomaly_map.shape
    labels, n_regions = ndimage.label(anomaly_map >= _SHARE * anomaly_map.max(), np.ones((3, 3)))
    sums = ndimage.sum_labels(anomaly_map, labels, np.arange(1, n_regions + 1))
    down, right = (size[0] / height, size[1] / width) if size else (1.0, 1.0)
    slices = ndimage.find_objects(labels)
    chosen = [slices[i] for i in np.argsort(-sums, kind="stable")[:most]]
    return [
        (
            int(x.start * right),
            int(y.start * down),
            int(np.ceil(x.stop * right)),
            int(np.ceil(y.stop * down)),
        )
        for y, x in chosen
    ]


def draw_overlay(
    picture: Image.Image,
    anomaly_map: NDArray[np.float64],
    scale: float,
    boxes: list[tuple[int, int, int, int]] | None = None,
) -> Image.Image:
    """Lay a map over its picture, the more opaque the more abnormal, with boxes.

    Parameters
    ----------
    picture : PIL.Image.Image
    anomaly_map : ndarray of shape (height, width)
        Resized to the picture.
    scale : float
        The value of the map that is drawn brightest; one for all pictures makes them comparable.
    boxes : list of tuple (left, top, right, bottom), default=None
        In the picture's pixels.

    Returns
    -------
    overlay : PIL.Image.Image
        In colour, of the picture's size.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    plt = pyplot("draw_overlay")
    share: Any = np.clip(anomaly_map / max(scale, np.finfo(float).tiny), 0, 1)
    heat = Image.fromarray((share * 255).astype(np.uint8)).resize(
        picture.size, Image.Resampling.BILINEAR
    )
    colours = Image.fromarray((plt.get_cmap("inferno")(np.asarray(heat)) * 255).astype(np.uint8))
    opacity = Image.fromarray((np.sqrt(np.asarray(heat) / 255) * 200).astype(np.uint8))
    overlay = Image.composite(colours.convert("RGB"), picture.convert("RGB"), opacity)
    pen, width = ImageDraw.Draw(overlay), max(1, round(min(picture.size) / 128))
    for left, top, right, bottom in boxes or ():
        pen.rectangle((left, top, right - 1, bottom - 1), outline=_RED, width=width)
    return overlay


def save_overlay(overlay: Image.Image, path: Path) -> None:
    """Write an overlay as PNG, marked as one; in place of nothing but another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not is_overlay(path):
        raise FileExistsError(errno.EEXIST, "A file of that name is not an overlay", str(path))
    info = PngImagePlugin.PngInfo()
    info.add_text(*_MARK)
    overlay.save(path, format="PNG", pnginfo=info)


def is_overlay(path: Path) -> bool:
    """Whether a file was written by :func:`save_overlay`."""
    if not path.is_file():
        return False
    try:
        with Image.open(path, formats=["PNG"]) as opened:
            return bool(opened.info.get(_MARK[0]) == _MARK[1])
    except Exception:  # of another format, or whatever a damaged file makes the decoder raise
        return False
