"""Run the Python code of the guide and of the README: ``python docs/check_snippets.py [page ...]``.

Blocks of a page share their names and an empty folder. A block without a language that follows is
what they print. Blocks of other languages are not run.
"""

import contextlib
import doctest
import io
import os
import re
import sys
import tempfile
import time
from pathlib import Path

_BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
_HOW = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def main() -> None:
    """Run the pages named on the command line, or all."""
    docs = Path(__file__).resolve().parent
    pages = [Path(name).resolve() for name in sys.argv[1:]]
    os.environ["MPLBACKEND"] = "agg"
    for page in pages or [docs.parent / "README.md", *sorted(docs.glob("guide/*.md"))]:
        start, text = time.perf_counter(), page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            names = {"__name__": "__main__"}
            for block in _BLOCK.finditer(text):
                lines = "\n" * text.count("\n", 0, block.start("code"))  # for tracebacks
                output = io.StringIO()
                with contextlib.redirect_stdout(output):
                    exec(compile(lines + block["code"], page, "exec"), names)
                _compare(block["printed"], output.getvalue(), f"{page}:{len(lines)}")
            os.chdir("/")
        sys.stderr.write(f"{page.name}: {time.perf_counter() - start:.0f} s\n")


def _compare(expected: str | None, printed: str, where: str) -> None:
    if expected is not None and not doctest.OutputChecker().check_output(expected, printed, _HOW):
        sys.exit(f"{where} prints\n{printed}and the page has\n{expected}")


if __name__ == "__main__":
    main()
