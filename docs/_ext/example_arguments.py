"""What the gallery gives the examples on their command line: a part that takes a minute or two."""

from pathlib import Path
from typing import Any

_PICTURES = ["--pictures", "../docs/_build/pictures"]
_ARGUMENTS = {
    "plot_digits.py": ["--digits", "8", *_PICTURES],
    "plot_detectors.py": _PICTURES,
    "plot_tables.py": _PICTURES,
}


def example_arguments(gallery: dict[str, Any], script: dict[str, Any]) -> list[str]:
    """Arguments of an example; the examples of the gallery see them as ``sys.argv[1:]``."""
    return _ARGUMENTS.get(Path(script["src_file"]).name, [])
