"""Warnings that point at the user's line."""

import sys
import warnings


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as from the innermost frame outside this library."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("skmmrr."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
