"""Files to write, tried before the work: it must not be lost, and replace nothing but its like."""

import re
import tempfile
from pathlib import Path

# What the files begin with that may be replaced, and what to call them.
_KINDS = {
    "model": rb'(?s).{8}\{"__metadata__":',  # safetensors: the length of a JSON text, and the text
    "ONNX model": rb"\x08[\x03-\x1f]",  # the version of ONNX
    "table of skmmrr score": rb'"?path"?,"?anomaly_score',
    "table of skmmrr evaluate": rb'"?kind"?,"?pictures',
    "HTML page": rb"<!doctype html>",
}


def check_output(option: str, path: Path, kind: str) -> None:
    """Refuse a file that could not be written, or that exists and is of another kind."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{option}: there is no folder {path.parent} to write to. Make it.")
    try:  # under the name that is written before the file is replaced, which may be too long
        tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent).close()
    except OSError as error:
        raise _unwritable(option, path, error) from error
    if path.is_dir():
        raise IsADirectoryError(f"{option}: {path} is a folder. Name a file to write.")
    if path.exists() and not _may_be_replaced(path, kind):
        raise FileExistsError(
            f"{option}: {path} exists and is not of the kind {kind!r}, so it is not replaced. Name "
            "another file, or remove it."
        )


def check_output_folder(option: str, path: Path) -> None:
    """Refuse a folder that could not be made or written to."""
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"{option}: {nearest} is not a folder. Name a folder to write to.")
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise _unwritable(option, path, error) from error


def _may_be_replaced(path: Path, kind: str) -> bool:
    if not path.is_file():  # a device, or a FIFO
        return False
    with path.open("rb") as file:
        beginning = file.read(64)
    return not beginning or re.match(_KINDS[kind], beginning) is not None


def _unwritable(option: str, path: Path, error: OSError) -> OSError:
    return OSError(f"{option}: {path} cannot be written: {error.strerror}. Name another place.")
