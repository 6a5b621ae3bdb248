"""Packages that extras bring, imported where they are used and not before."""

from importlib import import_module
from typing import Any


def import_extra(module: str, extra: str, owner: str) -> Any:
    """Import a module, or say which extra brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{owner} needs {module.partition('.')[0]}. Install it: pip install 'skmmrr[{extra}]'."
        ) from error


def import_pandas(owner: str) -> Any:
    """Import pandas, or say how to get it."""
    return import_extra("pandas", "benchmark", owner)
