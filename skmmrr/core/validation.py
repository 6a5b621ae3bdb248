"""Checks of parameters: one template for every message."""

import numbers
import operator
from collections.abc import Sequence
from typing import Any


def check_integer(name: str, value: Any, owner: str, minimum: int, remedy: str = "") -> int:
    """Check for an int that is at least `minimum`."""
    allowed = f"an int of at least {minimum}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(_message(name, value, owner, allowed, remedy))
    number = operator.index(value)
    if number < minimum:
        raise ValueError(_message(name, value, owner, allowed, remedy))
    return number


def check_steps(
    name: str, value: Any, owner: str, phases: tuple[str, ...], remedy: str = ""
) -> None:
    """Check for an int that is at least 1, or a tuple of one for each of several phases."""
    allowed = "an int of at least 1"
    if len(phases) > 1:
        allowed += f", or a tuple ({', '.join(phases)}) of such ints"
    message = _message(name, value, owner, allowed, remedy)
    each = value if isinstance(value, tuple) and len(phases) > 1 else (value,) * len(phases)
    if any(isinstance(n, bool) or not isinstance(n, numbers.Integral) for n in each):
        raise TypeError(message)
    if len(each) != len(phases) or min(each) < 1:
        raise ValueError(message)


def check_integers(name: str, value: Any, owner: str, minimum: int, remedy: str = "") -> None:
    """Check for a tuple of ints, at least one, that are at least `minimum`."""
    message = _message(name, value, owner, f"a tuple of ints of at least {minimum}", remedy)
    if not isinstance(value, tuple) or any(
        isinstance(n, bool) or not isinstance(n, numbers.Integral) for n in value
    ):
        raise TypeError(message)
    if not value or min(value) < minimum:
        raise ValueError(message)


def check_real(
    name: str,
    value: Any,
    owner: str,
    low: float,
    high: float,
    remedy: str = "",
    bounds: str = "()",
) -> float:
    """Check for a number in an interval, whose brackets say which ends belong to it."""
    allowed = f"a number in {bounds[0]}{low:g}, {high:g}{bounds[1]}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(_message(name, value, owner, allowed, remedy))
    number = float(value)
    above = number >= low if bounds[0] == "[" else number > low
    below = number <= high if bounds[1] == "]" else number < high
    if not (above and below):
        raise ValueError(_message(name, value, owner, allowed, remedy))
    return number


def check_option(
    name: str, value: Any, owner: str, options: Sequence[str], remedy: str = ""
) -> str:
    """Check for one of some names."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(_message(name, value, owner, f"one of {tuple(options)}", remedy))
    return value


def check_bool(name: str, value: Any, owner: str) -> bool:
    """Check for True or False."""
    if type(value).__name__ not in ("bool", "bool_"):  # numpy's too
        raise TypeError(_message(name, value, owner, "True or False", ""))
    return bool(value)


def _message(name: str, value: Any, owner: str, allowed: str, remedy: str) -> str:
    message = f"The parameter {name!r} of {owner} must be {allowed}. Got {value!r}"
    message += f" of type {type(value).__name__}."
    return f"{message} {remedy}".rstrip()
