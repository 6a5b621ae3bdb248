"""One training loop for every phase of every detector.

A :class:`Phase` says what is trained and on which loss; :func:`run_phase` knows steps,
batches, schedules, validation, the best weights, progress and Ctrl-C, and nothing of models.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from tqdm.auto import tqdm

from skmmrr._cuda_graph import GraphedStep, side_by_side
from skmmrr._data import Samples
from skmmrr._device import autocast, to_device
from skmmrr._random import numpy_generator, torch_generator

SCHEDULES = ("cosine", "plateau", "constant")
_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, betas=(0.5, 0.999), fused=True),  # as for DCGAN
    "adamw": partial(torch.optim.AdamW, fused=True),
    "radam": torch.optim.RAdam,
}
OPTIMIZERS = tuple(_OPTIMIZERS)

_N_VALIDATIONS = 25  # per phase
_PATIENCE = 8  # validations without a new best before a phase stops
_VALIDATION_SAMPLES = (64, 1024)  # few samples come again, at other levels; of many, some suffice
_WARM_UP = 0.1  # of the steps
_PAPER_PATIENCE = 500  # epochs before the paper halves its rate

History = dict[str, NDArray[np.float64]]
Loss = Callable[[Tensor, torch.Generator], Tensor]


class TrainingInterrupted(UserWarning):
    """Ctrl-C ended a training early; the detector is fitted all the same."""


@dataclass(frozen=True)
class Phase:
    """What one phase trains.

    Attributes
    ----------
    name : str
        Key of the history and label of the progress bar.
    module : nn.Module
        The part whose weights move, and whose best weights are kept.
    losses : sequence of callables (x, generator) -> Tensor
        Losses of a batch, of shape (n,), one callable for each network that shares no weight with
        the others; all that is random comes from the generator.
    """

    name: str
    module: nn.Module
    losses: Sequence[Loss]


@dataclass(frozen=True)
class Budget:
    """How long and how fast: the same for every phase of a fit."""

    max_iter: int
    batch_size: int
    learning_rate: float
    optimizer: str
    schedule: str
    device: torch.device
    dtype: torch.dtype
    verbose: int


@dataclass(frozen=True)
class Result:
    """How a phase went."""

    n_iter: int
    history: History
    interrupted: bool


def run_phase(
    phase: Phase,
    samples: Samples,
    train: NDArray[np.intp],
    validation: NDArray[np.intp],
    budget: Budget,
    seed: int,
) -> Result:
    """Train a phase and leave the weights of its lowest validation loss in its module.

    Parameters
    ----------
    phase : Phase
        Its module is on the budget's device.
    samples : Samples
    train, validation : ndarray of int
        Indices of the samples that train, and of those that choose.
    budget : Budget
    seed : int

    Returns
    -------
    result : Result

    Warns
    -----
    ConvergenceWarning
        If no validation loss was below the one before training.
    UserWarning
        If Ctrl-C ended the phase early.
    """
    every = max(1, budget.max_iter // _N_VALIDATIONS)
    optimizer = optimizer_of(phase, budget)
    after_step, after_validation, patience = _schedule(optimizer, budget, len(train), every)
    batches = _batches(train, budget.batch_size, numpy_generator(seed, phase.name, "batches"))
    generators = _generators(phase, seed, "training", budget.device)
    train_step = step_of(phase, generators, optimizer, budget)
    losses = torch.zeros(budget.max_iter, device=budget.device)  # read at validations only
    validate = _validation(phase, samples, validation, budget, seed)
    best = _Best(phase.module, validate())
    log = [(0, math.nan, best.loss, _rate(optimizer))]
    step, interrupted = 0, False
    with tqdm(total=budget.max_iter, desc=phase.name, disable=not budget.verbose) as progress:
        try:
            while step < budget.max_iter and best.age < patience:
                start, stop = step, min(step + every, budget.max_iter)
                while step < stop:
                    x = to_device(samples.batch(next(batches)), budget.device)
                    losses[step] = train_step(x)
                    after_step()
                    progress.update()
                    step += 1
                loss = validate()
                log.append((step, losses[start:stop].mean().item(), loss, _rate(optimizer)))
                progress.set_postfix(train=f"{log[-1][1]:.4f}", validation=f"{loss:.4f}")
                best.offer(loss)
                after_validation(loss)
        except KeyboardInterrupt:
            interrupted = True
    optimizer.zero_grad()
    best.restore()
    _warn(phase, budget, step, interrupted, fell=best.loss < log[0][2])
    names = ("step", "train_loss", "validation_loss", "learning_rate")
    history = dict(zip(names, np.array(log).T, strict=True))
    return Result(step, history, interrupted)


class _Best:
    """The weights of the lowest validation loss, and how many validations ago that was."""

    def __init__(self, module: nn.Module, loss: float) -> None:
        self.module, self.loss, self.age = module, loss, 0
        self.weights = self._copied()

    def offer(self, loss: float) -> None:
        self.age += 1
        if loss < self.loss:
            self.weights, self.loss, self.age = self._copied(), loss, 0

    def restore(self) -> None:
        self.module.load_state_dict(self.weights)
        self.module.eval()

    def _copied(self) -> dict[str, Tensor]:
        return {name: weight.clone() for name, weight in self.module.state_dict().items()}


def optimizer_of(phase: Phase, budget: Budget) -> torch.optim.Optimizer:
    """The optimizer of a phase, at the budget's highest rate."""
    on_gpu = budget.device.type == "cuda"
    rate: float | Tensor = budget.learning_rate
    if on_gpu:  # where replayed steps read it
        rate = torch.tensor(rate, dtype=torch.float32, device=budget.device)
    parameters = phase.module.parameters()
    return _OPTIMIZERS[budget.optimizer](parameters, lr=rate, capturable=on_gpu)


