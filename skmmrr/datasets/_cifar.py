"""CIFAR-10's Python batches."""

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
    batches = [_read(find_file(data_home, folders, (name,))) for name in _BATCHES[subset]]
    planes = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, *_IMAGE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=np.concatenate([batch[b"labels"] for batch in batches]).astype(np.int64),
        target_names=_NAMES,
        DESCR="CIFAR-10: objects of ten classes, 32x32, colour (Krizhevsky, 2009).",
    )


class _ArraysOnly(pickle.Unpickler):
    """Unpickler that builds arrays, and refuses to run what else a file may ask for."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype"):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _read(path: Path) -> dict[bytes, Any]:
    with path.open("rb") as file:
        try:
            batch = _ArraysOnly(file, encoding="bytes").load()
        except Exception as error:  # an altered pickle can raise anything
            raise corrupt(path, str(error)) from error
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= batch.keys():
        raise corrupt(path, "it has no data and labels")
    if np.shape(batch[b"data"]) != (len(batch[b"labels"]), np.prod(_IMAGE)):
        raise corrupt(path, f"its data have the shape {np.shape(batch[b'data'])}")
    return batch
