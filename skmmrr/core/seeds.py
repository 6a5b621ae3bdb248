"""From a seed to generators, in one place; the global random states are never touched."""

from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from skmmrr.core.validation import shown


def draw_seed(random_state: Any) -> int:
    """Resolve scikit-learn's `random_state` (None, int or RandomState) to one seed.

    None takes fresh entropy, where scikit-learn would draw from numpy's global state.
    """
    if random_state is None:
        return int(np.random.default_rng().integers(2**31 - 1))
    return int(random_state_of(random_state).randint(2**31 - 1))


def random_state_of(random_state: Any) -> np.random.RandomState:
    """Resolve scikit-learn's `random_state` to a generator; None to a fresh one."""
    if random_state is None:
        return np.random.RandomState()
    try:
        generator: np.random.RandomState = check_random_state(random_state)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            "The parameter 'random_state' must be None, an int from 0 to 2**32 - 1, or a "
            f"numpy.random.RandomState. Got {shown(random_state)} of type "
            f"{type(random_state).__name__}. Of a Generator take generator.integers(2**32)."
        ) from error
    return generator


def numpy_generator(seed: int, *key: int | float | str) -> np.random.Generator:
    """Numpy generator for one use of a seed; different keys give independent streams."""
    return np.random.default_rng(_sequence(seed, key))


def torch_generator(
    seed: int, *key: int | float | str, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Torch generator for one use of a seed; different keys give independent streams."""
    state = _sequence(seed, key).generate_state(1, np.uint64)
    return torch.Generator(device=device).manual_seed(int(state[0] >> 1))


def member_key(member: int) -> tuple[int, ...]:
    """Key of a network of an ensemble; the first one draws as one alone, whatever is added."""
    return (member,) if member else ()


def _sequence(seed: int, key: tuple[int | float | str, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, *(word for part in key for word in _words(part))])


def _words(part: int | float | str) -> list[int]:
    if isinstance(part, str):
        return list(part.encode())
    if isinstance(part, float):
        return [int(word) for word in np.frombuffer(np.float64(part).tobytes(), np.uint32)]
    return [part]
