"""Fitted detectors in files without pickle: numbers as safetensors, the rest as JSON beside them.

Nothing in a file is run when it is loaded: it names a detector of this library, its parameters
and its fitted attributes, whose kinds are those listed here. A digest over all of it tells a
damaged file from a good one.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity
from sklearn.svm import OneClassSVM
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skmmrr.core.warn import warn

FORMAT = "skmmrr detector"
VERSION = 1

_KIND = "kind"  # key that marks what JSON has no word for
_SKLEARN: dict[str, type[BaseEstimator]] = {c.__name__: c for c in (PCA, OneClassSVM)}

_STORED: dict[str, type[Any]] = {}

PathLike = str | os.PathLike[str]
Arrays = dict[str, NDArray[Any]]
ClassT = TypeVar("ClassT", bound=type[Any])


def stored(cls: ClassT) -> ClassT:
    """Decorate a dataclass whose objects files may have, field by field."""
    _STORED[cls.__name__] = cls
    return cls


def save_detector(detector: Any, path: PathLike) -> None:
    """Write a fitted detector; the file is there whole or, after an error, as it was before."""
    safetensors = _safetensors()
    check_is_fitted(detector)
    if not type(detector).__module__.startswith("skmmrr."):
        raise TypeError(
            f"Only skmmrr's own detectors can be saved without pickle. Got {type(detector)}; save "
            "with joblib."
        )
    parameters = {k: _parameter(detector, k, v) for k, v in detector.get_params(False).items()}
    arrays: Arrays = {}
    fitted = {
        name: _encode(value, arrays, name)
        for name, value in vars(detector).items()
        if name not in parameters
    }
    text = json.dumps(
        {
            "detector": type(detector).__name__,
            "parameters": {k: _encode(v, arrays, k) for k, v in parameters.items()},
            "fitted": fitted,
        }
    )
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "content": text,
        "sha256": _digest(text, arrays),
    }
    write_atomically(Path(path), safetensors.save(arrays, metadata))


def load_detector(
    path: PathLike, classes: dict[str, type[Any]], device: str | torch.device | None
) -> Any:
    """Read a detector of one of some classes."""
    content, arrays = _read(Path(path))
    if content["detector"] not in classes:
        raise _foreign(path, f"it has a {content['detector']!r}, not one of {sorted(classes)}")
    decoded = {k: _decode(v, arrays) for k, v in content["parameters"].items()}
    detector = classes[content["detector"]](**decoded)
    weights: Arrays = {}
    for name, value in content["fitted"].items():
        if isinstance(value, dict) and value.get(_KIND) == "weights":
            weights = {k: _decode(v, arrays) for k, v in value["tensors"].items()}
        else:
            setattr(detector, name, _decode(value, arrays))
    if weights:
        detector.network_ = _network(detector, weights)
    return detector if device is None else detector.set_params(device=device)


def _network(detector: Any, weights: Arrays) -> nn.Module:
    """The network that the parameters ask for, with these weights."""
    network: nn.Module = detector._unfitted_network()
    tensors = {k: torch.from_numpy(v.copy()) for k, v in weights.items()}
    network.load_state_dict(tensors, assign=True)  # with their precision
    return network.eval().requires_grad_(False)


def _parameter(detector: Any, name: str, value: Any) -> Any:
    """A parameter as JSON can have it."""
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, np.random.RandomState):
        warn(
            f"The parameter {name!r} of {type(detector).__name__} is a RandomState, which is not "
            "saved. The loaded detector scores alike, but fits anew with another seed."
        )
        return None
    return value


# What an attribute may be


def _encode(value: Any, arrays: Arrays, name: str) -> Any:
    """A value as JSON; numbers of arrays go to `arrays`, by a name that tells where they belong."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays, name)
    if isinstance(value, tuple | list):
        items = [_encode(item, arrays, f"{name}.{i}") for i, item in enumerate(value)]
        return {_KIND: "tuple", "items": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {k: _encode(v, arrays, f"{name}.{k}") for k, v in value.items()}
    if is_dataclass(value) and _STORED.get(type(value).__name__) is type(value):
        state = {field.name: getattr(value, field.name) for field in fields(value)}
        encoded = _encode(state, arrays, name)
        return {_KIND: "dataclass", "class": type(value).__name__, "fields": encoded}
    if isinstance(value, nn.Module) and name == "network_":
        tensors = {k: v.cpu().numpy() for k, v in value.state_dict().items()}
        return {_KIND: "weights", "tensors": _encode(tensors, arrays, name)}
    if isinstance(value, KernelDensity):  # its tree is made again from the points
        state = {"params": value.get_params(), "points": np.asarray(value.tree_.data)}
        return {_KIND: "density"} | _encode(state, arrays, name)
    if type(value).__name__ in _SKLEARN and isinstance(value, BaseEstimator):
        state = _encode(vars(value), arrays, name)
        return {_KIND: "sklearn", "class": type(value).__name__, "state": state}
    if callable(value):
        raise TypeError(
            f"The parameter {name.rpartition('.')[2]!r} is code, which a file without pickle "
            f"cannot have. Got {type(value).__name__}; save with joblib, and load such files only "
            "from people you trust."
        )
    raise TypeError(f"The attribute {name!r} is of {type(value)}, which no file can have.")


def _encode_array(value: NDArray[Any], arrays: Arrays, name: str) -> dict[str, Any]:
    if value.dtype == object:  # feature_names_in_
        return {_KIND: "strings", "values": [str(item) for item in value]}
    # Products of matrices round by the order in memory, so it is kept.
    columns_first = value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous
    arrays[name] = np.array(value.T if columns_first else value, order="C")
    return {_KIND: "array", "name": name, "columns_first": columns_first}


def _decode(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if _KIND not in value:
        return {k: _decode(v, arrays) for k, v in value.items()}
    return _DECODERS[value[_KIND]](value, arrays)


def _decode_array(value: dict[str, Any], arrays: Arrays) -> NDArray[Any]:
    array = arrays[value["name"]]
    return array.T if value["columns_first"] else array


def _decode_strings(value: dict[str, Any], arrays: Arrays) -> NDArray[Any]:
    return np.array(value["values"], dtype=object)


def _decode_tuple(value: dict[str, Any], arrays: Arrays) -> tuple[Any, ...]:
    return tuple(_decode(value["items"], arrays))


def _decode_dataclass(value: dict[str, Any], arrays: Arrays) -> Any:
    return _STORED[value["class"]](**_decode(value["fields"], arrays))


def _decode_density(value: dict[str, Any], arrays: Arrays) -> KernelDensity:
    density = KernelDensity(**_decode(value["params"], arrays))
    return density.fit(_decode(value["points"], arrays))


def _decode_sklearn(value: dict[str, Any], arrays: Arrays) -> BaseEstimator:
    estimator = _SKLEARN[value["class"]]()
    for name, part in value["state"].items():
        setattr(estimator, name, _decode(part, arrays))
    return estimator


_DECODERS: dict[str, Callable[[dict[str, Any], Arrays], Any]] = {
    "array": _decode_array,
    "strings": _decode_strings,
    "tuple": _decode_tuple,
    "dataclass": _decode_dataclass,
    "density": _decode_density,
    "sklearn": _decode_sklearn,
}

# Bytes on disk


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there whole or, after an error, as it was before."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The checked content of a file."""
    _safetensors()
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path} to load a detector from.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise _foreign(path, "it is a safetensors file of something else")
            if metadata.get("version") != str(VERSION):
                raise _foreign(
                    path,
                    f"it has the version {metadata.get('version')} and this skmmrr reads {VERSION}",
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        if isinstance(error, _FileError | PermissionError):
            raise
        raise _foreign(path, f"{type(error).__name__}: {error}") from error
    if metadata.get("sha256") != _digest(metadata.get("content", ""), arrays):
        raise _foreign(path, "its content does not match its digest")
    return json.loads(metadata["content"]), arrays


class _FileError(ValueError):
    """A file that is no detector, or a damaged one."""


def _foreign(path: PathLike, found: str) -> _FileError:
    return _FileError(
        f"{path} is no detector that skmmrr can load: {found}. Save it again with detector.save, "
        "or fetch the file again."
    )


def _digest(text: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "Files of detectors need safetensors. Install it: pip install 'skmmrr[files]'."
        ) from error
    return safetensors.numpy
