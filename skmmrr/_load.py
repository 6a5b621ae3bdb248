"""Detectors from files."""

import os
from typing import Any

import torch

from skmmrr import baselines
from skmmrr.core.files import load_detector
from skmmrr.mmrr.estimator import MMRRDetector

_CLASSES = {"MMRRDetector": MMRRDetector} | {c: getattr(baselines, c) for c in baselines.__all__}


def load(path: str | os.PathLike[str], *, device: str | torch.device | None = None) -> Any:
    """Read a detector that its method ``save`` wrote. Nothing in the file is run.

    Parameters
    ----------
    path : path-like
        The file.
    device : str or torch.device, default=None
        Where the detector is to score, if it has that parameter; None keeps what it was fitted
        with. What was fitted on a GPU loads anywhere.

    Returns
    -------
    detector : estimator
        Of the class that was saved. Its scores are bit for bit the same on the same machine.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, altered, of a newer version, or something else; it is named.
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
    return load_detector(path, _CLASSES, device)
