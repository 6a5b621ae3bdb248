"""Fitted detectors in files without pickle: numbers as safetensors, the rest as JSON beside them.

Nothing in a file is run when it is loaded. It names a detector of this library, its parameters and
its fitted attributes. Each detector says in ``_KEEPS`` what those are, kind by kind; anything else
is refused before it is built, and nothing larger than the file is made of it. A digest over all of
it tells a damaged file from a good one; it is not secret, so it does not prove who wrote the file.
"""

import copy
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skmmrr._extras import import_extra
from skmmrr.core.devices import resolve_device
from skmmrr.core.kinds import (
    Arrays,
    Kind,
    Lacking,
    Made,
    Maybe,
    Parameter,
    SavedFileError,
    StoredWeights,
    refuse,
    require,
    shorten,
)
from skmmrr.core.validation import check_integer, check_path, shown
from skmmrr.core.warn import warn

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # on Windows, where open files can be neither removed nor renamed
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True

FORMAT = "skmmrr detector"
VERSION = 1

LIMITS = {
    "bytes": 2**31,
    "characters": 2**24,
    "n_levels": 1000,
    "input_size": 1024,
    "places": 2**16,
    "pixels": 2**24,
    "tiles_per_pixel": 100,
}
"""What a file may have at most: bytes, characters of JSON, and parameters that cost time."""

_REMEDY = "Save it again with detector.save, or fetch the file again."
_MOST_DIGITS = 19  # of an int: it has 64 bits
_TRIED = 2**14  # features of a sample up to which a loaded detector is tried on some

PathLike = str | os.PathLike[str]

# What a file says of a detector


def save_detector(detector: Any, path: PathLike) -> None:
    """Write a fitted detector; the file is there whole or, after an error, as it was before."""
    safetensors = _safetensors()
    check_is_fitted(detector)
    path = check_path("path", path, f"{type(detector).__name__}.save")
    arrays: Arrays = {}
    text = json.dumps(_encode_detector(detector, arrays, fitted=True), allow_nan=False)
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "content": text,
        "sha256": _digest(text, arrays),
    }
    write_atomically(path, safetensors.save(arrays, metadata))


def load_detector(
    path: PathLike,
    classes: Mapping[str, type[Any]],
    device: str | torch.device | None,
    limits: Mapping[str, int] | None,
) -> Any:
    """Read a detector of one of some classes."""
    path, limits = check_path("path", path, "load"), {} if limits is None else limits
    if not isinstance(limits, Mapping) or limits.keys() - LIMITS.keys():
        raise ValueError(
            "The parameter 'limits' of load must be None or a mapping of some of "
            f"{sorted(LIMITS)} to ints. Got {shown(limits)}."
        )
    if device is not None:
        resolve_device(device, "load")
    allowed = LIMITS | dict(limits)
    for name, most in allowed.items():
        check_integer(f"limits[{name!r}]", most, "load", minimum=1, maximum=2**63 - 1)
    try:
        content, arrays = _read(path, allowed)
        detector = _decode_detector(content, arrays, classes, allowed, fitted=True)
    except SavedFileError as error:
        found = f"{path} is not a detector that skmmrr can load: {error}. {_REMEDY}"
        raise SavedFileError(found) from error
    scoring = getattr(detector, "detector_", detector)  # which may be wrapped
    if device is not None and hasattr(scoring, "device"):
        scoring.set_params(device=device)
    return detector


def _encode_detector(detector: Any, arrays: Arrays, *, fitted: bool) -> dict[str, Any]:
    if not type(detector).__module__.startswith("skmmrr."):
        raise TypeError(
            f"Only skmmrr's own detectors can be saved without pickle. Got {type(detector)}; save "
            "with joblib."
        )
    content = {
        "detector": type(detector).__name__,
        "parameters": _parameters(type(detector)).encode(detector, "parameters", arrays),
    }
    return content | ({"fitted": _encode_fitted(detector, arrays)} if fitted else {})


@dataclass(frozen=True)
class StoredDetector:
    """A detector inside another as it was read, of which it is still to be made."""

    content: Any
    arrays: Arrays
    fitted: bool


@dataclass(frozen=True)
class Detector(Kind):
    """A detector that another one wraps: as a parameter, or fitted."""

    fitted: bool

    def _encode(self, value: Any, name: str, arrays: Arrays) -> dict[str, Any]:
        own: Arrays = {}
        content = _encode_detector(value, own, fitted=self.fitted)
        arrays |= {f"{name}.{k}": array for k, array in own.items()}
        return content

    def _decode(self, found: Any, name: str, arrays: Arrays) -> StoredDetector:
        names = [k for k in arrays if k.startswith(f"{name}.")]
        own = {k.removeprefix(f"{name}."): arrays.pop(k) for k in names}
        return StoredDetector(found, own, self.fitted)


