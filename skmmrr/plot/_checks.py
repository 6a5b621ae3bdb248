"""What displays are made of, checked before anything is drawn."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def numbers(
    name: str, values: Any, owner: str, shapes: str, n_dims: tuple[int, ...]
) -> NDArray[np.float64]:
    """Check for finite numbers of some dimensions, at least one."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.full((), np.nan)
    if found.ndim not in n_dims or found.size == 0 or not np.isfinite(found).all():
        raise ValueError(
            f"The parameter {name!r} of {owner} must be finite numbers of shape {shapes}. Got "
            f"{_described(values)}."
        )
    return found


def titles(values: Any, n: int, owner: str) -> None:
    """Check for None or a title for each sample."""
    if values is None:
        return
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != n:
        raise ValueError(
            f"The parameter 'titles' of {owner} must be None or a list of {n} texts, one a sample. "
            f"Got {_described(values)}."
        )


def names(name: str, values: Any, n: int, owner: str) -> list[str] | None:
    """Check for None or so many texts."""
    if values is None:
        return None
    is_list = isinstance(values, Iterable) and not isinstance(values, str)
    found = [str(value) for value in values] if is_list else []
    if not is_list or len(found) != n:
        raise ValueError(
            f"The parameter {name!r} of {owner} must be None or {n} texts. Got "
            f"{_described(values)}."
        )
    return found


def mapping(name: str, values: Any, owner: str, keys: Sequence[str], source: str) -> None:
    """Check for a mapping, or Bunch, that has some keys."""
    if not isinstance(values, Mapping) or not set(keys) <= values.keys():
        raise ValueError(
            f"The parameter {name!r} of {owner} must have {', '.join(keys)}, as {source} has. Got "
            f"{_described(values)}."
        )


def able(estimator: Any, attribute: str, owner: str) -> None:
    """Check for a detector that has a method, or an attribute that a fit gives."""
    if isinstance(estimator, type) or not hasattr(estimator, attribute):
        remedy = "Call fit first." if attribute.endswith("_") else "Take one that has it."
        raise ValueError(
            f"The estimator of {owner}.from_estimator must be a fitted detector with {attribute}. "
            f"Got {_described(estimator)}, which has none. {remedy}"
        )


def _described(values: Any) -> str:
    """A value as messages show it: shapes of arrays, and else no more than a line."""
    if isinstance(values, np.ndarray):
        return f"an array of shape {values.shape} and dtype {values.dtype}"
    if isinstance(values, Mapping):
        return f"a {type(values).__name__} of {list(values)}"
    if isinstance(values, Sequence) and not isinstance(values, str):
        return f"a {type(values).__name__} of length {len(values)}"
    try:
        return f"{values!r} of type {type(values).__name__}"[:200]
    except ValueError:  # ints beyond 4,300 digits have no text
        return type(values).__name__
