"""The self-supervised rotation autoencoder of Kim's thesis (2019)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional

from skmmrr.baselines._rotation_network import (
    N_ROTATIONS,
    RotationAutoencoder,
    draw_weight,
    padded_side,
    rotations,
)
from skmmrr.core.base import NetworkDetector
from skmmrr.core.chunks import rows_per_chunk, sample_chunks
from skmmrr.core.devices import (
    TRAINING_PRECISIONS,
    autocast,
    module_on_device,
    resolve_device,
    resolve_precision,
)
from skmmrr.core.initialisation import build, initialise, plan
from skmmrr.core.kinds import (
    WIDEST,
    Array,
    Choice,
    Integer,
    Items,
    Real,
    Table,
    Weights,
    record,
    require,
    stored,
)
from skmmrr.core.seeds import draw_seed, torch_generator
from skmmrr.core.training import (
    OPTIMIZERS,
    Budget,
    Phase,
    TrainingData,
    Update,
    check_history,
    fitting,
    history_kind,
    train,
    trainable,
)
from skmmrr.core.validation import check_integer, check_option, check_real, check_steps
from skmmrr.core.warn import warn
from skmmrr.options import Training
from skmmrr.representation import ImageShape, Representation, Samples

Scores = dict[str, NDArray[np.float64]]

SCORE_RULES = ("rec", "cls", "ws", "max")

_N_EPOCHS, _BATCH_SIZE, _LEARNING_RATE = 25, 64, 1e-4
_LARGEST_BATCH = 2**20  # elements of padded images: about 0.5 GB in a step
_LARGEST_SIDE, _MOST_PADDED, _SMALL_SIDE = 2048, 16, 64
_FEWEST_STEPS = 1000  # 25 epochs of a hundred images would be 50
_PHASES = ("training",)
_PARTS = ("rec", "cls")  # of the loss


@stored(
    representation=record(Representation),
    latent_channels=Integer(1, WIDEST),
    rotation_channels=Integer(1, WIDEST),
    weights=Table(Real(0), _PARTS),
    budget=record(Budget),
    precision=Choice(TRAINING_PRECISIONS[1:]),
    seed=Integer(),
)
@dataclass(frozen=True, eq=False)
class RotationSpec:
    """What a fit of RotationAutoencoderDetector trains, every number resolved.

    Attributes
    ----------
    representation : Representation
    latent_channels, rotation_channels : int
        Features of the two encoders.
    weights : dict of str to float
        Of the parts "rec" and "cls" of the loss.
    budget : Budget
    precision : {"float32", "bfloat16", "float64"}
        Of the training.
    seed : int
    """

    representation: Representation
    latent_channels: int
    rotation_channels: int
    weights: dict[str, float]
    budget: Budget
    precision: str
    seed: int

    @property
    def parts(self) -> list[str]:
        """Of the loss, as far as they are trained."""
        return [part for part, weight in self.weights.items() if weight]

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and batches."""
        return torch.float64 if self.precision == "float64" else torch.float32

    def check_stored(self) -> None:
        """Refuse vectors, and weights of a loss that no fit has."""
        require(self.representation.image_shape is not None, "it needs images")
        require(self.representation.downsample == 1, "it takes images as they are")
        require(self.weights.keys() == set(_PARTS), f"weights must be of {_PARTS}")

    def planned_network(self) -> RotationAutoencoder:
        """The network without memory, for weights from a file."""
        return plan(self._network).to(self.dtype)

    def _network(self) -> RotationAutoencoder:
        assert self.representation.image_shape is not None
        sizes = self.representation.image_shape, self.latent_channels, self.rotation_channels
        return RotationAutoencoder(*sizes)

    def initialised_network(self) -> RotationAutoencoder:
        """The network as training begins."""
        network = build(self._network)
        initialise(network, torch_generator(self.seed, "weights"), draw_weight)
        return network.to(self.dtype)


