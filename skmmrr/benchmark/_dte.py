"""Diffusion time estimation: how much noise would have brought a sample where it is.

V. Livernoche, V. Jain, Y. Hezaveh, S. Ravanbakhsh, "On Diffusion Modeling for Anomaly Detection",
ICLR 2024. Rivals of the bench alone, as thin as that allows, at the authors' settings; samples are
to be standardised.
"""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from skmmrr.core.initialisation import globally_seeded
from skmmrr.core.seeds import draw_seed


def noise_variances(n_times: int) -> NDArray[np.float64]:
    """Variance of the noise after each diffusion step, of a linear schedule."""
    return np.asarray(1 - np.cumprod(1 - np.linspace(1e-4, 1e-2, n_times)))


class NonParametricDTE(OutlierMixin, BaseEstimator):
    """DTE-NP: the most likely diffusion time, by the distances to the nearest training samples.

    The posterior of the noise's variance is an inverse gamma distribution of the mean squared
    distance to `n_neighbors` training samples, of the shape ``n_features / 2 - 1``.

    Parameters
    ----------
    n_neighbors, n_times : int
    """

    n_features_in_: int

    def __init__(self, n_neighbors: int = 5, n_times: int = 300) -> None:
        self.n_neighbors = n_neighbors
        self.n_times = n_times

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Keep the training samples, of shape (n_samples, n_features)."""
        kept: NDArray[np.float64] = validate_data(self, X, dtype=np.float64)
        self.neighbors_ = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(kept))).fit(kept)
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """The negative of the most likely time step, of shape (n_samples,)."""
        check_is_fitted(self)
        distances, _ = self.neighbors_.kneighbors(
            validate_data(self, X, reset=False, dtype=np.float64)
        )
        squared, variances = np.square(distances).mean(axis=1), noise_variances(self.n_times)
        log_density = -squared[:, None] / (2 * variances)
        log_density -= self.n_features_in_ / 2 * np.log(variances)
        return -log_density.argmax(axis=1).astype(np.float64)


class CategoricalDTE(OutlierMixin, BaseEstimator):
    """DTE-C: a network tells the diffusion time of noisy samples, in bins; the score is its mean.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the layers.
    n_bins, n_times, epochs, batch_size : int
    random_state : int, RandomState instance or None, default=None
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (256, 512, 256),
        n_bins: int = 7,
        n_times: int = 400,
        epochs: int = 400,
        batch_size: int = 64,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.n_bins = n_bins
        self.n_times = n_times
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn to tell the time of noisy training samples, of shape (n_samples, n_features)."""
        x = torch.from_numpy(validate_data(self, X, dtype=np.float32))
        deviations = torch.from_numpy(np.sqrt(noise_variances(self.n_times))).float()
        with globally_seeded(draw_seed(self.random_state)):
            self.network_ = self._network(x.shape[1])
            optimizer = torch.optim.Adam(self.network_.parameters(), 1e-4, weight_decay=5e-4)
            for _ in range(self.epochs):
                for batch in x[torch.randperm(len(x))].split(self.batch_size):
                    time = torch.randint(self.n_times, (len(batch), 1))
                    noisy = batch + deviations[time] * torch.randn_like(batch)
                    target = time.flatten() * self.n_bins // self.n_times
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(self.network_(noisy), target).backward()
                    optimizer.step()
        self.network_.eval()
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """The negative of the mean bin, of shape (n_samples,)."""
        check_is_fitted(self)
        x = torch.from_numpy(validate_data(self, X, reset=False, dtype=np.float32))
        with torch.no_grad():
            chances: Tensor = self.network_(x).double().softmax(dim=1)
        return -(chances @ torch.arange(self.n_bins, dtype=torch.float64)).numpy()

    def _network(self, n_features: int) -> nn.Sequential:
        first, *rest = self.hidden
        layers: list[nn.Module] = [nn.Linear(n_features, first), nn.ReLU()]
        for width_in, width in zip(self.hidden, rest, strict=False):
            layers += [nn.Linear(width_in, width), nn.ReLU(), nn.Dropout(0.5)]
        return nn.Sequential(*layers, nn.Linear(self.hidden[-1], self.n_bins))
