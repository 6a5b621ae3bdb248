"""The IDX format of MNIST and its relatives, plain or gzipped."""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skmmrr.core.validation import check_option
from skmmrr.datasets._home import corrupt, find_file
from skmmrr.datasets._images import check_size, resized

_UNSIGNED_BYTES = 8
_FASHION = [
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]
_PREFIX = {"train": "train", "test": "t10k"}


def load_mnist(
    subset: str = "train",
    *,
    size: tuple[int, int] | None = None,
    data_home: str | os.PathLike[str] | None = None,
) -> Bunch:
    """Read MNIST's handwritten digits, which must be on disk.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        60,000 or 10,000 images.
    size : tuple (height, width), default=None
        To which images are resized, by Pillow's bilinear interpolation; None keeps 28x28. The
        papers take (32, 32), and do not say which interpolation they use.
    data_home : path-like, default=None
        Folder with the files, or with a folder ``mnist`` or ``MNIST/raw`` that has them; see
        :func:`get_data_home`. Their names are those of the original, such as
        ``train-images-idx3-ubyte``, with or without ``.gz``.

    Returns
    -------
    mnist : Bunch
        - ``images``: ndarray of uint8 of shape (n_samples, 28, 28), or resized;
        - ``data``: the same as (n_samples, height * width);
        - ``target``: ndarray of int64 of shape (n_samples,), 0 to 9;
        - ``target_names``, ``DESCR``.

    Raises
    ------
    FileNotFoundError
        If a file is not there; it says where it was looked for.
    ValueError
        If a file is damaged.

    Examples
    --------
    >>> from skmmrr.datasets import load_mnist
    >>> load_mnist(data_home="nowhere")
    Traceback (most recent call last):
    FileNotFoundError: No such file of the data set. Looked for:...
    """
    check_option("subset", subset, "load_mnist", tuple(_PREFIX))
    check_size(size, "load_mnist")
    return Bunch(
        **_load(subset, size, data_home, ("mnist", "MNIST/raw", "")),
        target_names=[str(digit) for digit in range(10)],
        DESCR="MNIST: handwritten digits, 28x28, grey (LeCun, Cortes and Burges, 1998).",
    )


def load_fashion_mnist(
    subset: str = "train",
    *,
    size: tuple[int, int] | None = None,
    data_home: str | os.PathLike[str] | None = None,
) -> Bunch:
    """Read Fashion-MNIST's articles of clothing, which must be on disk.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        60,000 or 10,000 images.
    size : tuple (height, width), default=None
        As in :func:`load_mnist`.
    data_home : path-like, default=None
        Folder with a folder ``fashion-mnist`` or ``FashionMNIST/raw`` that has the files; see
        :func:`get_data_home`. Their names are those of MNIST, so they are not looked for in the
        data home itself.

    Returns
    -------
    fashion : Bunch
        As in :func:`load_mnist`; ``target_names`` are the articles.

    Raises
    ------
    FileNotFoundError
        If a file is not there; it says where it was looked for.
    ValueError
        If a file is damaged.

    Examples
    --------
    >>> from skmmrr.datasets import load_fashion_mnist
    >>> load_fashion_mnist(data_home="nowhere")
    Traceback (most recent call last):
    FileNotFoundError: No such file of the data set. Looked for:...
    """
    check_option("subset", subset, "load_fashion_mnist", tuple(_PREFIX))
    check_size(size, "load_fashion_mnist")
    return Bunch(
        **_load(subset, size, data_home, ("fashion-mnist", "FashionMNIST/raw")),
        target_names=_FASHION,
        DESCR="Fashion-MNIST: articles of clothing, 28x28, grey (Xiao, Rasul and Vollgraf, 2017).",
    )


def _load(
    subset: str,
    size: tuple[int, int] | None,
    data_home: str | os.PathLike[str] | None,
    folders: tuple[str, ...],
) -> dict[str, NDArray[Any]]:
    images, target = (
        read_idx(find_file(data_home, folders, (name, f"{name}.gz")))
        for name in (f"{_PREFIX[subset]}-images-idx3-ubyte", f"{_PREFIX[subset]}-labels-idx1-ubyte")
    )
    if images.ndim != 3 or target.shape != images.shape[:1]:
        raise ValueError(
            f"The images of {folders[0]}'s {subset} set have the shape {images.shape}, its labels "
            f"{target.shape}: they do not belong together. Fetch both again."
        )
    if size is not None:
        images = np.stack([resized(image, size) for image in images])
    return {
        "images": images,
        "data": images.reshape(len(images), -1),
        "target": target.astype(np.int64),
    }


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Array of an IDX file of unsigned bytes: two zeros, type, number of axes, sizes, data."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise corrupt(path, str(error)) from error
    if len(content) < 4 or content[:3] != bytes([0, 0, _UNSIGNED_BYTES]):
        raise corrupt(path, f"it starts with {content[:4].hex(' ') or 'nothing'}")
    n_axes = content[3]
    header = 4 * (1 + n_axes)
    if len(content) < header:
        raise corrupt(path, f"it ends after {len(content)} bytes, within its header")
    shape = np.frombuffer(content[4:header], dtype=">u4").tolist()
    if len(content) - header != math.prod(shape):
        raise corrupt(path, f"it has {len(content) - header} bytes of data for the shape {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