def _parameters(cls: type[Any]) -> Made:
    """The kind of a detector that is not fitted: the parameters of its constructor."""
    kinds: dict[str, Kind] = {name: Parameter() for name in cls._get_param_names()}
    kinds |= cls._PARAMETER_KINDS
    for name, group in cls._GROUPS.items():
        saved = [key for key in group._get_param_names() if key not in group._UNSAVED]
        kinds[name] = Maybe(Made({key: Parameter() for key in saved}, group))
    return Made(kinds, cls, _plain)


def _plain(owner: Any, name: str) -> Any:
    """A parameter as JSON can have it."""
    value = getattr(owner, name)
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, np.random.RandomState):
        warn(
            f"The parameter {name!r} of {type(owner).__name__} is a RandomState, which is not "
            "saved. The loaded detector scores alike, but fits anew with another seed."
        )
        return None
    return value


def _encode_fitted(detector: Any, arrays: Arrays) -> dict[str, Any]:
    kinds, parameters = detector._KEEPS, detector.get_params(deep=False)
    learned = {name: value for name, value in vars(detector).items() if name not in parameters}
    for name in sorted(learned.keys() - kinds.keys()):
        raise TypeError(
            f"{type(detector).__name__} has an attribute {name!r}, which no fit gives it and no "
            "file can have. Delete it, or save with joblib."
        )
    return {name: kinds[name].encode(value, name, arrays) for name, value in learned.items()}


def _decode_fitted(cls: type[Any], found: Any, arrays: Arrays) -> dict[str, Any]:
    kinds: dict[str, Kind] = cls._KEEPS
    needed = {name for name, kind in kinds.items() if not isinstance(kind, Lacking)}
    if not (isinstance(found, dict) and needed <= found.keys() <= kinds.keys()):
        raise refuse("fitted", f"an object with the keys {sorted(needed)}", found)
    return {name: kinds[name].decode(value, name, arrays) for name, value in found.items()}


def _decode_detector(
    content: Any,
    arrays: Arrays,
    classes: Mapping[str, type[Any]],
    limits: Mapping[str, int],
    *,
    fitted: bool,
) -> Any:
    """The detector, of parts that were checked each, and then whether they agree."""
    keys = ["detector", "parameters", *(["fitted"] if fitted else [])]
    if not isinstance(content, dict) or content.keys() != set(keys):
        raise refuse("content", f"an object of {keys}", content)
    name = content["detector"]
    if not isinstance(name, str) or name not in classes:
        raise SavedFileError(f"it has a {shorten(name)}, not one of {sorted(classes)}")
    cls = classes[name]
    detector = _parameters(cls).decode(content["parameters"], "parameters", arrays)
    if fitted:
        vars(detector).update(_decode_fitted(cls, content["fitted"], arrays))
    for left in sorted(arrays):
        raise SavedFileError(f"it has arrays that belong nowhere, such as {shorten(left)}")
    others = {k: other for k, other in classes.items() if other is not cls}  # no endless nesting
    for name, kept in vars(detector).items():
        if isinstance(kept, StoredDetector):
            of = (kept.content, kept.arrays, others, limits)
            setattr(detector, name, _decode_detector(*of, fitted=kept.fitted))
    if not fitted:
        with _refusing("its parameters do not agree"):
            _check_limits(detector._costs(), limits)
            _check_parameters(detector)
        return detector
    with _refusing("its parts do not agree"):
        _check_limits(detector._costs(), limits)
        _check_parameters(detector)
        detector._check_kept()
        for name, kept in vars(detector).items():
            if isinstance(kept, StoredWeights):
                setattr(detector, name, _network(detector, kept))
    if detector.n_features_in_ <= _TRIED:
        _try(detector)
    return detector


def _check_limits(costs: Mapping[str, Any], limits: Mapping[str, int]) -> None:
    for name, value in costs.items():
        if isinstance(value, int | float) and value > limits[name]:
            raise SavedFileError(
                f"{name!r} is {value}, more than the limit of {limits[name]}, which "
                f"skmmrr.load(path, limits={{{name!r}: {value}}}) raises for a file that you trust"
            )


