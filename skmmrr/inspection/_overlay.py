"""Where a picture is abnormal: boxes, and the map over the picture."""

import errno
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, PngImagePlugin
from scipy import ndimage

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom excluded

_RED = (230, 30, 30)
_MARK = ("Software", "skmmrr overlay")  # in the PNG, so it stays with the file wherever that goes
# From the lowest unusual value to the highest drawn: red, green, blue, and opacity.
_COLOURS = np.array(
    [
        (120, 28, 109, 0),
        (165, 44, 96, 120),
        (229, 92, 48, 170),
        (252, 165, 10, 190),
        (252, 255, 164, 210),
    ]
)
_ALONG = np.linspace(0, len(_COLOURS) - 1, 1024)
_SHADES = np.stack(
    [np.interp(_ALONG, range(len(_COLOURS)), channel) for channel in _COLOURS.T], axis=-1
).astype(np.uint8)
_SATURATION = 2.0  # times the highest usual value


def abnormal_boxes(
    anomaly_map: NDArray[np.floating], thresholds: tuple[float, float], most: int = 5
) -> list[Box]:
    """Boxes around the regions of a map that are above what normal pictures have.

    Parameters
    ----------
    anomaly_map : ndarray of shape (height, width)
    thresholds : tuple (low, high) of float
        A region is all that touches, be it at a corner, and is above `low`; it counts if it exceeds
        `high` somewhere: hysteresis, as in Canny's edges. ``map_thresholds_`` of
        :class:`PictureDetector` has both.
    most : int, default=5
        Boxes at most, those of the highest sums.

    Returns
    -------
    boxes : list of tuple (left, top, right, bottom)
        In pixels of the map, right and bottom excluded.

    Examples
    --------
    >>> import numpy as np
    >>> from skmmrr.inspection import abnormal_boxes
    >>> anomaly_map = np.zeros((8, 8))
    >>> anomaly_map[2:4, 1:6] = 1
    >>> anomaly_map[3, 3] = 5
    >>> anomaly_map[7, 7] = 1
    >>> abnormal_boxes(anomaly_map, thresholds=(0.5, 2))
    [(1, 2, 6, 4)]
    """
    low, high = thresholds
    above = anomaly_map > low
    labels, n_regions = ndimage.label(above, np.ones((3, 3)))
    if not n_regions:
        return []
    regions, values, region_of = np.arange(1, n_regions + 1), anomaly_map[above], labels[above]
    peaks = ndimage.maximum(values, region_of, regions)
    sums = ndimage.sum_labels(values, region_of, regions)
    slices = ndimage.find_objects(labels)
    ranked = [i for i in np.argsort(-sums, kind="stable") if peaks[i] > high]
    found = [slices[i] for i in ranked[:most]]
    return [(int(x.start), int(y.start), int(x.stop), int(y.stop)) for y, x in found]


def scale_boxes(boxes: Sequence[Box], shape: tuple[int, ...], size: tuple[int, ...]) -> list[Box]:
    """Boxes in a map of a shape (height, width), as those in a picture of another size."""
    down, right = size[0] / shape[0], size[1] / shape[1]
    return [
        (int(x0 * right), int(y0 * down), int(np.ceil(x1 * right)), int(np.ceil(y1 * down)))
        for x0, y0, x1, y1 in boxes
    ]


def heat(anomaly_map: NDArray[np.floating], thresholds: tuple[float, float]) -> Image.Image:
    """A map in colours, transparent where normal pictures have such values.

    Parameters
    ----------
    anomaly_map : ndarray of shape (height, width)
    thresholds : tuple (low, high) of float
        As in :func:`abnormal_boxes`: transparent up to `low`, brightest from twice `high` on,
        whatever the pictures at hand have.

    Returns
    -------
    heat : PIL.Image.Image
        With opacity, of the map's size.
    """
    low, high = thresholds
    span = max(_SATURATION * high - low, np.finfo(float).tiny)
    share = np.clip((anomaly_map - low) / span, 0, 1)
    return Image.fromarray(_SHADES[(share * (len(_SHADES) - 1)).round().astype(np.intp)])


def draw_overlay(
    picture: Image.Image,
    anomaly_map: NDArray[np.floating],
    thresholds: tuple[float, float],
    boxes: Sequence[Box] = (),
) -> Image.Image:
    """Lay a map over its picture, the more opaque the more abnormal, with boxes.

    Parameters
    ----------
    picture : PIL.Image.Image
    anomaly_map : ndarray of shape (height, width)
        Resized to the picture.
    thresholds : tuple (low, high) of float
        Transparent up to `low`, brightest from twice `high` on.
    boxes : sequence of tuple (left, top, right, bottom), default=()
        In the picture's pixels.

    Returns
    -------
    overlay : PIL.Image.Image
        In colour, of the picture's size.
    """
    layer = heat(anomaly_map, thresholds).resize(picture.size, Image.Resampling.BILINEAR)
    overlay = Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
    pen, width = ImageDraw.Draw(overlay), max(1, round(min(picture.size) / 128))
    for left, top, right, bottom in boxes:
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
