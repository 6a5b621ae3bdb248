"""What a file of a detector may have, kind by kind: how each is written, and checked when read.

A kind turns a value into JSON and back. Arrays are kept beside the JSON, by the name of their
place. Reading trusts nothing: types, ranges, dtypes, shapes and keys are as a kind says, or a
SavedFileError tells what was found and what is allowed.
"""

import math
import re
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

Arrays = dict[str, NDArray[Any]]
ClassT = TypeVar("ClassT", bound=type[Any])

SMALLEST = math.ulp(0.0)  # positive number
WIDEST = 2**20  # layer of a network: torch counts its elements with 64 bits
_INT64 = 2**63 - 1
_IN_JSON = "array"  # stands where an array belongs


class StoredWeights(dict[str, NDArray[Any]]):
    """Weights of a network by name, of which it is still to be made."""


class SavedFileError(ValueError):
    """A file that :func:`skmmrr.load` refuses: damaged, altered, too large, or something else."""


def refuse(name: str, allowed: str, found: Any) -> SavedFileError:
    """An error that says what something in a file must be, and what it is."""
    array = isinstance(found, np.ndarray)
    shown = f"an array {found.dtype} {found.shape}" if array else shorten(found)
    return SavedFileError(f"{shorten(name)} must be {allowed}, and is {shown}")


def shorten(found: Any, longest: int = 80) -> str:
    """What was found, as a message can have it."""
    text = str(found) if isinstance(found, Exception) else reprlib.repr(found)
    return text if len(text) <= longest else f"{text[:longest]}..."


def require(true: bool, what: str) -> None:
    """Raise SavedFileError where parts of a file that must agree do not."""
    if not true:
        raise SavedFileError(what)


class Kind(ABC):
    """A kind of values in files; a subclass adds ``_decode`` and, if need be, ``_encode``."""

    def encode(self, value: Any, name: str, arrays: Arrays) -> Any:
        """Value at the place `name` as JSON; arrays go to `arrays`."""
        return self._encode(value, name, arrays)

    def decode(self, found: Any, name: str, arrays: Arrays) -> Any:
        """Check what JSON has at the place `name`; take what belongs to it out of `arrays`."""
        return self._decode(found, name, arrays)

    @abstractmethod
    def _decode(self, found: Any, name: str, arrays: Arrays) -> Any: ...

    def _encode(self, value: Any, name: str, arrays: Arrays) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if callable(value):
            raise TypeError(
                f"The parameter {name.rpartition('.')[2]!r} is code, which a file without pickle "
                f"cannot have. Got {type(value).__name__}; save with joblib, and load such files "
                "only from people you trust."
            )
        return value


@dataclass(frozen=True)
class Flag(Kind):
    """True or False."""

    def _decode(self, found: Any, name: str, arrays: Arrays) -> bool:
        if not isinstance(found, bool):
            raise refuse(name, "true or false", found)
        return found


@dataclass(frozen=True)
class Integer(Kind):
    """An int in a range."""

    low: int = 0
    high: int = _INT64

    def _decode(self, found: Any, name: str, arrays: Arrays) -> int:
        if type(found) is not int or not self.low <= found <= self.high:
            raise refuse(name, f"an integer from {self.low} to {self.high}", found)
        return found


@dataclass(frozen=True)
class Real(Kind):
    """A finite number in a range."""

    low: float = -math.inf
    high: float = math.inf

    def _encode(self, value: Any, name: str, arrays: Arrays) -> float:
        return float(value)

    def _decode(self, found: Any, name: str, arrays: Arrays) -> float:
        inside = type(found) in (int, float) and self.low <= found <= self.high
        if not (inside and math.isfinite(found)):
            raise refuse(name, f"a finite number from {self.low:g} to {self.high:g}", found)
        return float(found)


@dataclass(frozen=True)
class Choice(Kind):
    """One of some names."""

    options: tuple[str, ...]

    def _decode(self, found: Any, name: str, arrays: Arrays) -> str:
        if not isinstance(found, str) or found not in self.options:
            raise refuse(name, f"one of {self.options}", found)
        return found


@dataclass(frozen=True)
class Text(Kind):
    """A text that a regular expression matches."""

    pattern: str

    def _decode(self, found: Any, name: str, arrays: Arrays) -> str:
        if not isinstance(found, str) or not re.fullmatch(self.pattern, found):
            raise refuse(name, f"a text like {self.pattern}", found)
        return found


