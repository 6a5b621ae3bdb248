"""Rendered photographs of washers, good and defective: data for examples, without a download."""

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sklearn.utils import Bunch

from skmmrr.core.seeds import draw_seed, numpy_generator
from skmmrr.core.validation import check_integer

_Field: TypeAlias = NDArray[np.float64]  # a value for each pixel

DEFECTS = ("scratch", "chip", "stain")
_OUTER, _INNER, _BEVEL = 0.78, 0.36, 0.05  # radii and width, relative to half a side
_STEEL, _BENCH = np.array([176.0, 180.0, 186.0]), np.array([58.0, 55.0, 52.0])
_RUST = np.array([112.0, 62.0, 30.0])


def make_washers(
    n_good: int = 100,
    n_defective: int = 30,
    *,
    size: int = 256,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Render photographs of steel washers under a fixed camera.

    Lighting, brushing, grain and the washer's place vary from picture to picture. Defects are
    scratches, chips of the rim and rust stains, as many of each. The pictures look like those of
    an inspection; what a detector reaches on them says nothing about real parts.

    Parameters
    ----------
    n_good : int, default=100
        Pictures without a defect, which come first.
    n_defective : int, default=30
        Pictures with one defect each.
    size : int, default=256
        Side of the pictures in pixels, at least 32.
    random_state : int, RandomState instance or None, default=None
        Seed of all that varies. A picture depends on the seed and on its index alone.

    Returns
    -------
    washers : Bunch
        ``images``, uint8 of shape (n, size, size, 3); ``target``, +1 for good and -1 for
        defective; ``kind``, of str: "good" or the defect; ``masks``, bool of shape
        (n, size, size), true where a picture is defective.

    See Also
    --------
    save_washers : The same as a folder of PNG files.

    Examples
    --------
    >>> from skmmrr.datasets import make_washers
    >>> washers = make_washers(2, 3, size=64, random_state=0)
    >>> washers.images.shape
    (5, 64, 64, 3)
    >>> washers.kind.tolist()
    ['good', 'good', 'scratch', 'chip', 'stain']
    """
    check_integer("n_good", n_good, "make_washers", minimum=0)
    check_integer("n_defective", n_defective, "make_washers", minimum=0)
    check_integer("size", size, "make_washers", minimum=32)
    seed = draw_seed(random_state)
    kind = ["good"] * n_good + [DEFECTS[i % len(DEFECTS)] for i in range(n_defective)]
    images = np.empty((len(kind), size, size, 3), np.uint8)
    masks = np.zeros((len(kind), size, size), np.bool)
    for i, name in enumerate(kind):
        images[i], masks[i] = _photograph(name, size, numpy_generator(seed, "washer", i))
    target = np.repeat([1, -1], [n_good, n_defective])
    return Bunch(images=images, target=target, kind=np.array(kind, dtype=str), masks=masks)


def save_washers(
    folder: str | os.PathLike[str],
    *,
    n_train: int = 60,
    n_good: int = 20,
    n_defective: int = 30,
    size: int = 256,
    random_state: int | np.random.RandomState | None = None,
) -> None:
    """Write rendered washers to a folder with MVTec AD's layout, with masks.

    Parameters
    ----------
    folder : path-like
        Created if it does not exist. Files of the same names are replaced.
    n_train, n_good, n_defective : int
        Pictures in ``train/good``, in ``test/good``, and with defects in ``test``.
    size, random_state
        As in :func:`make_washers`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skmmrr.datasets import save_washers
    >>> with TemporaryDirectory() as folder:
    ...     save_washers(folder, n_train=1, n_good=1, n_defective=1, size=32, random_state=0)
    ...     sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.png"))
    ['ground_truth/scratch/001_mask.png', 'test/good/000.png', 'test/scratch/001.png',
     'train/good/000.png']
    """
    for parameter, number in (("n_train", n_train), ("n_good", n_good)):
        check_integer(parameter, number, "save_washers", minimum=0)
    washers = make_washers(n_train + n_good, n_defective, size=size, random_state=random_state)
    for i, (image, kind) in enumerate(zip(washers.images, washers.kind, strict=True)):
        part, name = ("train", i) if i < n_train else ("test", i - n_train)
        _save(image, Path(folder, part, kind, f"{name:03}.png"))
        if kind != "good":
            _save(washers.masks[i], Path(folder, "ground_truth", kind, f"{name:03}_mask.png"))


def _save(pixels: NDArray[Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _photograph(kind: str, size: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Any]:
    """A washer of a kind, and the mask of its defect."""
    centre = rng.normal(scale=0.006, size=2)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius, angle = np.hypot(x - centre[0], y - centre[1]), np.arctan2(y - centre[1], x - centre[0])
    outer, mask = np.full_like(radius, _OUTER), np.zeros_like(radius)
    place = rng.uniform(-np.pi, np.pi)
    if kind == "chip":
        outer -= _chip(angle, place, rng)
        mask = (radius < _OUTER) & (radius > outer)
    steel = _STEEL * _brightness(radius, angle, outer, rng)[..., None]
    if kind == "scratch":
        mask = _scratch(size, place, rng)
        steel += (rng.choice([-1, 1]) * rng.uniform(40, 90) * mask)[..., None]
    elif kind == "stain":
        mask = _stain(x, y, place, rng)
        steel += (_RUST - steel) * (0.75 * mask)[..., None]
    covered = (_edge(outer - radius, size) * _edge(radius - _INNER, size))[..., None]
    bench = _BENCH * (1 + 0.1 * _smooth_noise(size, size / 3, rng))[..., None]
    shadow = 1 - 0.5 * np.exp(-(((np.hypot(x - 0.03, y - 0.04) - _OUTER) / 0.07) ** 2))
    pixels = covered * steel + (1 - covered) * bench * shadow[..., None]
    pixels = pixels * rng.normal(1, 0.015) + rng.normal(scale=3.0, size=pixels.shape)
    visible = mask > 0 if kind == "chip" else mask * covered[..., 0] > 0.3
    return pixels.clip(0, 255).round().astype(np.uint8), visible


def _brightness(radius: _Field, angle: _Field, outer: _Field, rng: np.random.Generator) -> _Field:
    """Steel brushed in circles under one lamp: two bright sectors, rings, bevels at the rims."""
    lamp = -0.8 + rng.normal(scale=0.03)
    sectors = 0.8 + 0.32 * np.cos(2 * (angle - lamp)) ** 5 * (np.cos(2 * (angle - lamp)) > 0)
    rings = np.interp(radius, np.linspace(0, 1.5, 240), rng.normal(scale=0.035, size=240))
    towards_lamp = np.cos(angle - lamp + np.pi)
    rim = np.exp(-(((outer - radius) / _BEVEL) ** 2)) - np.exp(-(((radius - _INNER) / _BEVEL) ** 2))
    return sectors + rings + 0.28 * rim * towards_lamp


def _chip(angle: _Field, place: float, rng: np.random.Generator) -> _Field:
    """How much of the rim is missing at each angle."""
    apart = np.angle(np.exp(1j * (angle - place)))
    ragged = 1 + 0.25 * np.sin(23 * apart + rng.uniform(0, 6)) + 0.15 * np.sin(51 * apart)
    depth, width = rng.uniform(0.07, 0.14), rng.uniform(0.08, 0.16)
    return depth * np.exp(-((apart / width) ** 4)) * ragged


def _scratch(size: int, place: float, rng: np.random.Generator) -> _Field:
    """A bent line across the ring: 1 where the scratch is, smooth at its sides."""
    middle = 0.57 * np.array([np.cos(place), np.sin(place)])
    direction = place + rng.uniform(0.4, 1.2)
    along = np.linspace(-1, 1, 12)[:, None]
    straight = along * rng.uniform(0.14, 0.24) * np.array([np.cos(direction), np.sin(direction)])
    bent = rng.uniform(-0.05, 0.05) * along**2 * np.array([-np.sin(direction), np.cos(direction)])
    fine = 4  # times the resolution, against jagged lines
    points = (middle + straight + bent + 1) / 2 * size * fine
    canvas = Image.new("L", (size * fine, size * fine))
    width = max(1, round(size * fine * rng.uniform(0.006, 0.012)))
    ImageDraw.Draw(canvas).line([tuple(point) for point in points], 255, width, "curve")
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX), float) / 255


def _stain(x: _Field, y: _Field, place: float, rng: np.random.Generator) -> _Field:
    """A blot on the ring: 1 inside, ragged and smooth at its border."""
    distance = np.hypot(x - 0.57 * np.cos(place), y - 0.57 * np.sin(place))
    border = rng.uniform(0.07, 0.13) * (1 + 0.45 * _smooth_noise(len(x), len(x) / 24, rng))
    inside: _Field = 1 / (1 + np.exp((distance - border) / 0.012))
    return inside


def _edge(inside: _Field, size: int) -> _Field:
    """1 inside and 0 outside, over about a pixel."""
    return np.clip(inside * size / 2 + 0.5, 0, 1)


def _smooth_noise(size: int, blur: float, rng: np.random.Generator) -> _Field:
    """Noise of mean 0 and standard deviation 1 with structures of so many pixels."""
    coarse = max(2, round(2 * size / blur))
    noise = Image.fromarray(rng.normal(size=(coarse, coarse)).astype(np.float32))
    smooth = np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC), float)
    return (smooth - smooth.mean()) / smooth.std()
