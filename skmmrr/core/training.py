"""One training loop for every phase of every detector.

A :class:`Phase` says which weights move, on which losses, and what chooses the best of them;
:func:`run_phase` knows steps, batches, schedules, progress and Ctrl-C, and nothing of models.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau
from tqdm.auto import tqdm

from skmmrr.core.checkpoint import Checkpoint
from skmmrr.core.cuda_graph import GraphedStep, side_by_side
from skmmrr.core.devices import autocast, module_to_device, repeatable, to_device
from skmmrr.core.initialisation import globally_seeded
from skmmrr.core.interrupts import Interrupt, deferred_interrupt
from skmmrr.core.kinds import SMALLEST, Array, Choice, Integer, Real, Table, require, stored
from skmmrr.core.seeds import member_key, numpy_generator, torch_generator
from skmmrr.core.warn import warn
from skmmrr.representation import Samples

SCHEDULES = ("cosine", "plateau", "constant")
OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {
    "adam": partial(torch.optim.Adam, betas=(0.5, 0.999), fused=True),  # as for DCGAN
    "adamw": partial(torch.optim.AdamW, fused=True),
    "radam": torch.optim.RAdam,
}

_N_VALIDATIONS = 25  # per phase
_PATIENCE = 8  # validations without a new best before a phase stops
_VALIDATION_SAMPLES = (64, 1024)  # few samples come again, at other levels; of many, some suffice
_LARGE, _FEWEST_LARGE = 2**15, 16  # elements; samples as large say more each, and cost more
_WARM_UP = 0.1  # of the steps
_PAPER_PATIENCE = 500  # epochs without a new best before the paper halves its rate
_FLOPS_PER_THREAD = 1e10  # of a step; docs/results/threads.md measures what another one brings

History = dict[str, NDArray[np.float64]]
HISTORY_COLUMNS = ("step", "train_loss", "validation_loss", "learning_rate")
Loss = Callable[[Tensor, torch.Generator], Tensor]


class TrainingInterrupted(UserWarning):
    """Ctrl-C ended a training early; the detector is fitted all the same."""


@dataclass(frozen=True)
class Update:
    """What one optimizer does in a step.

    Attributes
    ----------
    parameters : sequence of nn.Parameter
        The weights that move; gradients of the loss reach no others.
    loss : callable (x, generator) -> Tensor
        Losses of a batch, of any shape: their mean falls. All that is random comes from the
        generator.
    optimizer : callable (parameters, lr=...) -> Optimizer
        Such as those of ``OPTIMIZERS``. On a GPU it gets ``capturable=True`` too.
    learning_rate : float
        Highest of the schedule.
    every : int, default=1
        The update is made in every so many steps.
    """

    parameters: Sequence[nn.Parameter]
    loss: Loss
    optimizer: Callable[..., Optimizer]
    learning_rate: float
    every: int = 1


def history_kind(terms: tuple[str, ...] = ()) -> Table:
    """The history as files have it, of phases that may have these terms."""
    return Table(Table(Array("f8", 1, finite=False), (*HISTORY_COLUMNS, *terms)))


def check_history(
    history: Mapping[str, History], n_iter: NDArray[np.int64], phases: tuple[str, ...]
) -> None:
    """Refuse a history from a file that is not of these phases, the first of them at least."""
    named = {phases[0]} <= set(history) <= set(phases) and len(n_iter) == len(history)
    require(named, f"the history and 'n_iter_' must be of the phases {phases}")
    for columns in history.values():
        lengths = {len(column) for column in columns.values()}
        complete = set(HISTORY_COLUMNS) <= columns.keys() and len(lengths) == 1
        require(complete, "the columns of a history must be of one length")


@stored(
    max_iter=Integer(1),
    batch_size=Integer(1),
    learning_rate=Real(SMALLEST),
    optimizer=Choice(tuple(OPTIMIZERS)),
    schedule=Choice(SCHEDULES),
)
@dataclass(frozen=True)
class Budget:
    """How long a phase is, and how its learning rates move.

    Attributes
    ----------
    max_iter, batch_size : int
    learning_rate : float
        Highest of the schedule.
    optimizer : str
    schedule : {"cosine", "plateau", "constant"}
    """

    max_iter: int
    batch_size: int
    learning_rate: float
    optimizer: str
    schedule: str


@dataclass(frozen=True)
class Phase:
    """What one phase trains.

    Attributes
    ----------
    name : str
        Key of the history and label of the progress bar.
    module : nn.Module
        All that moves in the phase; its best weights are kept.
    updates : sequence of Update
        Those of a step, one after the other on the same batch.
    criterion : sequence of callables (x, generator) -> Tensor, or None
        The weights of the lowest mean of these losses of the validation samples are kept. None
        keeps the last ones, for games that no loss judges.
    budget : Budget
    terms : tuple of str, default=()
        What the history records for the validation samples besides the loss. The criterion then
        gives a tensor (n_samples, 1 + n_terms): the loss, and these.
    independent : bool, default=False
        Whether no update sees what another moves: on a GPU they are made side by side then.
    draws_globally : bool, default=False
        Whether the module may draw from torch's global random state, as dropout does: the fit seeds
        it then, and restores it.
    """

    name: str
    module: nn.Module
    updates: Sequence[Update]
    criterion: Sequence[Loss] | None
    budget: Budget
    terms: tuple[str, ...] = ()
    independent: bool = False
    draws_globally: bool = False

    def __post_init__(self) -> None:
        if all(update.every > 1 for update in self.updates):
            raise ValueError("Some update of a phase must be made in every step: every=1.")
        if self.criterion is None and self.budget.schedule == "plateau":
            raise ValueError("The schedule 'plateau' needs a criterion; take another for a game.")


@dataclass(frozen=True)
class TrainingData:
    """The samples of a fit, and where they are trained on.

    Attributes
    ----------
    samples : Samples
    train, validation : ndarray of int
        Indices of the samples that train, and of those that choose.
    seed : int
    device : torch.device
    dtype : torch.dtype
        Of convolutions and products.
    verbose : int
    checkpoint : Checkpoint or None
        Where the training is kept as it goes.
    """

    samples: Samples
    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    seed: int
    device: torch.device
    dtype: torch.dtype
    verbose: int
    checkpoint: Checkpoint | None = None

    def batch(self, index: NDArray[np.intp]) -> Tensor:
        """Samples by index, on the device."""
        return to_device(self.samples.batch(index), self.device)

    def generators(self, phase: str, use: str, n: int) -> list[torch.Generator]:
        """Independent ones for one use in a phase."""
        keys = [member_key(i) for i in range(n)]
        return [torch_generator(self.seed, *k, phase, use, device=self.device) for k in keys]


@dataclass(frozen=True)
class Result:
    """How a phase went.

    Attributes
    ----------
    n_iter : int
    history : dict of str to ndarray
    learned : bool
        Whether the weights that are kept are others than those before the phase.
    """

    n_iter: int
    history: History
    learned: bool


def train(
    network: nn.Module, phases: Sequence[Phase], data: TrainingData, stop: Interrupt
) -> tuple[dict[str, History], NDArray[np.int64]]:
    """Train a network in phases, each from the best weights of those before.

    Parameters
    ----------
    network : nn.Module
        On the CPU, as it is again in the end, without gradients and in evaluation mode.
    phases : sequence of Phase
    data : TrainingData
    stop : Interrupt
        After Ctrl-C no further step is made.

    Returns
    -------
    history : dict of str to dict of str to ndarray
        Of each phase that was begun.
    n_iter : ndarray of int of shape (n_begun,)

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C was pressed before anything was learned.

    Warns
    -----
    TrainingInterrupted
        If Ctrl-C was pressed later.
    """
    results: dict[str, Result] = {}
    course = _Course(network, phases, data, results)
    module_to_device(network.requires_grad_(False), data.device)
    course.open()
    for phase in phases:
        if phase.name in results:  # before the fit was started again
            phase.module.eval()
            continue
        with repeatable(data.device):
            results[phase.name] = run_phase(phase, data, stop, course)
        if stop.requested:
            _warn_of_interruption(results, phases)
            stop.answered = True
            break
    module_to_device(network.eval(), torch.device("cpu"))
    n_iter = np.array([result.n_iter for result in results.values()])
    return {name: result.history for name, result in results.items()}, n_iter


class _Course:
    """What a checkpoint has of a training: the phases that are done, and the one it is in."""

    def __init__(
        self,
        network: nn.Module,
        phases: Sequence[Phase],
        data: TrainingData,
        results: dict[str, Result],
    ) -> None:
        self.network, self.data, self.results = network, data, results
        self.draws_globally = any(phase.draws_globally for phase in phases)
        self.phase: dict[str, Any] | None = None

    def open(self) -> None:
        """Go on where the checkpoint is, or begin one: whether it can be written shows at once."""
        data, checkpoint = self.data, self.data.checkpoint
        if checkpoint is None:
            return
        weights = [weight.cpu().numpy() for weight in self.network.state_dict().values()]
        parts = [data.train, data.validation, *weights]
        saved = checkpoint.open(data.samples.X, parts, data.device)
        if saved is None:
            self._save(checkpoint, None)
            return
        self.network.load_state_dict(saved["network"])
        if self.draws_globally:
            _set_global_states(data.device, saved["global"])
        self.phase = saved["phase"]
        for name, (n_iter, history, learned) in saved["results"].items():
            columns = {column: np.array(values) for column, values in history.items()}
            self.results[name] = Result(n_iter, columns, learned)

    def resume(self, run: "_Run") -> None:
        """Bring a phase to where the checkpoint is, if that is in this phase."""
        if self.phase is not None and self.phase["name"] == run.phase.name:
            run.load(self.phase)

    def keep(self, run: "_Run") -> None:
        """Save how a phase stands, now and then."""
        checkpoint = self.data.checkpoint
        if checkpoint is not None and checkpoint.due:
            self._save(checkpoint, run.state())

    def _save(self, checkpoint: Checkpoint, phase: dict[str, Any] | None) -> None:
        results = {
            name: (one.n_iter, {k: v.tolist() for k, v in one.history.items()}, one.learned)
            for name, one in self.results.items()
        }
        states = _global_states(self.data.device) if self.draws_globally else []
        network = self.network.state_dict()
        checkpoint.save({"network": network, "phase": phase, "results": results, "global": states})


class _Run:
    """A phase on its way: all that moves in it, besides the weights."""

    def __init__(self, phase: Phase, data: TrainingData) -> None:
        self.phase, self.data = phase, data
        self.optimizers = [optimizer_of(update, data.device) for update in phase.updates]
        self.schedule = _schedule(self.optimizers, phase.budget, len(data.train))
        self.generators = data.generators(phase.name, "training", len(phase.updates))
        self.best = _Best(phase.module, _validation(phase, data))
        self.step = 0
        self.log: list[tuple[float, ...]] = []
        self.record(math.nan)

    def record(self, train_loss: float) -> None:
        """Log the present, and let the rates follow the validation loss."""
        best = self.best
        rate = float(self.optimizers[0].param_groups[0]["lr"])
        self.log.append((self.step, train_loss, best.present, rate, *best.terms))
        self.schedule.after_validation(best.present)

    def state(self) -> dict[str, Any]:
        """What goes on from here needs, of tensors, numbers and texts."""
        best = self.best
        return {
            "name": self.phase.name,
            "step": self.step,
            "log": self.log,
            "optimizers": [one.state_dict() for one in self.optimizers],
            "schedulers": [one.state_dict() for one in self.schedule.schedulers],
            "generators": [one.get_state() for one in self.generators],
            "best": (best.loss, best.age, best.learned, best.weights),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Stand where another run stood."""
        best, self.step, self.log = self.best, state["step"], state["log"]
        best.loss, best.age, best.learned, weights = state["best"]
        if best.validate is not None:  # else they are the module's own
            best.weights = weights
        for optimizer, own in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(own)
        for scheduler, own in zip(self.schedule.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(own)
        for generator, own in zip(self.generators, state["generators"], strict=True):
            generator.set_state(own.cpu())


def _global_states(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_global_states(device: torch.device, states: Sequence[Tensor]) -> None:
    torch.set_rng_state(states[0].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1].cpu(), device)


def run_phase(
    phase: Phase, data: TrainingData, stop: Interrupt, course: _Course | None = None
) -> Result:
    """Train a phase and leave its best weights in its module.

    Parameters
    ----------
    phase : Phase
        Its module is on the device of the data.
    data : TrainingData
    stop : Interrupt
    course : _Course, default=None
        Where the phase goes on, and is saved now and then.

    Returns
    -------
    result : Result

    Warns
    -----
    ConvergenceWarning
        If no validation loss was below the one before training.
    """
    for update in phase.updates:
        for parameter in update.parameters:
            parameter.requires_grad_(True)
    budget, run = phase.budget, _Run(phase, data)
    best, schedule = run.best, run.schedule
    if course is not None:
        course.resume(run)
    rng = numpy_generator(data.seed, phase.name, "batches")
    batches = islice(_batches(data.train, budget.batch_size, rng), run.step, None)
    make_step = stepper(phase, run.optimizers, data, run.generators)
    losses = torch.zeros(budget.max_iter, device=data.device)  # read at validations only
    with tqdm(
        total=budget.max_iter, initial=run.step, desc=phase.name, disable=not data.verbose
    ) as progress:

        def validate() -> None:
            loss, train_loss = best.offer(), losses[int(run.log[-1][0]) : run.step].mean().item()
            run.record(train_loss)
            progress.set_postfix(train=f"{train_loss:.4f}", validation=f"{loss:.4f}")

        while run.step < budget.max_iter and best.age < schedule.patience and not stop.requested:
            losses[run.step] = make_step(data.batch(next(batches)), run.step)
            schedule.after_step()
            progress.update()
            run.step += 1
            if run.step in schedule.validations:
                validate()
                if course is not None:
                    course.keep(run)
        if run.step > run.log[-1][0]:  # in the end, and after Ctrl-C
            validate()
    best.restore(run.optimizers)
    if not (best.learned or stop.requested):
        _warn_of_failure(phase)
    history = dict(zip((*HISTORY_COLUMNS, *phase.terms), np.array(run.log).T, strict=True))
    return Result(run.step, history, best.learned)


class _Best:
    """The weights of the lowest validation loss, or the last ones where nothing validates.

    `present` and `terms` are the loss and its terms of the weights that were looked at last.
    """

    def __init__(self, module: nn.Module, validate: Callable[[], list[float]] | None) -> None:
        self.module, self.validate = module, validate
        self.age, self.learned = 0, False
        self.present, *self.terms = [math.nan] if validate is None else validate()
        self.loss = self.present
        self.weights = self._copied()

    def offer(self) -> float:
        """Look at the present weights, and give their validation loss."""
        self.age += self.validate is not None
        self.present, *self.terms = [math.nan] if self.validate is None else self.validate()
        if self.validate is None or self.present < self.loss:
            self.loss, self.age, self.learned = self.present, 0, True
            self.weights = self._copied()
        return self.present

    def restore(self, optimizers: Sequence[Optimizer]) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.module.load_state_dict(self.weights)
        self.module.eval().requires_grad_(False)

    def _copied(self) -> dict[str, Tensor]:
        if self.validate is None:  # a reference: the last weights are where they are
            return self.module.state_dict()
        return {name: weight.clone() for name, weight in self.module.state_dict().items()}


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """Parameters of a module that is as it was built: but those that its maker froze."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def optimizer_of(update: Update, device: torch.device) -> Optimizer:
    """The optimizer of an update, at its highest rate."""
    if device.type != "cuda":
        return update.optimizer(update.parameters, lr=update.learning_rate)
    rate = torch.tensor(update.learning_rate, dtype=torch.float32, device=device)
    return update.optimizer(update.parameters, lr=rate, capturable=True)  # replayed steps read it


def stepper(
    phase: Phase,
    optimizers: Sequence[Optimizer],
    data: TrainingData,
    generators: Sequence[torch.Generator] | None = None,
) -> Callable[[Tensor, int], Tensor]:
    """What the step of a number does with a batch; it gives the mean of the losses."""
    if generators is None:
        generators = data.generators(phase.name, "training", len(phase.updates))
    streams = _streams(phase, data)
    replayed: dict[tuple[int, ...], Callable[[Tensor], Tensor]] = {}

    def descend(i: int, x: Tensor) -> Tensor:
        optimizers[i].zero_grad()
        with autocast(data.dtype, data.device):
            loss = phase.updates[i].loss(x, generators[i]).mean()
        loss.backward(inputs=list(phase.updates[i].parameters))
        optimizers[i].step()
        return loss.detach()

    def step(due: tuple[int, ...], x: Tensor) -> Tensor:
        phase.module.train()
        own = None if streams is None else [streams[i] for i in due]
        return torch.stack(side_by_side([partial(descend, i, x) for i in due], own)).mean()

    def numbered(x: Tensor, number: int) -> Tensor:
        due = tuple(i for i, update in enumerate(phase.updates) if number % update.every == 0)
        if due not in replayed:
            alone = partial(step, due)
            on_gpu = data.device.type == "cuda"
            replayed[due] = GraphedStep(alone, generators) if on_gpu else alone
        return replayed[due](x)

    return numbered


def _validation(phase: Phase, data: TrainingData) -> Callable[[], list[float]] | None:
    """What gives the mean loss over the validation samples, with the same draws at every call.

    And the means of the phase's terms.
    """
    if phase.criterion is None:
        return None
    criterion = phase.criterion
    generators = data.generators(phase.name, "validation", len(criterion))
    streams = _streams(phase, data)
    fewest, most = _VALIDATION_SAMPLES
    if data.samples.size > _LARGE:
        fewest = _FEWEST_LARGE
    rows = np.resize(data.validation, np.clip(len(data.validation), fewest, most))
    chunk = max(phase.budget.batch_size, fewest)

    def mean_loss(loss_of: Loss, generator: torch.Generator, x: Tensor) -> Tensor:
        with autocast(data.dtype, data.device):
            losses = loss_of(x, generator)
        if phase.terms:
            return losses.mean(dim=0, dtype=torch.float64)
        return losses.mean(dtype=torch.float64)[None]

    @torch.no_grad()
    def step(x: Tensor) -> Tensor:
        each = zip(criterion, generators, strict=True)
        means = side_by_side([partial(mean_loss, *own, x) for own in each], streams)
        return torch.stack(means) * len(x)

    step_on = GraphedStep(step, generators) if data.device.type == "cuda" else step

    def validate() -> list[float]:
        phase.module.eval()
        for generator in generators:
            generator.manual_seed(generator.initial_seed())
        chunks = [rows[start : start + chunk] for start in range(0, len(rows), chunk)]
        totals = torch.cat([step_on(data.batch(index)) for index in chunks])
        return [sum(column) / len(rows) / len(criterion) for column in totals.T.tolist()]

    return validate


def _streams(phase: Phase, data: TrainingData) -> list[torch.cuda.Stream] | None:
    """On a GPU a stream for each independent update."""
    if data.device.type != "cuda" or not phase.independent:
        return None
    return [torch.cuda.Stream(data.device) for _ in phase.updates]


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


# Schedules


@dataclass(frozen=True)
class _Schedule:
    """When a phase validates, and how its rates move.

    Attributes
    ----------
    validations : set of int
        Numbers of steps made; the last step is validated in any case.
    patience : float
        Validations without a new best after which the phase stops.
    after_step : callable ()
    after_validation : callable (loss)
    schedulers : sequence of LRScheduler
        That these move.
    """

    validations: frozenset[int]
    patience: float = math.inf
    after_step: Callable[[], None] = lambda: None
    after_validation: Callable[[float], None] = lambda loss: None
    schedulers: Sequence[LRScheduler] = ()


def _schedule(optimizers: Sequence[Optimizer], budget: Budget, n_train: int) -> _Schedule:
    every = max(1, budget.max_iter // _N_VALIDATIONS)
    validations = frozenset(range(every, budget.max_iter + 1, every))
    if budget.schedule == "constant":
        return _Schedule(validations)
    if budget.schedule == "cosine":
        schedulers = _cosine(optimizers, budget.max_iter)
        after_step = partial(_step_all, schedulers)
        return _Schedule(validations, _PATIENCE, after_step, schedulers=schedulers)
    done = np.arange(budget.max_iter + 1) * budget.batch_size // n_train  # epochs, after each step
    ends = (np.flatnonzero(np.diff(done)) + 1).tolist()
    epochs = max(1.0, budget.batch_size / n_train)  # from one validation to the next
    lowered = _plateau(optimizers, epochs)
    after_validation = partial(_lower_all, lowered)
    return _Schedule(frozenset(ends), after_validation=after_validation, schedulers=lowered)


def _cosine(optimizers: Sequence[Optimizer], max_iter: int) -> list[LambdaLR]:
    """A warm-up over the first tenth, then half a wave of the cosine."""

    def factor(step: int) -> float:
        done = step / max_iter
        decay = 0.5 * (1 + math.cos(math.pi * done))
        return min(1.0, (done + 1 / max_iter) / _WARM_UP) * decay

    return [LambdaLR(one, factor) for one in optimizers]


def _step_all(schedulers: Sequence[LambdaLR]) -> None:
    for scheduler in schedulers:
        scheduler.step()


def _plateau(optimizers: Sequence[Optimizer], epochs: float) -> list[ReduceLROnPlateau]:
    """The paper's: half the rate after 500 epochs without a lower loss (section 4.1)."""
    patience = math.ceil(_PAPER_PATIENCE / epochs) - 1  # torch halves one validation later
    return [
        ReduceLROnPlateau(one, factor=0.5, patience=patience, threshold=0) for one in optimizers
    ]


def _lower_all(schedulers: Sequence[ReduceLROnPlateau], loss: float) -> None:
    for scheduler in schedulers:
        rates = [group["lr"] for group in scheduler.optimizer.param_groups]
        scheduler.step(loss)
        for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
            if isinstance(rate, Tensor):  # torch before 2.10 puts a number in its place
                group["lr"] = rate.fill_(float(group["lr"]))


def _warn_of_failure(phase: Phase) -> None:
    budget = phase.budget
    warn(
        f"The validation loss of phase {phase.name!r} did not fall below its value before "
        f"training. Train longer (max_iter was {budget.max_iter}) or with another "
        f"learning_rate (was {phase.updates[0].learning_rate:g}).",
        ConvergenceWarning,
    )


def _warn_of_interruption(results: Mapping[str, Result], phases: Sequence[Phase]) -> None:
    if not any(result.learned for result in results.values()):
        raise KeyboardInterrupt
    phase = phases[len(results) - 1]
    steps = results[phase.name].n_iter
    if steps < phase.budget.max_iter or len(results) < len(phases):
        warn(
            f"Training was interrupted in phase {phase.name!r} after {steps} of "
            f"{phase.budget.max_iter} steps; the best weights so far are kept.",
            TrainingInterrupted,
        )


# What a fit asks of the process


@contextmanager
def fitting(phases: Sequence[Phase], data: TrainingData) -> Iterator[Interrupt]:
    """Context of a fit: a first Ctrl-C waits, and torch has the threads that its steps are worth.

    Small products are no faster on several threads, and many times slower where other processes
    want the cores too. The number depends on the work of a step alone, never on the machine's load:
    it decides the last bits of the weights.
    """
    draws = any(phase.draws_globally for phase in phases)
    seeded = globally_seeded(data.seed, data.device) if draws else nullcontext()
    with deferred_interrupt() as interrupt, _threads(phases, data), seeded:
        yield interrupt
        if data.checkpoint is not None and not interrupt.requested:
            data.checkpoint.remove()
        if interrupt.requested and not interrupt.answered:
            warn(
                "Ctrl-C came after the training, and the fit went on to its end. Press it twice to "
                "abort a fit.",
                TrainingInterrupted,
            )


class _Borrowed:
    """torch's number of threads, shared by all fits of a process: the last one restores it."""

    lock, borrowers, before = Lock(), 0, 1


@contextmanager
def _threads(phases: Sequence[Phase], data: TrainingData) -> Iterator[None]:
    with _Borrowed.lock:
        if _Borrowed.borrowers == 0:
            _Borrowed.before = torch.get_num_threads()
        _Borrowed.borrowers += 1
    try:
        torch.set_num_threads(1)
        if _Borrowed.before > 1 and data.device.type == "cpu":
            torch.set_num_threads(min(_Borrowed.before, worthwhile_threads(phases, data)))
        yield
    finally:
        with _Borrowed.lock:
            _Borrowed.borrowers -= 1
            if _Borrowed.borrowers == 0:
                torch.set_num_threads(_Borrowed.before)


def worthwhile_threads(phases: Sequence[Phase], data: TrainingData) -> int:
    """How many threads the work of the largest step is worth."""
    flops = max(flops_of_step(phase, data) for phase in phases)
    return max(1, int(flops / _FLOPS_PER_THREAD))


def flops_of_step(phase: Phase, data: TrainingData) -> float:
    """Of the products and convolutions of a step: those of the losses, and twice that backward."""
    from torch.utils.flop_counter import FlopCounterMode  # brings Triton along where there is one

    x = data.batch(np.resize(data.train, phase.budget.batch_size))
    generator = torch_generator(0, device=data.device)
    phase.module.eval()
    with FlopCounterMode(display=False) as counter:
        for update in phase.updates:
            update.loss(x, generator)
    return 3.0 * counter.get_total_flops()
