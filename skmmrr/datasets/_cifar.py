"""The Python batches of CIFAR-10 and CIFAR-100."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skmmrr.core.validation import check_option
from skmmrr.datasets._home import corrupt, find_file

_BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
_FILES = ("train", "test")  # of CIFAR-100
_LABELS = ("coarse", "fine")
_IMAGE = (3, 32, 32)


def load_cifar10(
    subset: str = "train", *, data_home: str | os.PathLike[str] | None = None
) -> Bunch:
    """Read CIFAR-10's objects, which must be on disk as Python batches.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        50,000 or 10,000 images.
    data_home : path-like, default=None
        Folder with the batches, or with a folder ``cifar-10-batches-py`` that has them; see
        :func:`get_data_home`.

    Returns
    -------
    cifar : Bunch
        - ``images``: ndarray of uint8 of shape (n_samples, 32, 32, 3);
        - ``data``: the same as (n_samples, 3072), channels last;
        - ``target``: ndarray of int64 of shape (n_samples,), 0 to 9;
        - ``target_names``, ``DESCR``.

    Raises
    ------
    FileNotFoundError
        If a file is not there; it says where it was looked for.
    ValueError
        If a file is damaged. The batches are pickles; nothing but arrays is loaded from them.

    Examples
    --------
    >>> from skmmrr.datasets import load_cifar10
    >>> load_cifar10(data_home="nowhere")
    Traceback (most recent call last):
    FileNotFoundError: No such file of the data set. Looked for:...
    """
    check_option("subset", subset, "load_cifar10", tuple(_BATCHES))
    folders = ("cifar-10-batches-py", "")
    paths = [find_file(data_home, folders, (name,)) for name in _BATCHES[subset]]
    return Bunch(
        **_join([_read(path, b"labels") for path in paths], b"labels"),
        target_names=_NAMES,
        DESCR="CIFAR-10: objects of ten classes, 32x32, colour (Krizhevsky, 2009).",
    )


def load_cifar100(
    subset: str = "train",
    *,
    labels: str = "coarse",
    data_home: str | os.PathLike[str] | None = None,
) -> Bunch:
    """Read CIFAR-100's objects, which must be on disk in the Python version's files.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        50,000 or 10,000 images.
    labels : {"coarse", "fine"}, default="coarse"
        20 classes, such as "aquatic_mammals", by which DN2 is measured, or the 100 in them.
    data_home : path-like, default=None
        Folder with the files ``train``, ``test`` and ``meta``, or with a folder
        ``cifar-100-python`` that has them; see :func:`get_data_home`.

    Returns
    -------
    cifar : Bunch
        - ``images``: ndarray of uint8 of shape (n_samples, 32, 32, 3);
        - ``data``: the same as (n_samples, 3072), channels last;
        - ``target``: ndarray of int64 of shape (n_samples,), 0 to 19, or to 99;
        - ``target_names``, ``DESCR``.

    Raises
    ------
    FileNotFoundError
        If a file is not there; it says where it was looked for.
    ValueError
        If a file is damaged. They are pickles; nothing but arrays and text is loaded from them.

    Examples
    --------
    >>> from skmmrr.datasets import load_cifar100
    >>> load_cifar100(data_home="nowhere")
    Traceback (most recent call last):
    FileNotFoundError: No such file of the data set. Looked for:...
    """
    check_option("subset", subset, "load_cifar100", _FILES)
    check_option("labels", labels, "load_cifar100", _LABELS)
    path, meta = (
        find_file(data_home, ("cifar-100-python", ""), (name,)) for name in (subset, "meta")
    )
    key = f"{labels}_labels".encode()
    joined = _join([_read(path, key)], key)
    names = [name.decode() for name in _read_names(meta, f"{labels}_label_names".encode())]
    if joined["target"].max(initial=0) >= len(names):
        largest = joined["target"].max()
        raise corrupt(path, f"it has the label {largest}, and names of {len(names)} classes")
    return Bunch(
        **joined,
        target_names=names,
        DESCR=f"CIFAR-100: objects of {len(names)} classes, 32x32, colour (Krizhevsky, 2009).",
    )


def _join(batches: list[dict[bytes, Any]], labels: bytes) -> dict[str, Any]:
    """Images, channels last, and classes of some batches."""
    planes = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, *_IMAGE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    target = np.concatenate([batch[labels] for batch in batches]).astype(np.int64)
    return {"images": images, "data": images.reshape(len(images), -1), "target": target}


class _ArraysOnly(pickle.Unpickler):
    """Unpickler that builds arrays, and refuses to run what else a file may ask for."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype"):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _read(path: Path, labels: bytes) -> dict[bytes, Any]:
    batch = _unpickled(path)
    if not isinstance(batch, dict) or not {b"data", labels} <= batch.keys():
        raise corrupt(path, f"it has no data and {labels.decode().replace('_', ' ')}")
    if np.shape(batch[b"data"]) != (len(batch[labels]), np.prod(_IMAGE)):
        raise corrupt(path, f"its data have the shape {np.shape(batch[b'data'])}")
    return batch


def _read_names(path: Path, key: bytes) -> list[bytes]:
    names = _unpickled(path)
    found = names.get(key) if isinstance(names, dict) else None
    if not isinstance(found, list) or not all(isinstance(name, bytes) for name in found):
        raise corrupt(path, f"it has no {key.decode().replace('_', ' ')}")
    return found


def _unpickled(path: Path) -> Any:
    with path.open("rb") as file:
        try:
            return _ArraysOnly(file, encoding="bytes").load()
        except Exception as error:  # an altered pickle can raise anything
            raise corrupt(path, str(error)) from error
