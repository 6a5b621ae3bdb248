"""Where data sets lie, and what to say when they do not."""

import os
from collections.abc import Iterable
from pathlib import Path

from skmmrr.core.validation import check_path

_VARIABLE = "SKMMRR_DATA"


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Folder under which the data sets lie.

    Parameters
    ----------
    data_home : path-like, default=None
        The folder. None takes the environment variable ``SKMMRR_DATA``, and where that is not
        set ``~/.cache/skmmrr``.

    Returns
    -------
    data_home : Path
        It need not exist.

    Examples
    --------
    >>> from skmmrr.datasets import get_data_home
    >>> get_data_home("pictures").name
    'pictures'
    """
    if data_home is not None:
        return check_path("data_home", data_home, "skmmrr.datasets").expanduser()
    return Path(os.environ.get(_VARIABLE) or Path.home() / ".cache" / "skmmrr")


def find_file(
    data_home: str | os.PathLike[str] | None, folders: Iterable[str], names: Iterable[str]
) -> Path:
    """First existing ``data_home/folder/name``; a FileNotFoundError that says where it looked."""
    home = get_data_home(data_home)
    candidates = [home / folder / name for name in names for folder in folders]
    for path in candidates:
        if path.is_file():
            return path
    looked = "\n  ".join(map(str, candidates))
    raise FileNotFoundError(
        f"No such file of the data set. Looked for:\n  {looked}\nName the folder that has it by "
        f"data_home or by the environment variable {_VARIABLE}, or fetch the set with "
        "skmmrr.datasets.fetch."
    )


def corrupt(path: Path, found: str) -> ValueError:
    """Error for a file that is not what its name says."""
    return ValueError(f"{path} is damaged or of another format: {found}. Fetch it again.")