@dataclass(frozen=True)
class Scalar(Kind):
    """None, True, False, a finite number or a text."""

    longest: int = 1000

    def _decode(self, found: Any, name: str, arrays: Arrays) -> Any:
        text = isinstance(found, str) and len(found) <= self.longest
        number = type(found) in (int, float) and math.isfinite(found)
        if not (text or number or found is None or isinstance(found, bool)):
            raise refuse(name, "a number, a short text, true, false or null", found)
        return found


@dataclass(frozen=True)
class Parameter(Scalar):
    """What a constructor takes: a scalar, or a list or tuple of some."""

    def _encode(self, value: Any, name: str, arrays: Arrays) -> Any:
        if isinstance(value, np.ndarray):
            return self.encode(value.tolist(), name, arrays)
        if isinstance(value, tuple):
            return {"tuple": self.encode(list(value), name, arrays)}
        if isinstance(value, list):
            return [super(Parameter, self)._encode(item, name, arrays) for item in value]
        return super()._encode(value, name, arrays)

    def _decode(self, found: Any, name: str, arrays: Arrays) -> Any:
        if isinstance(found, dict) and found.keys() == {"tuple"}:
            if not isinstance(found["tuple"], list):
                raise refuse(name, "a list of the tuple's items", found["tuple"])
            return tuple(self.decode(found["tuple"], name, arrays))
        if isinstance(found, list):
            if len(found) > self.longest:
                raise refuse(name, f"a list of at most {self.longest}", found)
            return [super(Parameter, self)._decode(item, name, arrays) for item in found]
        return super()._decode(found, name, arrays)


@dataclass(frozen=True)
class Maybe(Kind):
    """None, or another kind."""

    kind: Kind

    def _encode(self, value: Any, name: str, arrays: Arrays) -> Any:
        return None if value is None else self.kind.encode(value, name, arrays)

    def _decode(self, found: Any, name: str, arrays: Arrays) -> Any:
        return None if found is None else self.kind.decode(found, name, arrays)


@dataclass(frozen=True)
class Lacking(Kind):
    """An attribute that a fitted detector may lack."""

    kind: Kind

    def _encode(self, value: Any, name: str, arrays: Arrays) -> Any:
        return self.kind.encode(value, name, arrays)

    def _decode(self, found: Any, name: str, arrays: Arrays) -> Any:
        return self.kind.decode(found, name, arrays)


