"""The order of the gallery, and the arguments with which its examples take a minute or two."""

from pathlib import Path
from typing import Any

from sphinx_gallery.sorting import FileNameSortKey

_ORDER = (
    "parts",
    "tables",
    "thresholds",
    "comparison",
    "digits",
    "detectors",
    "own_backbone",
    "dask",
)
_PICTURES = ["--pictures", "../docs/_build/pictures"]
_ARGUMENTS = {
    "plot_digits.py": ["--digits", "8", *_PICTURES],
    "plot_detectors.py": _PICTURES,
    "plot_tables.py": _PICTURES,
}


def example_arguments(gallery: dict[str, Any], script: dict[str, Any]) -> list[str]:
    """Arguments of an example; the examples of the gallery see them as ``sys.argv[1:]``."""
    return _ARGUMENTS.get(Path(script["src_file"]).name, [])


class ExampleOrder(FileNameSortKey):
    """From first steps to what few need; examples without a place in the order come last."""

    def __call__(self, filename: str) -> tuple[int, str]:
        """Place of an example."""
        name = Path(filename).stem.removeprefix("plot_")
        return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)
