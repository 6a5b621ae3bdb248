"""Names of files as text: they may hold control characters, and bytes that are no UTF-8."""

import unicodedata

_ESCAPED = {"Cc", "Cs", "Zl", "Zp"}  # control characters, bytes that are no UTF-8, line separators


def printable(text: object) -> str:
    r"""A text on one line that any file and terminal takes, escaped as Python does: ``\r``."""
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in _ESCAPED else c
        for c in str(text)
    )


def table_cell(text: object) -> str:
    """A printable text that no spreadsheet runs as a formula, by OWASP's rule on CSV injection."""
    cell = printable(text)
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
