"""Data sets from their public homes, when somebody asks for it."""

import os
from pathlib import Path

from skmmrr._extras import import_extra
from skmmrr.core.validation import check_option
from skmmrr.datasets._home import get_data_home

_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_MNIST = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
_FASHION = (
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79",
    "bb300cfdad3c16e7a12a480ee83cd310",
)
# Folder in the data home, address, and the files there with their MD5 sums.
_SETS: dict[str, tuple[str, str, dict[str, str]]] = {
    "mnist": (
        "mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        dict(zip(_IDX_FILES, _MNIST, strict=True)),
    ),
    "fashion-mnist": (
        "fashion-mnist",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        dict(zip(_IDX_FILES, _FASHION, strict=True)),
    ),
    "cifar10": (
        "",
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    ),
    "cifar100": (
        "",
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
    ),
}


def fetch(
    name: str, *, data_home: str | os.PathLike[str] | None = None, progress: bool = False
) -> Path:
    """Download a data set from its public home, and check it.

    Nothing else in the library downloads anything. MVTec AD wants its licence accepted on its
    page, and ADBench's tables lie in its repository: both are unpacked by hand.

    Parameters
    ----------
    name : {"mnist", "fashion-mnist", "cifar10", "cifar100"}
        The set.
    data_home : path-like, default=None
        Where to; see :func:`get_data_home`. What is there and whole is not fetched again.
    progress : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    data_home : Path
        For the loaders.

    Raises
    ------
    ImportError
        If pooch is not installed.
    ValueError
        If a file does not have the checksum that is on record; it is not kept.

    Examples
    --------
    >>> from skmmrr.datasets import fetch
    >>> fetch("mvtec")
    Traceback (most recent call last):
    ValueError: The parameter 'name' of fetch must be one of ('mnist', ...
    """
    check_option("name", name, "fetch", tuple(_SETS))
    pooch = import_extra("pooch", "benchmark", "fetch")
    home = get_data_home(data_home)
    folder, address, files = _SETS[name]
    for file, md5 in files.items():
        pooch.retrieve(
            address + file,
            known_hash=f"md5:{md5}",
            fname=file,
            path=home / folder,
            processor=pooch.Untar(extract_dir=".") if file.endswith(".tar.gz") else None,
            progressbar=progress,
        )
    return home
