"""A file that a long fit writes as it goes, and goes on from when it is started again."""

import hashlib
import io
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from skmmrr.core.files import write_atomically

_SECONDS = 60.0  # between two saves, at the least
_BLOCK = 1024  # samples that are hashed at a time
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of a function in memory, which is no part of a fit


class Checkpoint:
    """The file of one fit.

    Parameters
    ----------
    path : Path
    description : str
        Of the fit: every number that it depends on, besides its samples and first weights.
    owner : str
        Whose fit it is, for error messages.
    """

    def __init__(self, path: Path, description: str, owner: str) -> None:
        self.path, self.owner = path, owner
        self.description = f"{owner}\n{_ADDRESS.sub('', description)}\n{torch.__version__}"
        self.fit, self.saved_at = "", 0.0

    def open(
        self, X: NDArray[Any], parts: list[NDArray[Any]], device: torch.device
    ) -> dict[str, Any] | None:
        """What the same fit has saved, if it has; what is not its checkpoint is refused.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        parts : list of ndarray
            What else tells the fit from others.
        device : torch.device
            Where its tensors go.
        """
        digest = hashlib.sha256(f"{self.description} {device.type} {X.dtype} {X.shape}".encode())
        for part in (*(X[block] for block in gen_batches(len(X), _BLOCK)), *parts):
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        self.fit = digest.hexdigest()
        if not self.path.exists():
            return None
        try:
            saved = torch.load(self.path, map_location=device, weights_only=True)
            fit, state = saved["fit"], saved["state"]
        except Exception as error:  # of many kinds: of the file system, of zip files, of pickle
            raise ValueError(
                f"{self.path}, the training.checkpoint of {self.owner}, cannot be read as "
                f"a checkpoint ({type(error).__name__}: {error}). Choose another path."
            ) from error
        if fit != self.fit:
            raise ValueError(
                f"{self.path}, the training.checkpoint of {self.owner}, belongs to another fit, "
                "with other samples, parameters, random_state, device or torch version. Choose "
                "another path, or delete the file to start over."
            )
        found: dict[str, Any] = state
        return found

    @property
    def due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self.saved_at >= _SECONDS

    def save(self, state: dict[str, Any]) -> None:
        """Replace what the file has, at once."""
        content = io.BytesIO()
        torch.save({"fit": self.fit, "state": state}, content)
        write_atomically(self.path, content.getvalue())
        self.saved_at = time.monotonic()

    def remove(self) -> None:
        """Delete the file, in the end of the fit."""
        self.path.unlink(missing_ok=True)
