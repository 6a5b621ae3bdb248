"""How well a detector does on pictures whose kinds are known."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from skmmrr.datasets._images import find_masks, pictures_in, read_mask
from skmmrr.inspection._detector import PictureDetector
from skmmrr.inspection._folder import (
    MASKS,
    Finding,
    inspect_for,
    inspected_folder,
    is_normal,
    kind_of,
    label_of,
    normal_kind,
)
from skmmrr.metrics import aupro_score, pixel_roc_auc_score

_LARGEST_SIDE = 256  # of maps and masks in the metrics of pixels

COLUMNS = (
    "kind",
    "pictures",
    "abnormal",
    "missed",
    "false_alarms",
    "image_auroc",
    "pixel_auroc",
    "aupro",
)


@dataclass(frozen=True)
class Labels:
    """What is known of the pictures of a folder.

    Attributes
    ----------
    folder : Path
        That is searched.
    normal : str
        The kind of the normal pictures.
    masks : mapping of Path to Path
        Of the abnormal pictures; empty where the folder has none.
    """

    folder: Path
    normal: str
    masks: Mapping[Path, Path]

    @classmethod
    def of(cls, folder: str | os.PathLike[str], normal: str | None = None) -> "Labels":
        """Read a folder's layout: a folder a kind, or MVTec AD's; masks in ``ground_truth``.

        Raises
        ------
        FileNotFoundError
            If there is no picture, or an abnormal one has no mask where others have.
        ValueError
            If no kind is known to be the normal one, or there is no other.
        """
        searched, masks = inspected_folder(folder), Path(folder) / MASKS
        paths = [p for p in pictures_in(searched, "**/*") if masks not in p.parents]
        kinds = sorted({kind_of(path, searched) for path in paths})
        normal = normal_kind(kinds, normal)
        if normal is None:
            raise ValueError(
                f"No subfolder of {searched} is called good, normal or ok. Pass the normal one as "
                f"normal=... (--normal on the command line): one of {kinds}."
            )
        labels = {kind: label_of(kind, normal) for kind in kinds}
        if "abnormal" not in labels.values():
            raise ValueError(
                f"{searched} has pictures of one kind, {normal!r}. Put abnormal ones into "
                "folders beside it."
            )
        abnormal = [path for path in paths if labels[kind_of(path, searched)] == "abnormal"]
        found = find_masks(masks, abnormal, searched) if masks.is_dir() else {}
        for mask in found.values():  # all can be read: else the work is lost
            read_mask(mask, (1, 1))
        return cls(searched, normal, found)


class Evaluation:
    """Metrics, from findings that are added one by one.

    Parameters
    ----------
    labels : Labels
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._findings: list[Finding] = []
        self._maps: dict[Path, NDArray[np.float32]] = {}
        self._masks: dict[Path, NDArray[np.bool]] = {}

    def add(self, finding: Finding) -> None:
        """Add a finding; its map is kept with 256 pixels a side at most."""
        if finding.error or not label_of(finding.kind, self._labels.normal):
            return
        self._findings.append(finding)
        if finding.anomaly_map is None or not self._labels.masks:
            return
        height, width = finding.anomaly_map.shape
        share = min(1.0, _LARGEST_SIDE / max(height, width))
        size = max(1, round(height * share)), max(1, round(width * share))
        small = Image.fromarray(finding.anomaly_map).resize(size[::-1], Image.Resampling.BOX)
        mask = self._labels.masks.get(finding.path)
        self._maps[finding.path] = np.asarray(small)
        self._masks[finding.path] = np.zeros(size, bool) if mask is None else read_mask(mask, size)

    def rows(self) -> list[dict[str, object]]:
        """A row for each kind, compared with the normal one, and one for all; see ``COLUMNS``."""
        normal = self._labels.normal
        good = [f for f in self._findings if is_normal(f.kind, normal)]
        kinds = sorted({f.kind for f in self._findings if not is_normal(f.kind, normal)})
        own = {kind: [f for f in self._findings if f.kind == kind] for kind in kinds}
        rows = [self._row(kind, found, good, found) for kind, found in own.items()]
        bad = [f for found in own.values() for f in found]
        everything = self._row("all", bad, good, [*good, *bad])
        return [*rows, self._row(normal, [], good, good), everything]

    def _row(
        self,
        kind: str,
        bad: Sequence[Finding],
        good: Sequence[Finding],
        counted: Sequence[Finding],
    ) -> dict[str, object]:
        both = [*good, *bad]
        row: dict[str, object] = {
            "kind": kind,
            "pictures": len(counted),
            "abnormal": sum(f.abnormal for f in counted),
            "missed": sum(not f.abnormal for f in bad) if bad else "",
            "false_alarms": sum(f.abnormal for f in good) if counted is not bad else "",
        }
        if bad and good:
            anomalous = [False] * len(good) + [True] * len(bad)
            row["image_auroc"] = float(roc_auc_score(anomalous, [f.anomaly_score for f in both]))
            row |= self._pixels([f.path for f in both if f.path in self._maps])
        return {column: row.get(column, "") for column in COLUMNS}

    def _pixels(self, paths: Sequence[Path]) -> dict[str, object]:
        masks, maps = [self._masks[p] for p in paths], [self._maps[p] for p in paths]
        if not any(mask.any() for mask in masks):
            return {}
        return {"pixel_auroc": pixel_roc_auc_score(masks, maps), "aupro": aupro_score(masks, maps)}


def evaluate_folder(
    detector: PictureDetector,
    folder: str | os.PathLike[str],
    *,
    normal: str | None = None,
    verbose: int = 0,
) -> list[dict[str, object]]:
    """Evaluate a detector on labelled folders of pictures.

    Parameters
    ----------
    detector : PictureDetector
        Fitted.
    folder : path-like
        With a folder for each kind of picture, or with MVTec AD's layout, whose ``test`` is taken;
        pictures in none of these folders are left out. Masks of abnormal pictures, nonzero where
        they are abnormal, may lie in a folder ``ground_truth`` with the same subfolders, named as
        the picture or with ``_mask`` appended.
    normal : str, default=None
        The kind of the normal pictures; None takes one that is called good, normal or ok.
    verbose : int, default=0
        1 shows progress, with the time left.

    Returns
    -------
    rows : list of dict
        For each kind, and for "all": ``kind``; ``pictures``; how many are ``abnormal``, above the
        detector's threshold; ``missed``, abnormal kinds' that are not; ``false_alarms``, the normal
        kind's that are; ``image_auroc``, against the normal kind; and where there are masks and
        maps ``pixel_auroc`` and ``aupro``, over the kind's pictures and the normal ones, in maps
        of 256 pixels a side at most. What does not apply is "".

    Raises
    ------
    FileNotFoundError, ValueError
        If the normal kind is not known, there is no other, or an abnormal picture lacks its mask
        where others have one.
    """
    evaluation = Evaluation(Labels.of(folder, normal))
    inspect_for([evaluation.add], detector, folder, verbose=verbose)
    return evaluation.rows()
