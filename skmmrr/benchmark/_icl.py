"""Internal contrastive learning: which part of a sample belongs to which rest of it.

T. Shenkar and L. Wolf, "Anomaly Detection for Tabular Data with Internal Contrastive Learning",
ICLR 2022. A rival of the bench alone, as thin as that allows, at the authors' settings with one
order of the features, as Livernoche et al. (2024) ran it; samples are to be standardised.
"""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn
from torch.nn import functional as F

from skmmrr.core.devices import resolve_device
from skmmrr.core.initialisation import globally_seeded
from skmmrr.core.seeds import draw_seed

_SCORED = 1000  # samples at a time


class ICL(OutlierMixin, BaseEstimator):
    """Windows of neighbouring features must be told from each other by the rest of the features.

    Parameters
    ----------
    width, epochs, batch_size : int
    temperature : float
    device : str
        As in :class:`~skmmrr.MMRRDetector`.
    random_state : int, RandomState instance or None, default=None
    """

    def __init__(
        self,
        width: int = 200,
        epochs: int = 2000,
        batch_size: int = 3000,
        temperature: float = 0.1,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.width = width
        self.epochs = epochs
        self.batch_size = batch_size
        self.temperature = temperature
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn from training samples of shape (n_samples, n_features), at least three features."""
        x = torch.from_numpy(validate_data(self, X, dtype=np.float32, ensure_min_features=3))
        device = resolve_device(self.device, "ICL")
        enough = 1e-3 if x.shape[1] <= 40 else 1e-2  # of the loss
        with globally_seeded(draw_seed(self.random_state)):  # all draws are made on the CPU
            self.network_ = _Pairs(x.shape[1], self.width).to(device)
            optimizer = torch.optim.Adam(self.network_.parameters(), 1e-3)
            for epoch in range(self.epochs):
                losses = []
                for batch in x[torch.randperm(len(x))].split(self.batch_size):
                    optimizer.zero_grad()
                    loss = self._losses(batch.to(device)).mean()
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.item())
                self.n_iter_ = epoch + 1
                if np.mean(losses) < enough:
                    break
        self.network_.eval()
        return self

    @torch.no_grad()
    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """The negative of the contrastive loss, of shape (n_samples,)."""
        check_is_fitted(self)
        x = torch.from_numpy(validate_data(self, X, reset=False, dtype=np.float32))
        device = self.network_.window.device
        batches = (x[rows].to(device) for rows in gen_batches(len(x), _SCORED))
        losses = [self._losses(batch).mean(dim=1).cpu() for batch in batches]
        return -torch.cat(losses).double().numpy()

    def _losses(self, x: Tensor) -> Tensor:
        """Of each sample and window, of shape (n, n_windows)."""
        rests, windows = self.network_(x)
        similarities = rests @ windows.mT / self.temperature  # (n, rest, window)
        target = torch.arange(rests.shape[1], device=x.device).expand(len(x), -1)
        return F.cross_entropy(similarities.mT, target, reduction="none")


class _Pairs(nn.Module):
    """Representations of all windows and of their rests, of shape (n, n_windows, width)."""

    rest: Tensor
    window: Tensor

    def __init__(self, n_features: int, width: int) -> None:
        super().__init__()
        size = 2 if n_features <= 40 else 10 if n_features <= 160 else n_features - 150
        places = torch.arange(n_features).unfold(0, size, 1)
        others = [sorted(set(range(n_features)) - set(own.tolist())) for own in places]
        self.register_buffer("window", places)
        self.register_buffer("rest", torch.tensor(others))
        n, leaky = len(places), nn.LeakyReLU(0.2)
        self.of_rest = nn.Sequential(
            *(nn.Linear(n_features - size, width), nn.Tanh(), nn.BatchNorm1d(n)),
            *(nn.Linear(width, 2 * width), leaky, nn.BatchNorm1d(n)),
            *(nn.Linear(2 * width, width), leaky),
        )
        self.of_window = nn.Sequential(
            *(nn.Linear(size, width // 4), leaky, nn.BatchNorm1d(n)),
            *(nn.Linear(width // 4, width // 2), leaky),
            *(nn.Linear(width // 2, width), leaky),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pairs = self.of_rest(x[:, self.rest]), self.of_window(x[:, self.window])
        first, second = (F.normalize(F.normalize(p, dim=1), dim=2) for p in pairs)
        return first, second