@dataclass(frozen=True)
class Items(Kind):
    """A tuple of so many items of one kind, or of fewer, down to `least`."""

    kind: Kind
    length: int
    least: int | None = None

    def _encode(self, value: Any, name: str, arrays: Arrays) -> Any:
        return [self.kind.encode(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]

    def _decode(self, found: Any, name: str, arrays: Arrays) -> tuple[Any, ...]:
        least = self.length if self.least is None else self.least
        if not isinstance(found, list) or not least <= len(found) <= self.length:
            allowed = str(least) if least == self.length else f"{least} to {self.length}"
            raise refuse(name, f"a list of {allowed}", found)
        return tuple(self.kind.decode(item, f"{name}.{i}", arrays) for i, item in enumerate(found))


IMAGE_SHAPE = Items(Integer(1, 2**31), 3)


@dataclass(frozen=True)
class Texts(Kind):
    """A one-dimensional array of texts, such as names of columns."""

    def _encode(self, value: Any, name: str, arrays: Arrays) -> Any:
        return [str(item) for item in value]

    def _decode(self, found: Any, name: str, arrays: Arrays) -> NDArray[Any]:
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise refuse(name, "a list of texts", found)
        return np.array(found, dtype=object)


@dataclass(frozen=True)
class Table(Kind):
    """A dict from some names to one kind."""

    kind: Kind
    names: tuple[str, ...] | None = None  # that it may have; None: any

    def _encode(self, value: Any, name: str, arrays: Arrays) -> Any:
        return {k: self.kind.encode(item, f"{name}.{k}", arrays) for k, item in value.items()}

    def _decode(self, found: Any, name: str, arrays: Arrays) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise refuse(name, "an object", found)
        if self.names is not None and not found.keys() <= set(self.names):
            raise refuse(name, f"an object with keys among {self.names}", sorted(found))
        return {k: self.kind.decode(item, f"{name}.{k}", arrays) for k, item in found.items()}


@dataclass(frozen=True)
class Array(Kind):
    """An array of one dtype, of so many dimensions, whose numbers are finite and in a range."""

    dtype: str
    ndim: int | tuple[int, ...]
    low: float = -math.inf
    high: float = math.inf
    finite: bool = True

    def _encode(self, value: Any, name: str, arrays: Arrays) -> str:
        arrays[name] = np.ascontiguousarray(value).reshape(np.shape(value))
        return _IN_JSON

    def _decode(self, found: Any, name: str, arrays: Arrays) -> NDArray[Any]:
        array = _taken(found, name, arrays)
        ndims = (self.ndim,) if isinstance(self.ndim, int) else self.ndim
        if array.dtype != np.dtype(self.dtype) or array.ndim not in ndims or array.size == 0:
            dimensions = " or ".join(map(str, ndims))
            allowed = f"an array {np.dtype(self.dtype)} of {dimensions} dimensions, not empty"
            raise refuse(name, allowed, array)
        if self.finite:
            low, high = array.min(), array.max()  # NaN if there is one
            if not (np.isfinite([low, high]).all() and self.low <= low and high <= self.high):
                allowed = f"of finite numbers from {self.low:g} to {self.high:g}"
                raise refuse(name, allowed, f"from {low} to {high}")
        return array


@dataclass(frozen=True)
class Weights(Kind):
    """A network's weights by name. They are read as arrays: a network is made of them later."""

    largest: float = 1e6  # of the real numbers: what is between two norms stays finite

    def _encode(self, value: nn.Module, name: str, arrays: Arrays) -> list[str]:
        tensors = {k: v.detach().cpu().numpy() for k, v in value.state_dict().items()}
        arrays |= {f"{name}.{k}": np.array(v, order="C") for k, v in tensors.items()}
        return list(tensors)

    def _decode(self, found: Any, name: str, arrays: Arrays) -> StoredWeights:
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise refuse(name, "a list of names of weights", found)
        weights = StoredWeights({k: _taken(_IN_JSON, f"{name}.{k}", arrays) for k in found})
        for key, array in weights.items():
            real = array.dtype.kind == "f"
            if real and not (np.abs(array) <= self.largest).all():
                raise refuse(f"{name}.{key}", f"of numbers up to {self.largest:g}", array)
        return weights


def _taken(found: Any, name: str, arrays: Arrays) -> NDArray[Any]:
    if found != _IN_JSON or name not in arrays:
        raise refuse(name, "an array", found if found != _IN_JSON else "missing")
    return arrays.pop(name)


@dataclass(frozen=True)
class Made(Kind):
    """An object that is made of parts, each of a kind of its own.

    Attributes
    ----------
    kinds : mapping of str to Kind
    make : callable (**parts) -> object
        May raise ValueError for parts that do not agree.
    part : callable (object, name) -> value, default=getattr
    """

    kinds: Mapping[str, Kind]
    make: Callable[..., Any]
    part: Callable[[Any, str], Any] = field(default=getattr)

    def _encode(self, value: Any, name: str, arrays: Arrays) -> dict[str, Any]:
        return {
            k: kind.encode(self.part(value, k), f"{name}.{k}", arrays)
            for k, kind in self.kinds.items()
        }

    def _decode(self, found: Any, name: str, arrays: Arrays) -> Any:
        if not isinstance(found, dict) or found.keys() != self.kinds.keys():
            raise refuse(name, f"an object with the keys {tuple(self.kinds)}", found)
        parts = {k: kind.decode(found[k], f"{name}.{k}", arrays) for k, kind in self.kinds.items()}
        return self.make(**parts)


_FIELDS: dict[type[Any], dict[str, Kind]] = {}


def stored(**kinds: Kind) -> Callable[[ClassT], ClassT]:
    """Decorate a dataclass that files may have, with the kind of each field.

    A method ``check_stored()`` of the class, where there is one, refuses fields that do not agree.
    """

    def decorate(cls: ClassT) -> ClassT:
        _FIELDS[cls] = kinds
        return cls

    return decorate


def record(cls: type[Any]) -> Made:
    """The kind of the objects of a dataclass that is :func:`stored`."""

    def make(**parts: Any) -> Any:
        made = cls(**parts)
        if hasattr(made, "check_stored"):
            made.check_stored()
        return made

    return Made(_FIELDS[cls], make)
