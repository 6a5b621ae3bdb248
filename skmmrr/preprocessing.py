"""Steps before a detector in a pipeline."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from skmmrr.datasets._images import check_size_and_mode, read_image

__all__ = ["LoadImages"]


class LoadImages(TransformerMixin, BaseEstimator):
    """From paths of pictures to arrays of images, all of one size.

    Reads regular files of formats that Pillow decodes itself, of any size and mode: rotations in
    EXIF data are applied, transparency is dropped, and integers of 16 bits and floats in [0, 1] are
    brought to 8 bits; what has another range is refused.

    Parameters
    ----------
    size : tuple (height, width), default=None
        To which pictures are resized. None takes the size of the first picture, which all others
        must have.
    mode : {"color", "grey"}, default="color"
        "color" gives three channels, "grey" no channel axis.

    Notes
    -----
    The images lie in a temporary file that is mapped into memory and vanishes with them, so that
    a long list of paths does not fill the memory; the detectors with networks read it batch by
    batch.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from PIL import Image
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmmrr.baselines import KDEDetector
    >>> from skmmrr.preprocessing import LoadImages
    >>> rng = np.random.default_rng(0)
    >>> with TemporaryDirectory() as folder:
    ...     paths = [Path(folder) / f"{i}.png" for i in range(20)]
    ...     for path in paths:
    ...         Image.fromarray(rng.integers(50, size=(8, 8), dtype=np.uint8)).save(path)
    ...     detector = make_pipeline(LoadImages(size=(4, 4), mode="grey"), KDEDetector())
    ...     detector.fit(paths).score_samples(paths[:3]).shape
    (3,)
    """

    def __init__(self, size: tuple[int, int] | None = None, *, mode: str = "color") -> None:
        self.size = size
        self.mode = mode

    def fit(self, X: Sequence[str | os.PathLike[str]], y: Any = None) -> Self:
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X : sequence of path-like
        y : Ignored

        Returns
        -------
        self : LoadImages
        """
        check_size_and_mode(self.size, self.mode, type(self).__name__)
        return self

    def transform(self, X: Sequence[str | os.PathLike[str]]) -> NDArray[np.uint8]:
        """Read pictures.

        Parameters
        ----------
        X : sequence of path-like
            At least one file.

        Returns
        -------
        images : memmap of uint8 of shape (n_samples, height, width[, 3])

        Raises
        ------
        TypeError, ValueError
            If X is not a sequence of paths, a file cannot be read as a picture, or sizes differ and
            none is asked for; the file is named.
        FileNotFoundError
            If a file is not there.
        """
        check_size_and_mode(self.size, self.mode, type(self).__name__)
        paths = check_paths(X, type(self).__name__)
        first = read_image(paths[0], self.size, self.mode)
        with tempfile.TemporaryFile() as file:
            shape = (len(paths), *first.shape)
            images: NDArray[np.uint8] = np.memmap(file, np.uint8, "w+", shape=shape)
        for i, path in enumerate(paths):
            image = first if i == 0 else read_image(path, self.size, self.mode)
            if image.shape != first.shape:
                raise ValueError(
                    f"{path} has (height, width) = {image.shape[:2]}, the first picture has "
                    f"{first.shape[:2]}. Give {type(self).__name__} the size to which all are "
                    "resized."
                )
            images[i] = image
        return images

    def __sklearn_is_fitted__(self) -> bool:
        return True  # there is nothing to learn

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def check_paths(X: Any, owner: str) -> list[str | os.PathLike[str]]:
    """Paths of X as a list; an error if they are none."""
    if isinstance(X, str | os.PathLike):
        raise TypeError(f"{owner} takes a sequence of paths. Got one path: put it in a list.")
    if not isinstance(X, Iterable) or getattr(X, "ndim", 1) == 0:
        raise TypeError(f"{owner} takes a sequence X of paths. Got {type(X).__name__}.")
    paths = list(X)
    if not paths:
        raise ValueError(f"{owner} takes a sequence of paths, at least one. Got none.")
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"{owner} takes paths of pictures. Got {type(path).__name__}.")
    return paths
