"""Detectors from files."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from skmmrr import baselines
from skmmrr.core.files import load_detector
from skmmrr.inspection._detector import PictureDetector
from skmmrr.mmrr.estimator import MMRRDetector

_CLASSES = {c.__name__: c for c in (MMRRDetector, PictureDetector)} | {
    name: found
    for name in baselines.__all__
    if isinstance(found := getattr(baselines, name), type)  # no preset
}


def load(
    path: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    limits: Mapping[str, int] | None = None,
) -> Any:
    """Read a detector that its method ``save`` wrote. Nothing in the file is run.

    A file may come from anybody: all of it is checked before a detector is made of it, and nothing
    much larger than the file is allocated. The digest detects damage, not forgery: it does not
    prove who wrote the file.

    Parameters
    ----------
    path : path-like
        The file.
    device : str or torch.device, default=None
        Where the detector is to score, if it has that parameter; None keeps what it was fitted
        with. What was fitted on a GPU loads anywhere.
    limits : mapping of str to int, default=None
        Higher limits than the usual ones, for files that you trust: "bytes", of the file (2**31);
        "characters", of the JSON in it (2**24); "n_levels", masking levels of a score (1000);
        "input_size", to which a pretrained network's images are resized (1024); "places" of its
        feature maps (2**16); "pixels", to which pictures are resized (2**24), and
        "tiles_per_pixel", that cover each of these (100).

    Returns
    -------
    detector : estimator
        Of the class that was saved. Its scores are bit for bit the same on the same machine.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    SavedFileError
        A ValueError, if the file is damaged, altered, above a limit, from a newer version, or not
        a saved detector. The message names the file, what was found and what is allowed.
    ImportError
        If safetensors is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import skmmrr
    >>> from skmmrr.baselines import KDEDetector
    >>> detector = KDEDetector().fit([[0.0], [0.1], [0.2], [0.3]])
    >>> with TemporaryDirectory() as folder:
    ...     detector.save(Path(folder) / "model.safetensors")
    ...     again = skmmrr.load(Path(folder) / "model.safetensors")
    >>> bool(again.score_samples([[0.2]]) == detector.score_samples([[0.2]]))
    True
    """
    return load_detector(path, _CLASSES, device, limits)
