"""Tables on disk: ADBench's files, and CSV."""

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skmmrr._extras import import_pandas
from skmmrr.core.labels import is_anomaly
from skmmrr.core.validation import check_path
from skmmrr.datasets._home import corrupt, get_data_home

PathLike = str | os.PathLike[str]


def load_adbench(name: PathLike, *, data_home: PathLike | None = None) -> Bunch:
    """Read a set of ADBench, which must be on disk.

    Parameters
    ----------
    name : path-like
        A file, or the name of one in the data home or its folder ``adbench``, with or without its
        number: "cardio" is ``6_cardio.npz``.
    data_home : path-like, default=None
        See :func:`get_data_home`.

    Returns
    -------
    table : Bunch
        - ``data``: ndarray of shape (n_samples, n_features);
        - ``target``: ndarray of int64 of shape (n_samples,), +1 for normal, -1 for anomalies;
        - ``DESCR``.

    Raises
    ------
    FileNotFoundError
        If there is no such file; it says where it was looked for.
    ValueError
        If the file is damaged, or has no arrays X and y of one length.

    Examples
    --------
    >>> from skmmrr.datasets import load_adbench
    >>> load_adbench("cardio", data_home="nowhere")
    Traceback (most recent call last):
    FileNotFoundError: There is no ADBench set 'cardio'...
    """
    path = _find(check_path("name", name, "load_adbench"), get_data_home(data_home))
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            X, y = arrays["X"], arrays["y"]
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, EOFError) as error:
        raise corrupt(path, str(error)) from error
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise corrupt(path, f"X has the shape {X.shape} and y {y.shape}")
    return _table(X, y, None, f"ADBench's {path.stem} (Han et al., 2022).")


def load_csv(path: PathLike, *, target: str | None = None, anomaly_label: Any = None) -> Bunch:
    r"""Read a table of numbers with a line of column names.

    Parameters
    ----------
    path : path-like
        File of comma-separated values.
    target : str, default=None
        The column of labels; None for a table without.
    anomaly_label : object, default=None
        The label of anomalies, as text, such as "broken". None takes numbers: +1 and -1 (anomaly),
        or 0 and 1 (anomaly).

    Returns
    -------
    table : Bunch
        - ``data``: ndarray of float64 of shape (n_samples, n_features);
        - ``target``: ndarray of int64 of shape (n_samples,), +1 for normal, -1 for anomalies; None
          without a column of labels;
        - ``feature_names``: list of str; ``DESCR``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If pandas is not installed.
    ValueError
        If there is no such column or label, a value is not a number or missing, or there is no row;
        the line and the column are in the message.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skmmrr.datasets import load_csv
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "parts.csv"
    ...     _ = path.write_text("width,weight,state\n1.0,2.5,good\n9.0,0.1,broken\n")
    ...     parts = load_csv(path, target="state", anomaly_label="broken")
    >>> parts.data[1], parts.target, parts.feature_names
    (array([9. , 0.1]), array([ 1, -1]), ['width', 'weight'])
    """
    path = check_path("path", path, "load_csv")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path} to read a table from.")
    cells = _read_csv(path)
    labels: Any = None
    if target is None and anomaly_label is not None:
        raise ValueError(
            "The parameter 'anomaly_label' of load_csv needs 'target', the column of the labels. "
            f"Got anomaly_label={anomaly_label!r} and target=None."
        )
    if target is not None:
        if target not in cells:
            raise ValueError(f"{path} has no column {target!r}. It has {list(cells)}.")
        labels = cells.pop(target)
        if anomaly_label is None:
            labels = _numbers(path, labels.to_frame())[:, 0]
        elif str(anomaly_label) not in set(labels):
            raise ValueError(
                f"{path} has no {anomaly_label!r} in its column {target!r}. It has "
                f"{sorted(set(labels))[:5]}."
            )
        else:
            anomaly_label = str(anomaly_label)
    data, names = _numbers(path, cells), list(cells)
    return _table(data, labels, anomaly_label, f"{len(data)} rows of {path}.", feature_names=names)


def _find(name: Path, home: Path) -> Path:
    if name.is_file():
        return name
    folders = [home / "adbench", home]
    found = [p for f in folders for p in sorted(f.glob("*.npz")) if _matches(p, str(name))]
    if not found:
        raise FileNotFoundError(
            f"There is no ADBench set {str(name)!r}: no such file, and no {name}.npz or "
            f"<number>_{name}.npz in {folders[0]} or {home}. Name the folder that has it by "
            "data_home or by the environment variable SKMMRR_DATA."
        )
    return found[0]


def _matches(path: Path, name: str) -> bool:
    number, _, rest = path.stem.partition("_")
    return path.stem == name or (number.isdigit() and rest == name)


def _read_csv(path: Path) -> Any:
    """Cells as text under their names; the index is the line, if no cell has a line break."""
    pd = import_pandas("load_csv")
    text = {"dtype": str, "na_filter": False, "skipinitialspace": True, "encoding": "utf-8-sig"}
    try:
        lines = pd.read_csv(path, header=None, skip_blank_lines=False, **text).map(str.strip)
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} is not a table with a header line: {error}") from error
    cells = lines[(lines != "").any(axis=1)].rename(index=lambda i: i + 1)
    if len(cells) < 2:
        raise ValueError(f"{path} needs a header line and a row. It has one line.")
    return cells.iloc[1:].set_axis(cells.iloc[0].tolist(), axis=1)


def _numbers(path: Path, cells: Any) -> NDArray[np.float64]:
    numbers = cells.apply(import_pandas("load_csv").to_numeric, errors="coerce")
    for row, column in np.argwhere(numbers.isna().to_numpy())[:1]:
        raise ValueError(
            f"{path} has {cells.iloc[row, column]!r} in line {cells.index[row]}, column "
            f"{cells.columns[column]!r}, where a number is wanted."
        )
    return np.asarray(numbers, np.float64)


def _table(X: NDArray[Any], y: Any, anomaly_label: Any, description: str, **more: Any) -> Bunch:
    target = None if y is None else np.where(is_anomaly(y, anomaly_label), -1, 1)
    return Bunch(data=X, target=target, DESCR=description, **more)
