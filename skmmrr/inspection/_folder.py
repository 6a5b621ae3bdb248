"""Pictures of a folder in and out of a detector; what cannot be read is reported and skipped."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from skmmrr.datasets._images import pictures_in, read_image
from skmmrr.inspection._detector import PictureDetector
from skmmrr.inspection._overlay import Box, abnormal_boxes, is_overlay

MASKS = "ground_truth"  # the folder of masks in MVTec AD's layout
_NORMAL = ("good", "normal", "ok")


@dataclass(frozen=True)
class Finding:
    """What a detector says of one file.

    Attributes
    ----------
    path : Path
    kind : str
        The file's folder, relative to the searched folder; "." for the searched folder itself.
    anomaly_score : float
        NaN for a file that cannot be read.
    abnormal : bool
        Whether the score is above the detector's threshold.
    p_value : float
        Conformal p-value; NaN for a file that cannot be read.
    error : str
        Why the file cannot be read; empty for all others.
    anomaly_map : ndarray of float32 of shape (height, width) or None
        Where it was asked for.
    boxes : tuple of tuple (left, top, right, bottom)
        Around the abnormal regions of the map, in its pixels; see :func:`abnormal_boxes`.
    """

    path: Path
    kind: str = "."
    anomaly_score: float = float("nan")
    abnormal: bool = False
    p_value: float = float("nan")
    error: str = ""
    anomaly_map: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    boxes: tuple[Box, ...] = ()


def training_pictures(
    folder: str | os.PathLike[str], mode: str = "color", verbose: int = 0
) -> tuple[list[Path], list[Finding]]:
    """Find pictures to learn from, and report unreadable files.

    Parameters
    ----------
    folder : path-like
        Searched with all folders in it. Of a folder with MVTec AD's layout ``train/good`` is taken,
        and where some folders are called good, else normal or ok, these: defects are not
        learned.
    mode : {"color", "grey"}, default="color"
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    paths : list of Path
        For :class:`PictureDetector`.
    skipped : list of Finding
        With their errors.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no picture in it.
    """
    good, folder = Path(folder) / "train" / "good", Path(folder)
    if good.is_dir():
        return readable_pictures(good, mode, verbose)
    paths, others = _files(folder)
    normal = normal_kind([kind_of(path, folder) for path in paths])
    if normal is not None:
        paths = [path for path in paths if is_normal(kind_of(path, folder), normal)]
        others = [finding for finding in others if is_normal(finding.kind, normal)]
    return _readable(folder, paths, others, mode, verbose)


def readable_pictures(
    folder: Path, mode: str = "color", verbose: int = 0
) -> tuple[list[Path], list[Finding]]:
    """As :func:`training_pictures`, of any folder as it is."""
    return _readable(folder, *_files(folder), mode, verbose)


def _readable(
    folder: Path, paths: Sequence[Path], skipped: list[Finding], mode: str, verbose: int
) -> tuple[list[Path], list[Finding]]:
    sound = []
    for path in tqdm(paths, "checking", disable=not verbose):
        try:
            read_image(path, None, mode)
            _refuse_overlay(path)
            sound.append(path)
        except (ValueError, OSError) as error:
            skipped.append(Finding(path, kind_of(path, folder), error=str(error)))
    return sound, skipped


def score_folder(
    detector: PictureDetector, folder: str | os.PathLike[str], verbose: int = 0
) -> list[Finding]:
    """Score all pictures in a folder and its subfolders.

    Parameters
    ----------
    detector : PictureDetector
        Fitted.
    folder : path-like
        Searched with all folders in it. Of a folder with MVTec AD's layout ``test`` is taken.
    verbose : int, default=0
        1 shows progress, with the time left.

    Returns
    -------
    findings : list of Finding
        In the order of the paths; those of unreadable files, which are never fatal, at their place.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no picture in it.
    """
    return inspect_for([], detector, folder, verbose)


def inspect_folder(
    detector: PictureDetector,
    folder: str | os.PathLike[str],
    *,
    maps: bool = True,
    verbose: int = 0,
) -> Iterator[Finding]:
    """Score the pictures of a folder one after the other, with their maps.

    Parameters
    ----------
    detector : PictureDetector
        Fitted.
    folder : path-like
        As in :func:`score_folder`.
    maps : bool, default=True
        Whether findings have maps and boxes, of a detector that has maps.
    verbose : int, default=0
        1 shows progress, with the time left.

    Yields
    ------
    finding : Finding
        Not in the order of the paths. Maps are not kept here: a folder may have more of them than
        the memory.
    """
    check_is_fitted(detector)
    detector._check_threshold()
    folder = inspected_folder(folder)
    paths, others = _files(folder)
    yield from others
    overlays = [path for path in paths if is_overlay(path)]
    for path in overlays:
        yield Finding(path, kind_of(path, folder), error=_OVERLAY)
    has_maps = maps and hasattr(detector, "anomaly_map")
    paths = sorted(set(paths).difference(overlays))
    for path, judged in detector.judge_files(paths, maps=has_maps, verbose=verbose):
        kind = kind_of(path, folder)
        if isinstance(judged, Exception):
            yield Finding(path, kind, error=str(judged))
            continue
        score, anomaly_map = judged
        boxes: Sequence[Box] = ()
        if anomaly_map is not None and detector.map_thresholds_ is not None:
            boxes = abnormal_boxes(anomaly_map, detector.map_thresholds_)
        p_value = float(detector._p_values(np.array([-score]))[0])
        abnormal = score > -detector.offset_
        yield Finding(path, kind, score, abnormal, p_value, "", anomaly_map, tuple(boxes))


def inspect_for(
    uses: Sequence[Callable[[Finding], object]],
    detector: PictureDetector,
    folder: str | os.PathLike[str],
    verbose: int = 0,
) -> list[Finding]:
    """Hand each finding to all who use it; return them without maps, in the order of the paths."""
    findings = []
    for finding in inspect_folder(detector, folder, maps=bool(uses), verbose=verbose):
        for use in uses:
            use(finding)
        findings.append(replace(finding, anomaly_map=None))
    return sorted(findings, key=lambda finding: finding.path)


def inspected_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder that is searched: ``test`` in MVTec AD's layout."""
    folder = Path(folder)
    is_mvtec = (folder / "test").is_dir() and (folder / "train").is_dir()
    return folder / "test" if is_mvtec else folder