def training_phase(network: RotationAutoencoder, spec: RotationSpec) -> Phase:
    """The one phase: both tasks at once, equation (3.10)."""

    def loss(x: Tensor, generator: torch.Generator) -> Tensor:
        square, parts = network.pad(x), spec.parts
        turns = torch.randint(N_ROTATIONS, (len(x),), generator=generator, device=x.device)
        turned = rotations(square)[turns, torch.arange(len(x), device=x.device)]
        seen = {"rec": square, "cls": turned}
        latents = network.encode(torch.cat([seen[part] for part in parts])).split(len(x))
        latent = dict(zip(parts, latents, strict=True))
        total = torch.zeros_like(square[:, 0, 0, 0])
        if "rec" in parts:
            error = network.squared_error(latent["rec"], square).flatten(1).sum(dim=1)
            total = total + spec.weights["rec"] * error
        if "cls" in parts:
            logits = network.classify(latent["cls"], turned).to(square.dtype)
            error = functional.cross_entropy(logits, turns, reduction="none")
            total = total + spec.weights["cls"] * error
        return total

    budget = spec.budget
    optimizer = OPTIMIZERS[budget.optimizer]
    update = Update(trainable(network), loss, optimizer, budget.learning_rate)
    return Phase("training", network, [update], [loss], budget)


