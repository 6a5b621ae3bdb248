"""Pictures of a folder in and out of a detector; what cannot be read is reported and skipped."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from skmmrr.datasets._images import pictures_in, read_image
from skmmrr.inspection._overlay import is_overlay

_FILES_AT_A_TIME = 128


@dataclass(frozen=True)
class Finding:
    """What a detector says of one file.

    Attributes
    ----------
    path : Path
    anomaly_score : float
        NaN for a file that cannot be read.
    abnormal : bool
        Whether the score is above the detector's threshold.
    p_value : float
        Conformal; NaN for detectors that were not calibrated.
    error : str
        Why the file cannot be read; empty for all others.
    """

    path: Path
    anomaly_score: float = float("nan")
    abnormal: bool = False
    p_value: float = float("nan")
    error: str = ""


def training_pictures(
    folder: str | os.PathLike[str],
    size: tuple[int, int],
    mode: str = "color",
    verbose: int = 0,
) -> tuple[list[Path], list[Finding]]:
    """Pictures to learn from, and the files that cannot be read.

    Parameters
    ----------
    folder : path-like
        Searched with all folders in it. Of a folder of MVTec AD's layout ``train/good`` is taken,
        so that its defects are not learned.
    size : tuple (height, width)
        To which pictures will be resized.
    mode : {"color", "grey"}, default="color"
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    paths : list of Path
        For :class:`skmmrr.preprocessing.LoadImages`.
    skipped : list of Finding
        With their errors.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no picture in it.
    """
    good = Path(folder) / "train" / "good"
    return readable_pictures(good if good.is_dir() else folder, size, mode, verbose)


def readable_pictures(
    folder: str | os.PathLike[str],
    size: tuple[int, int],
    mode: str = "color",
    verbose: int = 0,
) -> tuple[list[Path], list[Finding]]:
    """As :func:`training_pictures`, of any folder as it is."""
    paths, skipped = _files(Path(folder))
    sound = []
    for path in tqdm(paths, "reading", disable=not verbose):
        try:
            _read(path, size, mode)
            sound.append(path)
        except (ValueError, OSError) as error:
            skipped.append(Finding(path, error=str(error)))
    return sound, skipped


def score_folder(detector: Any, folder: str | os.PathLike[str], verbose: int = 0) -> list[Finding]:
    """Score all pictures of a folder, some at a time.

    Parameters
    ----------
    detector : estimator of this library
        Fitted on images; they tell the size and the channels that pictures are brought to.
    folder : path-like
        Searched with all folders in it. Of a folder of MVTec AD's layout ``test`` is taken.
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    findings : list of Finding
        In the order of the paths; those of unreadable files, which are never fatal, at their place.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no picture in it.
    ValueError
        If the detector was fitted on vectors, or on images of neither one nor three channels.
    """
    folder = Path(folder)
    if (folder / "test").is_dir() and (folder / "train").is_dir():
        folder = folder / "test"
    paths, findings = _files(folder)
    starts = range(0, len(paths), _FILES_AT_A_TIME)
    for start in tqdm(starts, "scoring", disable=not verbose):
        found, images = read_pictures(detector, paths[start : start + _FILES_AT_A_TIME])
        findings += _findings(detector, found, images)
        findings += [Finding(p, error=e) for p, e in found.items() if e]
    return sorted(findings, key=lambda finding: finding.path)


def read_pictures(detector: Any, paths: Sequence[Path]) -> tuple[dict[Path, str], NDArray[Any]]:
    """Errors of pictures, empty where there is none, and the images of those."""
    size, mode = taken_images(detector)
    errors, images = {}, []
    for path in paths:
        try:
            images.append(_read(path, size, mode))
            errors[path] = ""
        except (ValueError, OSError) as error:
            errors[path] = str(error)
    return errors, np.stack(images) if images else np.empty((0, *size), np.uint8)


def _read(path: Path, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    image = read_image(path, size, mode)
    if is_overlay(path):
        raise ValueError("It is an overlay that skmmrr score wrote.")
    return image


def taken_images(detector: Any) -> tuple[tuple[int, int], str]:
    """Size and mode of the images that a detector was fitted on."""
    check_is_fitted(detector)
    shape = detector.image_shape_
    if shape is None or shape[2] not in (1, 3):
        raise ValueError(
            f"This {type(detector).__name__} was fitted on "
            + ("vectors" if shape is None else f"images of {shape[2]} channels")
            + ", but pictures in a folder have one channel or three. Fit one with: skmmrr fit."
        )
    return shape[:2], "color" if shape[2] == 3 else "grey"


def _findings(detector: Any, errors: dict[Path, str], images: NDArray[Any]) -> Iterator[Finding]:
    if not len(images):
        return
    scores = -detector.score_samples(images)
    p_values = np.full(len(images), np.nan)
    if hasattr(detector, "calibration_scores_"):
        p_values = detector.p_values(images)
    sound = [path for path, error in errors.items() if not error]
    for path, score, p_value in zip(sound, scores, p_values, strict=True):
        yield Finding(path, float(score), bool(score > -detector.offset_), float(p_value))


def _files(folder: Path) -> tuple[list[Path], list[Finding]]:
    """Pictures by their extension, and all other files."""
    paths = pictures_in(folder, "**/*")
    files = {path for path in folder.glob("**/*") if not path.is_dir()}
    others = sorted(files - set(paths))
    return paths, [
        Finding(p, error="Its extension is not of a picture format that is read.") for p in others
    ]
