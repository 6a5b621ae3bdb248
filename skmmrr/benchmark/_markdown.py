"""Rows of the tables that the measurements print."""

from collections.abc import Iterable
from typing import SupportsFloat


def table_row(name: str, values: Iterable[SupportsFloat], digits: int = 3) -> str:
    """Markdown row of a name and numbers."""
    return f"| {name} | {' | '.join(f'{float(value):.{digits}f}' for value in values)} |"