class RotationAutoencoderDetector(NetworkDetector):
    r"""Self-supervised autoencoder: reconstruct images and predict their rotation.

    An autoencoder and a classifier of rotations share an encoder. Both are trained on normal images
    jointly; abnormal ones are reconstructed worse, or their rotation is predicted less surely [1]_.

    With the encoders :math:`E_1, E_2`, decoder :math:`D`, classifier :math:`C`, and
    :math:`x^{90c}` the image :math:`x` after :math:`c` quarter turns counter-clockwise,

    .. math::

        L_{rec} = \|x - D(E_1(x))\|_2^2, \qquad
        L_{cls} = -\log \sigma^c(C(E_1(x^{90c}), E_2(x^{90c}))), \qquad
        L = w_{cls} L_{cls} + w_{rec} L_{rec},

    equations (3.7), (3.8) and (3.10). The anomaly scores are :math:`A_{rec} = L_{rec}`,
    :math:`A_{cls}`, the negative mean over the four rotations of the probability given to the
    true one (3.11), and, of both scaled to [0, 1] on the training images (3.14), their weighted sum
    :math:`A_{ws}` (3.12) and their weighted maximum :math:`A_{max}` (3.13).

    Parameters
    ----------
    score_rule : {"ws", "max", "rec", "cls"}, default="ws"
        Which of the four anomaly scores. May be set after fit: then ``score_samples`` follows, and
        ``predict`` asks for ``calibrate``.
    alpha : float, default=0.5
        Weight of the reconstruction in "ws" and "max", in (0, 1]. May be set after fit.
    classification_weight, reconstruction_weight : float, default=1.0 and 100.0
        The weights of the loss, :math:`w_{cls}` and :math:`w_{rec}`; the defaults are the
        thesis's for MNIST, for FMNIST it takes 1 and 0.01. Without the one (0) this is the
        thesis's base model *AE*, without the other *Rotation*: `score_rule` must then be "rec" or
        "cls".
    latent_channels : int, default=None
        Features of the first encoder. None: 16 for images of one channel, else 200.
    rotation_ratio : float, default=0.1
        Features of the second encoder as a share of those of the first, :math:`\lambda_E`;
        at least one. The thesis takes 2 for FMNIST.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        Shape of the images whose pixels the rows of a two-dimensional X are. None takes the
        shape of X, which has three or four dimensions then.
    max_iter : int, default=None
        Optimiser steps. None: 25 epochs, but at least 1,000 steps.
    training : Training, default=None
        Batch size (at least 2), learning rate, optimizer and schedule; see
        :class:`skmmrr.Training`. None is the thesis's: 64, 1e-4, Adam with :math:`\beta_1 = 0.5`,
        constant; but fewer than 64 images where they are padded to more than 2**20 elements, such
        as 21 of 128x128 in colour.
    validation_fraction : float, default=0.05
        Share of the training samples that choose the best weights instead of training them.
    contamination : "auto", float or None, default="auto"
        Where the threshold is, as in :class:`skmmrr.MMRRDetector`.
    device : str or torch.device, default="auto"
        "auto" is a GPU where there is one, else the CPU. May be set after fit.
    precision : {"auto", "float32", "bfloat16", "float64"}, default="auto"
        Of convolutions and products. "auto" is bfloat16 where the hardware gains from it. "float64"
        is that for everything: a refit with another number of threads then gives the same scores
        within 1e-6.
    random_state : int, RandomState instance or None, default=None
        Seed of the split, the weights and the training.
    verbose : int, default=0
        1 shows progress bars with losses and time left.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained networks, on the CPU.
    ranges_ : dict of str to tuple (low, high)
        The least and the highest "rec" and "cls" of the training images, for (3.14); what was not
        trained is absent.
    spec_ : RotationSpec
        What was fitted, every number resolved.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.
    threshold_params_ : dict
        The scoring parameters that `offset_` belongs to.
    held_out_scores_ : ndarray of float64 of shape (n_held_out,)
        As in :class:`skmmrr.MMRRDetector`.
    history_ : dict of str to dict of str to ndarray
        For the one phase, "training": ``step``, ``train_loss`` (mean since the last validation),
        ``validation_loss`` and ``learning_rate``.
    n_iter_ : ndarray of int of shape (1,)
        Optimiser steps taken.
    image_shape_ : tuple (height, width, channels)
    n_features_in_ : int
        ``height * width * channels``.

    See Also
    --------
    skmmrr.MMRRDetector : Needs no choice between scores.

    Notes
    -----
    Images of up to 2048 pixels a side: they are padded to a square whose side is 4 times a power of
    two, and as many strided convolutions bring that to 4x4. Only real pixels count in the loss and
    the scores, but time and memory go with the square: a fit warns where it has more than 16 times
    the image's pixels.
    The rotation of an image that is not square can be seen from its padding alone, which makes
    "cls" of little use there.

    This implementation departs from the thesis, or fills its gaps, as follows: the decoder's
    output is linear, since the printed ReLU can die; the decoder has one layer less than printed,
    so that it mirrors the encoder; the classifier has 128 hidden features; and the weights with the
    lowest validation loss are kept, not the last ones.

    Threads and seeds are as for :class:`skmmrr.MMRRDetector`.

    References
    ----------
    .. [1] W. Kim, "Self-supervised auto-encoder for anomaly detection", Master's thesis, Pohang
       University of Science and Technology, 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmmrr.baselines import RotationAutoencoderDetector
    >>> digits = load_digits()
    >>> sixes = digits.images[digits.target == 6]
    >>> detector = RotationAutoencoderDetector(max_iter=50, random_state=0).fit(sixes[:100])
    >>> detector.score_samples(sixes[100:]).shape
    (81,)
    >>> sorted(detector.anomaly_scores(sixes[100:]))
    ['cls', 'max', 'rec', 'ws']
    """

    _GROUPS: ClassVar = {"training": Training}
    _KEEPS: ClassVar = NetworkDetector._KEEPS | {
        "spec_": record(RotationSpec),
        "network_": Weights(),
        "history_": history_kind(),
        "n_iter_": Array("i8", 1, low=0),
        "ranges_": Table(Items(Real(), 2), _PARTS),
    }

    network_: RotationAutoencoder
    image_shape_: ImageShape

    def __init__(
        self,
        score_rule: str = "ws",
        *,
        alpha: float = 0.5,
        classification_weight: float = 1.0,
        reconstruction_weight: float = 100.0,
        latent_channels: int | None = None,
        rotation_ratio: float = 0.1,
        image_shape: tuple[int, ...] | None = None,
        max_iter: int | None = None,
        training: Training | None = None,
        validation_fraction: float = 0.05,
        contamination: float | str | None = "auto",
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.score_rule = score_rule
        self.alpha = alpha
        self.classification_weight = classification_weight
        self.reconstruction_weight = reconstruction_weight
        self.latent_channels = latent_channels
        self.rotation_ratio = rotation_ratio
        self.image_shape = image_shape
        self.max_iter = max_iter
        self.training = training
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def anomaly_scores(self, X: ArrayLike) -> Bunch:
        """All four anomaly scores, whatever `score_rule` is; higher is more abnormal.

        Parameters
        ----------
        X : array-like
            Images in any of the forms that :meth:`fit` takes.

        Returns
        -------
        scores : Bunch
            Arrays of float64 of shape (n_samples,): ``rec`` and ``cls`` as in (3.7) and (3.11),
            ``ws`` and ``max`` of both after (3.14). A base model has only its own.
        """
        check_is_fitted(self)
        scores = self._primary_scores(self._validate_X(X, reset=False), tuple(self.ranges_))
        if len(scores) == 2:
            scores |= {rule: self._combine(scores, rule) for rule in ("ws", "max")}
        return Bunch(**scores)

    def anomaly_map(self, X: ArrayLike) -> NDArray[np.float64]:
        """Tell where images are abnormal: the squared error of the reconstruction.

        Parameters
        ----------
        X : array-like
            Images in any of the forms that :meth:`fit` takes.

        Returns
        -------
        maps : ndarray of float64 of shape (n_samples, height, width)
            Sum over the channels: the sum of a map is the image's "rec".

        Raises
        ------
        ValueError
            If the detector was trained without reconstruction.
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        if "rec" not in self.ranges_:
            raise ValueError(
                f"This {type(self).__name__} was fitted with reconstruction_weight=0: it restores "
                "nothing to compare images with. Fit it with a positive weight for anomaly_map."
            )
        return self._per_image(_error_map, X)

    # Fitting

    def _check_params(self) -> None:
        owner = type(self).__name__
        check_option("score_rule", self.score_rule, owner, SCORE_RULES)
        check_real("alpha", self.alpha, owner, 0, 1, bounds="(]")
        for name in ("classification_weight", "reconstruction_weight"):
            check_real(name, getattr(self, name), owner, 0, np.inf, bounds="[)")
        self._check_trained_parts()
        if self.latent_channels is not None:
            remedy = "None chooses from the data."
            check_integer("latent_channels", self.latent_channels, owner, 1, remedy)
        check_real("rotation_ratio", self.rotation_ratio, owner, 0, np.inf)
        if self.max_iter is not None:
            check_steps("max_iter", self.max_iter, owner, _PHASES, "None chooses from the data.")
        check_option("precision", self.precision, owner, TRAINING_PRECISIONS)
        super()._check_params()
        self._check_training(self.training or Training())

    def _check_training(self, training: Training) -> None:
        owner = type(self).__name__
        if training.batch_size is not None:
            remedy = "Batch norm needs two samples to normalise by."
            check_integer("training.batch_size", training.batch_size, owner, 2, remedy)
        for name in ("level_power", "levels_per_sample"):
            if getattr(training, name) is not None:
                raise ValueError(
                    f"The parameter 'training.{name}' belongs to MMRRDetector, and must be None "
                    f"for {owner}. Got {getattr(training, name)!r}."
                )

    def _check_trained_parts(self) -> None:
        trained = self._trained_parts()
        if not trained:
            raise ValueError(
                f"One of the parameters 'classification_weight' and 'reconstruction_weight' of "
                f"{type(self).__name__} must be positive. Got 0 for both."
            )
        if not set(_needed_parts(self.score_rule)) <= set(trained):
            raise ValueError(
                f"The parameter 'score_rule' of {type(self).__name__} must be {trained[0]!r} where "
                f"the weight of the other part of the loss is 0. Got {self.score_rule!r}."
            )

    def _trained_parts(self) -> list[str]:
        weights = {"rec": self.reconstruction_weight, "cls": self.classification_weight}
        return [part for part, weight in weights.items() if weight]

    def _resolve_spec(
        self, X: NDArray[Any], n_train: int, seed: int, device: torch.device
    ) -> RotationSpec:
        if self.image_shape_ is None:
            raise ValueError(
                f"{type(self).__name__} takes images of shape (n, height, width[, channels]). Got "
                f"vectors of {self.n_features_in_} features: it learns from how images look when "
                "they are rotated, and a vector cannot be. Give image_shape if the rows are "
                "flattened images; for vectors take skmmrr.MMRRDetector."
            )
        latent = int(self.latent_channels or (16 if self.image_shape_[2] == 1 else 200))
        training = self.training or Training()
        affordable = self._affordable_batch_size(self.image_shape_)
        batch_size = int(training.batch_size or affordable)
        epochs = math.ceil(_N_EPOCHS * n_train / batch_size)
        budget = Budget(
            max_iter=int(self.max_iter or max(_FEWEST_STEPS, epochs)),
            batch_size=batch_size,
            learning_rate=float(training.learning_rate or _LEARNING_RATE),
            optimizer=training.optimizer or "adam",
            schedule=training.schedule or "constant",
        )
        return RotationSpec(
            representation=Representation.fit(X, self.image_shape_),
            latent_channels=latent,
            rotation_channels=max(1, int(self.rotation_ratio * latent)),
            weights={
                "rec": float(self.reconstruction_weight),
                "cls": float(self.classification_weight),
            },
            budget=budget,
            precision=str(self._dtype(device)).removeprefix("torch."),
            seed=seed,
        )

    def _affordable_batch_size(self, image_shape: ImageShape) -> int:
        """The thesis's, or as many images as fit a step; batch norm needs two."""
        (height, width, channels), owner = image_shape, type(self).__name__
        side = padded_side(height, width)
        if side > _LARGEST_SIDE:
            raise ValueError(
                f"{owner} takes images of at most {_LARGEST_SIDE} pixels a side, since it pads them"
                f" to squares. Got (height, width) = {(height, width)}: resize or crop them, for "
                "example by skmmrr.preprocessing.LoadImages(size=...)."
            )
        if side > _SMALL_SIDE and side**2 > _MOST_PADDED * height * width:
            warn(
                f"{owner} pads images of (height, width) = {(height, width)} to {side}x{side}, "
                f"{side**2 / (height * width):.0f} times their pixels, in all of which it computes."
                " Fold or crop them to a shape nearer a square."
            )
        return max(2, min(_BATCH_SIZE, _LARGEST_BATCH // (side**2 * channels)))

    def _fit(self, X: Any) -> None:
        self._check_params()
        device = self._device()
        X = self._validate_X(X, reset=True)
        seed = draw_seed(self.random_state)
        held_out, trained = self._split(len(X), seed)
        self.spec_ = self._resolve_spec(X, len(trained), seed, device)
        self.network_ = self.spec_.initialised_network()
        phases = [training_phase(self.network_, self.spec_)]
        samples, dtype = self._samples(X), self._dtype(device)
        options = self.verbose, self._checkpoint()
        data = TrainingData(samples, trained, held_out, seed, device, dtype, *options)
        with fitting(phases, data) as interrupt:
            self.history_, self.n_iter_ = train(self.network_, phases, data, interrupt)
            scores = self._primary_scores(X, self.spec_.parts)
            self.ranges_ = {part: (a.min().item(), a.max().item()) for part, a in scores.items()}
            self._set_threshold(self._threshold_scores(X, refits=not interrupt.answered))

    def _planned_network(self, n_weights: int) -> RotationAutoencoder:
        return self.spec_.planned_network()

    def _check_kept(self) -> None:
        super()._check_kept()
        check_history(self.history_, self.n_iter_, _PHASES)
        require(set(self.ranges_) == set(self.spec_.parts), "ranges are of other parts of the loss")
        ordered = all(low <= high for low, high in self.ranges_.values())
        require(ordered, "ranges must rise")

    def _samples(self, X: NDArray[Any]) -> Samples:
        return Samples(X, self.spec_.representation, self.spec_.dtype)

    def _device(self) -> torch.device:
        return resolve_device(self.device, type(self).__name__)

    def _dtype(self, device: torch.device) -> torch.dtype:
        return resolve_precision(self.precision, device, convolutional=True)

    # Scoring

    def _score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        parts = _needed_parts(self.score_rule)
        if not set(parts) <= set(self.ranges_):
            raise ValueError(
                f"The parameter 'score_rule' of {type(self).__name__} is {self.score_rule!r}, but "
                f"it was fitted for {tuple(self.ranges_)} alone. Fit it again, or set score_rule "
                "back."
            )
        return -self._combine(self._primary_scores(X, parts), self.score_rule)

    def _combine(self, scores: Scores, rule: str) -> NDArray[np.float64]:
        """Anomaly score of the rule: equations (3.12) to (3.14)."""
        check_option("score_rule", rule, type(self).__name__, SCORE_RULES)
        if rule in scores:
            return scores[rule]
        rec, cls = (rescaled(scores[part], *self.ranges_[part]) for part in ("rec", "cls"))
        alpha = check_real("alpha", self.alpha, type(self).__name__, 0, 1, bounds="(]")
        rec, cls = alpha * rec, (1 - alpha) * cls
        return rec + cls if rule == "ws" else np.maximum(rec, cls)

    def _primary_scores(self, X: NDArray[Any], parts: Sequence[str]) -> Scores:
        """Equations (3.7) and (3.11), as far as asked for."""
        return {part: self._per_image(_PRIMARY_SCORES[part], X) for part in parts}

    @torch.no_grad()
    def _per_image(
        self, function: Callable[[RotationAutoencoder, Tensor], Tensor], X: NDArray[Any]
    ) -> NDArray[np.float64]:
        """What a function makes of the images' squares, in chunks of one constant shape."""
        device = self._device()
        network, results = module_on_device(self.network_, device), []
        rows = rows_per_chunk(network.n_elements, device)
        for kept, x in sample_chunks(self._samples(X), rows, device, self.verbose):
            with autocast(self._dtype(device), device):
                result = function(network, network.pad(x))
            results.append(result[: kept.stop - kept.start].double().cpu().numpy())
        return np.concatenate(results)

    def _score_params(self) -> dict[str, Any]:
        return {"score_rule": self.score_rule, "alpha": self.alpha}


def _error_map(network: RotationAutoencoder, square: Tensor) -> Tensor:
    return network.squared_error(network.encode(square), square).sum(dim=1)


def _reconstruction_score(network: RotationAutoencoder, square: Tensor) -> Tensor:
    """A_rec, equation (3.7)."""
    return _error_map(network, square).flatten(1).sum(dim=1, dtype=torch.float64)


def _classification_score(network: RotationAutoencoder, square: Tensor) -> Tensor:
    """A_cls, equation (3.11)."""
    turned = rotations(square).flatten(0, 1)
    logits = network.classify(network.encode(turned), turned)
    probability = logits.double().softmax(dim=1).unflatten(0, (N_ROTATIONS, len(square)))
    return -probability.diagonal(dim1=0, dim2=2).mean(dim=1)


_PRIMARY_SCORES = {"rec": _reconstruction_score, "cls": _classification_score}


def _needed_parts(score_rule: str) -> tuple[str, ...]:
    return (score_rule,) if score_rule in _PRIMARY_SCORES else tuple(_PRIMARY_SCORES)


def rescaled(scores: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Min-max normalisation on the training set, equation (3.14)."""
    return (scores - low) / (high - low if high > low else 1.0)