def _check_parameters(detector: Any) -> None:
    """Check the parameters as a fit does, and those that a fit takes as they are."""
    detector._check_params()
    seed = detector.random_state
    require(isinstance(seed, int | None), "'random_state' must be an integer or null")
    device = getattr(detector, "device", "auto")
    require(isinstance(device, str), "'device' must be a text")
    if device != "auto":
        kind = torch.device(device).type  # whether this machine has it is asked when it scores
        require(kind != "meta", "'device' must be one that computes")


def _network(detector: Any, weights: StoredWeights) -> nn.Module:
    """The network that was fitted, planned without memory, with the weights of the file."""
    network: nn.Module = detector._planned_network(len(weights))
    planned = {name: (_dtype(t), tuple(t.shape)) for name, t in network.state_dict().items()}
    found = {name: (array.dtype.name, array.shape) for name, array in weights.items()}
    for name in sorted(planned.keys() | found.keys()):
        if planned.get(name) != found.get(name):
            raise SavedFileError(
                f"the weight {shorten(name)} must be {planned.get(name)}, and is {found.get(name)}"
            )
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _try(detector: Any) -> None:
    """Refuse a detector that has no finite scores in the middle of what it was fitted on."""
    tried = copy.copy(detector)
    tried.device, tried.verbose = "cpu", 0
    with _refusing("it does not score"), np.errstate(all="ignore"):
        scores = tried._trial_scores()
    require(bool(np.isfinite(scores).all()), "its scores are not finite")


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Errors of what is built from a file are errors of the file."""
    try:
        yield
    except (ImportError, SavedFileError):
        raise
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise SavedFileError(f"{what}: {shorten(error, 500)}") from error


# Bytes on disk


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there whole or, after an error, as it was before."""
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {path.parent} to write {path.name} in. Make it first."
        )
    _remove_leftovers(path)
    temporary, file = _locked_beside(path)
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if _HAS_LOCKS:  # still locked
                os.replace(temporary, path)
        if not _HAS_LOCKS:
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _locked_beside(path: Path) -> tuple[Path, IO[bytes]]:
    """A new file, locked: so other saves of the same file see that this one is being written."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        file = temporary.open("xb")
        if _HAS_LOCKS:
            with suppress(OSError):  # of file systems without locks
                flock(file, LOCK_EX)
        if temporary.exists():  # else another save came before the lock
            return temporary, file
        file.close()


def _remove_leftovers(path: Path) -> None:
    """Remove what killed saves of this file left behind, not what others are writing."""
    pattern = re.compile(re.escape(f".{path.name}.") + "[0-9a-f]{8}")
    for found in path.parent.iterdir():
        if not pattern.fullmatch(found.name) or found.is_symlink() or not found.is_file():
            continue
        with suppress(OSError):  # somebody else's, or being written
            if not _HAS_LOCKS:
                found.unlink()
                continue
            with found.open("rb") as file:
                flock(file, LOCK_EX | LOCK_NB)
                found.unlink()


def _read(path: Path, limits: Mapping[str, int]) -> tuple[Any, Arrays]:
    """The content of a file, whose digest fits."""
    _safetensors()
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path} to load a detector from.")
    _check_limits({"bytes": path.stat().st_size}, limits)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            _check_format(metadata)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except PermissionError:
        raise
    except (SafetensorError, OSError, TypeError, ValueError, LookupError, AttributeError) as error:
        if isinstance(error, SavedFileError):
            raise
        raise SavedFileError(f"{type(error).__name__}: {shorten(error)}") from error
    text = metadata.get("content", "")
    _check_limits({"characters": len(text)}, limits)
    if metadata.get("sha256") != _digest(text, arrays):
        raise SavedFileError("its content does not match its digest")
    return _parse(text), arrays


def _check_format(metadata: Mapping[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise SavedFileError("it is a safetensors file of something else")
    version = metadata.get("version")
    if version != str(VERSION):
        raise SavedFileError(
            f"it has the version {version} and this skmmrr reads {VERSION}; a newer skmmrr may "
            "read it"
        )


def _parse(text: str) -> Any:
    """JSON as its standard has it: no NaN, no key twice, integers of 64 bits, not too deep."""
    try:
        return json.loads(
            text,
            parse_constant=_no_constant,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        raise SavedFileError(f"its content is not JSON as skmmrr writes it: {error}") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits, more than {_MOST_DIGITS}")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _digest(text: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {arrays[name].shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _safetensors() -> Any:
    return import_extra("safetensors.numpy", "files", "A file of a detector")
