"""What the detectors that train a network share: fitting, from X to the threshold."""

import copy
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from skmmrr._base import BaseDetector
from skmmrr._data import Samples, Scaler
from skmmrr._device import (
    TRAINING_PRECISIONS,
    module_to_device,
    repeatable,
    resolve_device,
    resolve_precision,
)
from skmmrr._random import draw_seed, torch_generator
from skmmrr._training import OPTIMIZERS, SCHEDULES, Budget, History, Phase, run_phase
from skmmrr._validation import check_integer, check_option, check_real, check_steps


class NetworkDetector(BaseDetector):
    """Base of the detectors that train a network, phase by phase.

    Notes
    -----
    A subclass has the parameters annotated here. It builds the network, says in which phases it
    is trained, and scores.
    """

    _ARCHITECTURE: ClassVar[tuple[str, ...]]  # parameters that shape the network
    _PHASES: ClassVar[tuple[str, ...]] = ("training",)

    max_iter: int | tuple[int, ...] | None
    batch_size: int | None
    learning_rate: float | None
    optimizer: str
    schedule: str
    validation_fraction: float
    device: str | torch.device
    precision: str
    random_state: int | np.random.RandomState | None
    verbose: int
    scaler_: Scaler
    network_: Any
    history_: dict[str, History]

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn normal data: train the networks and set the threshold.

        Parameters
        ----------
        X : array-like
            Normal samples, at least 2: vectors of shape (n_samples, n_features), images of shape
            (n_samples, height, width) or (n_samples, height, width, channels), or flattened images
            with the parameter `image_shape`. Any real dtype; finite. Memory-mapped arrays are
            read batch by batch.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError, ValueError
            If a parameter or X is not as described; nothing has been trained then.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If a validation loss did not fall.
        UserWarning
            If all samples that set the threshold score the same. After Ctrl-C: training stops, the
            best weights so far are kept, and the detector is fitted. Only a second Ctrl-C, in the
            seconds after the training, loses the fit.
        """
        self._check_params()
        device = resolve_device(self.device, type(self).__name__)
        X = self._validate_X(X, reset=True)
        seed = draw_seed(self.random_state)
        self.scaler_ = Scaler.fit(X, per_feature=self.image_shape_ is None)
        self._resolve(X, seed)

        validation, train = self._split(len(X), seed)
        network = self._build_network()
        network.initialise(torch_generator(seed, "weights"))
        self.architecture_ = {name: getattr(self, name) for name in self._ARCHITECTURE}
        if self.precision == "float64":
            network.double()
        module_to_device(network, device)
        samples, max_iter = self._samples(X, network), self._resolve_max_iter(len(train))
        self.history_, n_iter = {}, []
        for phase, steps in zip(self._phases(network, max_iter), max_iter, strict=False):
            budget = self._budget(steps, device)
            with repeatable(device):
                result = run_phase(phase, samples, train, validation, budget, seed)
            self.history_[phase.name] = result.history
            n_iter.append(result.n_iter)
            if result.interrupted:
                break
        self.n_iter_ = np.array(n_iter)
        module_to_device(network, torch.device("cpu"))
        self.network_ = network.requires_grad_(False)
        try:
            scores = self._normal_scores(X, validation)
        except KeyboardInterrupt:
            message = "was trained, but interrupted while it measured what normal samples score."
            message += " It measures that again, for some seconds; another Ctrl-C loses the fit."
            warnings.warn(f"{type(self).__name__} {message}", stacklevel=2)
            scores = self._normal_scores(X, validation)
        return self._set_threshold(scores)

    def _normal_scores(self, X: NDArray[Any], held_out: NDArray[np.intp]) -> NDArray[np.float64]:
        """Learn what scores need, and those that set the threshold."""
        self._after_training(X)
        return self._threshold_scores(X, held_out)

    def _check_params(self) -> None:
        """Check what does not depend on X; subclasses add their own."""
        owner = type(self).__name__
        remedy = "None chooses from the data."
        if self.max_iter is not None:
            check_steps("max_iter", self.max_iter, owner, self._PHASES, remedy)
        if self.batch_size is not None:
            check_integer("batch_size", self.batch_size, owner, minimum=1, remedy=remedy)
        if self.learning_rate is not None:
            check_real("learning_rate", self.learning_rate, owner, 0, np.inf)
        check_option("optimizer", self.optimizer, owner, OPTIMIZERS)
        check_option("schedule", self.schedule, owner, SCHEDULES)
        check_real("validation_fraction", self.validation_fraction, owner, 0, 1)
        check_option("precision", self.precision, owner, TRAINING_PRECISIONS)
        self._check_contamination()

    @abstractmethod
    def _resolve(self, X: NDArray[Any], seed: int) -> None:
        """Set the attributes that X and the seed decide before a network is built."""

    @abstractmethod
    def _design_network(self) -> Any:
        """The network; its method ``initialise(generator)`` draws all weights."""

    @abstractmethod
    def _phases(self, network: Any, max_iter: tuple[int, ...]) -> Iterator[Phase]:
        """What is trained, one phase after the other, in so many steps."""

    @abstractmethod
    def _default_batch_size(self) -> int:
        """What None means for `batch_size`."""

    @abstractmethod
    def _default_max_iter(self, n_train: int) -> tuple[int, ...]:
        """What None means for `max_iter`: the steps of each phase."""

    @abstractmethod
    def _default_learning_rate(self, max_iter: int) -> float:
        """What None means for `learning_rate`."""

    def _after_training(self, X: NDArray[Any]) -> None:
        """Learn what the scores need beside the network."""

    def _takes_images(self) -> bool:
        """Whether the network takes images of (n, channels, height, width), not vectors."""
        return self.image_shape_ is not None

    def _convolves(self) -> bool:
        """Whether convolutions are most of the network's work."""
        return self._takes_images()

    def _averaged(self) -> int:
        """Side of the squares of pixels of whose means the network's images are made."""
        return 1

    def _resolve_max_iter(self, n_train: int) -> tuple[int, ...]:
        """Steps of each phase."""
        if self.max_iter is None:
            return self._default_max_iter(n_train)
        if isinstance(self.max_iter, tuple):
            return self.max_iter
        return (self.max_iter,) * len(self._PHASES)

    def _budget(self, max_iter: int, device: torch.device) -> Budget:
        return Budget(
            max_iter=max_iter,
            batch_size=self.batch_size or self._default_batch_size(),
            learning_rate=self.learning_rate or self._default_learning_rate(max_iter),
            optimizer=self.optimizer,
            schedule=self.schedule,
            device=device,
            dtype=self._dtype(device),
            verbose=self.verbose,
        )

    def _dtype(self, device: torch.device) -> torch.dtype:
        return resolve_precision(self.precision, device, self._convolves())

    def _samples(self, X: NDArray[Any], network: nn.Module) -> Samples:
        """Samples as the network takes them."""
        image_shape = self.image_shape_ if self._takes_images() else None
        dtype = next(network.parameters()).dtype
        return Samples(X, self.scaler_, image_shape, dtype, self._averaged())

    def _build_network(self) -> Any:
        """The network on the CPU, its weights still to be drawn or loaded."""
        with torch.device("meta"):  # torch's own initialisation would draw from the global state
            network = self._design_network()
        return network.to_empty(device="cpu")

    def _unfitted_network(self) -> nn.Module:
        """A network of the fitted one's shape, for weights from a file."""
        as_fitted = copy.copy(self)
        as_fitted.__dict__.update(self.architecture_)
        return as_fitted._build_network()
