"""Run the Python code of the guide and of the README: ``python docs/check_snippets.py [page ...]``.

Blocks of a page share their names and an empty folder. Blocks of other languages are not run.
"""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Run the pages named on the command line, or all."""
    docs = Path(__file__).resolve().parent
    pages = [Path(name).resolve() for name in sys.argv[1:]]
    pages = pages or [docs.parent / "README.md", *sorted(docs.glob("guide/*.md"))]
    os.environ["MPLBACKEND"] = "agg"
    for page in pages:
        start, text = time.perf_counter(), page.read_text()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            names = {"__name__": "__main__"}
            for block in _BLOCK.finditer(text):
                lines = "\n" * text.count("\n", 0, block.start(1))  # for line numbers in tracebacks
                exec(compile(lines + block[1], page, "exec"), names)
            os.chdir("/")
        sys.stderr.write(f"{page.name}: {time.perf_counter() - start:.0f} s\n")


if __name__ == "__main__":
    main()