def normal_kind(kinds: Sequence[str], named: str | None = None) -> str | None:
    """The kind of the normal pictures: as named, or called good, normal or ok; None if none is.

    Several kinds may be normal, such as "left/good" and "right/good": then it is their last name.
    """
    lasts = sorted({kind.split("/")[-1] for kind in kinds})
    called = [last for name in _NORMAL for last in lasts if last.lower() == name]
    for name in called if named is None else [named]:
        found = {kind for kind in kinds if is_normal(kind, name)}
        if found:
            return found.pop() if len(found) == 1 else name
    if named is not None:
        raise ValueError(f"There is no kind {named!r} of pictures, only {sorted(set(kinds))}.")
    return None


def is_normal(kind: str, normal: str) -> bool:
    """Whether a kind is that of the normal pictures, as :func:`normal_kind` has it."""
    return normal in (kind, kind.split("/")[-1])


def label_of(kind: str, normal: str | None) -> Literal["normal", "abnormal", ""]:
    """What a kind says of its pictures; "" for those in no subfolder, of which nothing is known."""
    if normal is None or kind == "." != normal:
        return ""
    return "normal" if is_normal(kind, normal) else "abnormal"


_OVERLAY = "It is an overlay written by skmmrr score."


def _refuse_overlay(path: Path) -> None:
    if is_overlay(path):
        raise ValueError(_OVERLAY)


def kind_of(path: Path, folder: Path) -> str:
    """Kind of a picture: its folder, relative to the one that is searched."""
    return path.parent.relative_to(folder).as_posix()


def _files(folder: Path) -> tuple[list[Path], list[Finding]]:
    """Pictures by their extension, and all other files; masks are neither."""
    masks = folder / MASKS
    paths = [path for path in pictures_in(folder, "**/*") if masks not in path.parents]
    files = {path for path in folder.glob("**/*") if not path.is_dir()}
    others = sorted(path for path in files.difference(paths) if masks not in path.parents)
    error = "Its extension is not that of a supported picture format."
    return paths, [Finding(p, kind_of(p, folder), error=error) for p in others]
