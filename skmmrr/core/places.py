"""What the detectors share that look at samples place by place: maps, and scores of maps."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skmmrr.core.base import BaseDetector
from skmmrr.core.devices import resolve_device, shared_copies
from skmmrr.core.top_share import TOP_SHARE, check_top_share, mean_of_top

_HELD_OUT = 0.2  # share of the pictures that set the threshold of features
_BLOCK_ELEMENTS = 2**24  # of samples, their features or their maps in memory at a time
MOST_IN_BLOCK = 8192  # samples


class PlaceDetector(BaseDetector):
    """Base of the detectors whose score is the mean of the highest values of a map.

    Notes
    -----
    Its constructor has the parameters `features`, `top_share` and `device`, its fit learns
    `extractor_`; a subclass adds ``_error_grid``, ``_maps`` and ``_holds_out``.
    """

    top_share: float | None
    device: str
    extractor_: Any

    @abstractmethod
    def _error_grid(self, X: NDArray[Any]) -> Tensor:
        """What is abnormal at each place, as the score sees it, of shape (n, ...) of float64."""

    @abstractmethod
    def _maps(self, grid: Tensor, X: NDArray[Any]) -> Tensor:
        """A grid at the size of the samples."""

    @abstractmethod
    def _holds_out(self) -> bool:
        """Whether a fit holds out more samples than one of pixels, for its threshold."""

    def scores_and_maps(self, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What :meth:`score_samples` and :meth:`anomaly_map` return, in one pass over samples.

        Parameters
        ----------
        X : array-like
            Samples in any of the forms that :meth:`fit` takes.

        Returns
        -------
        scores : ndarray of float64 of shape (n_samples,)
        maps : ndarray of float64 of shape (n_samples, height, width) or (n_samples, n_features)
        """
        check_is_fitted(self)
        if not hasattr(self, "anomaly_map"):
            return super().scores_and_maps(X)  # which says so
        checked = self._with_places(X)
        scores, grids = self._scores_and_grids(checked)
        return scores, self._grid_maps(grids, checked)

    def _scores_and_grids(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], list[Tensor]]:
        grids = self._grids(X)
        return self._grid_scores(grids), grids

    def _with_places(self, X: ArrayLike) -> NDArray[Any]:
        """Validated samples, of which maps can be made."""
        check_is_fitted(self)
        found: NDArray[Any] = self._validate_X(X, reset=False)
        if self.extractor_ is not None and self.extractor_.map_shape is None:
            raise ValueError(
                f"This {type(self).__name__} has one row of features for a sample, which does not "
                "say where it is abnormal. Fit it on maps: features that keep their place, and "
                "another feature_maps.grid than 1."
            )
        return found

    def _blocks(self, X: NDArray[Any]) -> list[slice]:
        """Samples whose features and maps are in memory at a time."""
        size = X.shape[1]
        if self.extractor_ is not None:
            size = max(size, math.prod(self.extractor_.shape))
        return list(gen_batches(len(X), max(1, min(MOST_IN_BLOCK, _BLOCK_ELEMENTS // size))))

    @shared_copies()
    def _grids(self, X: NDArray[Any]) -> list[Tensor]:
        """Grids of all samples, block by block."""
        return [self._error_grid(X[block]) for block in self._blocks(X)]

    def _grid_scores(self, grids: Sequence[Tensor]) -> NDArray[np.float64]:
        share = self._top_share()
        return -torch.cat([mean_of_top(grid, share) for grid in grids]).numpy()

    def _grid_maps(self, grids: Sequence[Tensor], X: NDArray[Any]) -> NDArray[np.float64]:
        blocks = zip(grids, self._blocks(X), strict=True)
        return torch.cat([self._maps(grid, X[block]) for grid, block in blocks]).numpy()

    def _anomaly_map(self, X: ArrayLike) -> NDArray[np.float64]:
        checked = self._with_places(X)
        return self._grid_maps(self._grids(checked), checked)

    def _top_share(self) -> float:
        check_top_share(self.top_share, type(self).__name__)
        if self.top_share is not None:
            return float(self.top_share)
        maps = self.extractor_ is not None and self.extractor_.map_shape is not None
        return TOP_SHARE if maps else 1.0

    def _held_out_share(self) -> float:
        """A bank knows its patches, and fits on features are too long to be made again."""
        if self.contamination is None or not self._holds_out():
            return super()._held_out_share()
        return max(_HELD_OUT, self.validation_fraction)

    def _costs(self) -> dict[str, Any]:
        extractor = getattr(self, "extractor_", None)  # a file may have one that is not fitted
        if extractor is None:
            return {}
        (height, width, _), grid = extractor.map_shape or (1, 1, 1), extractor.grid or 1
        return {"input_size": extractor.input_size, "places": max(height * width, grid**2)}

    def _device(self) -> torch.device:
        return resolve_device(self.device, type(self).__name__)