def _rate(optimizer: torch.optim.Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])


def step_of(
    phase: Phase,
    generators: Sequence[torch.Generator],
    optimizer: torch.optim.Optimizer,
    budget: Budget,
) -> Callable[[Tensor], Tensor]:
    """What a step does with a batch; it gives the mean of the losses, each of its generator."""
    streams = _streams(phase, budget)

    def descend(loss_of: Loss, generator: torch.Generator, x: Tensor) -> Tensor:
        with autocast(budget.dtype, budget.device):
            loss = loss_of(x, generator).mean()
        loss.backward()  # at once: on a CPU, memory holds one network's activations
        return loss.detach()

    def step(x: Tensor) -> Tensor:
        phase.module.train()
        optimizer.zero_grad()
        networks = zip(phase.losses, generators, strict=True)
        losses = side_by_side([partial(descend, *network, x) for network in networks], streams)
        optimizer.step()
        return torch.stack(losses).mean()

    return step if streams is None else GraphedStep(step, generators)


def _validation(
    phase: Phase, samples: Samples, validation: NDArray[np.intp], budget: Budget, seed: int
) -> Callable[[], float]:
    """What gives the mean loss over the validation samples, with the same draws at every call."""
    generators = _generators(phase, seed, "validation", budget.device)
    streams = _streams(phase, budget)
    rows = np.resize(validation, np.clip(len(validation), *_VALIDATION_SAMPLES))
    chunk = max(budget.batch_size, _VALIDATION_SAMPLES[0])

    def mean_loss(loss_of: Loss, generator: torch.Generator, x: Tensor) -> Tensor:
        with autocast(budget.dtype, budget.device):
            return loss_of(x, generator).mean(dtype=torch.float64)

    @torch.no_grad()
    def step(x: Tensor) -> Tensor:
        networks = zip(phase.losses, generators, strict=True)
        means = side_by_side([partial(mean_loss, *network, x) for network in networks], streams)
        return torch.stack(means) * len(x)

    step_on = step if streams is None else GraphedStep(step, generators)

    def validate() -> float:
        phase.module.eval()
        for generator in generators:
            generator.manual_seed(generator.initial_seed())
        totals = []
        for start in range(0, len(rows), chunk):
            x = to_device(samples.batch(rows[start : start + chunk]), budget.device)
            totals.append(step_on(x))
        return sum(torch.cat(totals).tolist()) / len(rows) / len(phase.losses)

    return validate


def _generators(phase: Phase, seed: int, use: str, device: torch.device) -> list[torch.Generator]:
    """One for each network; the first's is that of one alone, and seeds are below 2^32."""
    seeds = [seed + (network << 32) for network in range(len(phase.losses))]
    return [torch_generator(one, phase.name, use, device=device) for one in seeds]


def _streams(phase: Phase, budget: Budget) -> list[torch.cuda.Stream] | None:
    """On a GPU a stream for each network."""
    if budget.device.type != "cuda":
        return None
    return [torch.cuda.Stream(budget.device) for _ in phase.losses]


def _batches(
    index: NDArray[np.intp], batch_size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """Endless batches: all samples in random order, then again in another; full batches only.

    Indices are sorted within a batch: memory-mapped files like that.
    """
    order = np.empty(0, dtype=np.intp)
    while True:
        while len(order) < batch_size:
            order = np.concatenate([order, rng.permutation(index)])
        batch, order = order[:batch_size], order[batch_size:]
        yield np.sort(batch)


def _schedule(
    optimizer: torch.optim.Optimizer, budget: Budget, n_samples: int, every: int
) -> tuple[Callable[[], None], Callable[[float], None], float]:
    """What to do after a step, what after a validation, and how long to wait for a new best."""
    if budget.schedule == "cosine":

        def factor(step: int) -> float:
            done = step / budget.max_iter
            decay = 0.5 * (1 + math.cos(math.pi * done))
            return min(1.0, (done + 1 / budget.max_iter) / _WARM_UP) * decay

        return (
            torch.optim.lr_scheduler.LambdaLR(optimizer, factor).step,
            lambda loss: None,
            _PATIENCE,
        )
    if budget.schedule == "constant":
        return lambda: None, lambda loss: None, math.inf
    epochs = every * budget.batch_size / n_samples
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=math.ceil(_PAPER_PATIENCE / epochs), threshold=0
    )

    def lower(loss: float) -> None:
        rates = [group["lr"] for group in optimizer.param_groups]
        plateau.step(loss)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            if isinstance(rate, Tensor):  # torch before 2.10 puts a number in its place
                group["lr"] = rate.fill_(float(group["lr"]))

    return lambda: None, lower, math.inf


def _warn(phase: Phase, budget: Budget, step: int, interrupted: bool, fell: bool) -> None:
    if interrupted:
        warnings.warn(
            f"Training was interrupted in phase {phase.name!r} after {step} of {budget.max_iter} "
            "steps; the best weights so far are kept.",
            TrainingInterrupted,
            stacklevel=4,
        )
    elif not fell:
        warnings.warn(
            f"The validation loss of phase {phase.name!r} did not fall below its value before "
            f"training. Train longer (max_iter was {budget.max_iter}) or with another "
            f"learning_rate (was {budget.learning_rate:g}).",
            ConvergenceWarning,
            stacklevel=4,
        )
