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
    if not isinstance(value, tuple):
        check_integer(name, value, owner, minimum=1, remedy=remedy)
    elif len(phases) == 1 or len(value) != len(phases):
        names = f", or a tuple ({', '.join(phases)}) of ints" if len(phases) > 1 else ""
        raise ValueError(_message(name, value, owner, f"an int of at least 1{names}", remedy))
    else:
        for steps in value:
            check_integer(name, steps, owner, minimum=1, remedy=remedy)


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
