"""What is fitted, every number resolved; and what None means for the parameters of MMRRDetector.

The defaults train well on two cores in minutes. How they were found is described in
docs/results/diary.md.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skmmrr.core.alignment import share_of_mean_image
from skmmrr.core.devices import TRAINING_PRECISIONS, resolve_precision
from skmmrr.core.initialisation import build, initialise, plan
from skmmrr.core.kinds import (
    SMALLEST,
    WIDEST,
    Choice,
    Flag,
    Integer,
    Real,
    Table,
    record,
    require,
    stored,
)
from skmmrr.core.seeds import torch_generator
from skmmrr.core.training import Budget
from skmmrr.mmrr.backbones import BACKBONES, UNETS
from skmmrr.mmrr.masking import MASKS
from skmmrr.mmrr.model import MMRRModel
from skmmrr.options import Network, Training
from skmmrr.representation import ImageShape, Representation, Samples

Backbone = Callable[[int, int, tuple[int, ...]], nn.Module]

PHASES = ("restoration", "refinement")

# Least share of the mean image in the pixels' variance of images that perceptrons are to take:
# between the 0.06 and less of CIFAR-10's automobiles and deer and the 0.41 and more of MNIST's
# 2, 5 and 8, on which U-Nets and perceptrons, respectively, detect better.
_ALIGNED = 0.25

_LARGEST_FOR_MLP = 2**14  # elements, such as 64x64 pixels of three colours: 35 million weights

_BINS = 8  # of each feature of vectors

_AVERAGED, _LEAST_SIDE = (4, 2), 14  # squares of pixels, and the pixels that they must leave

_MEMBER_PIXELS = 512

_LONG = 1000  # steps of a phase, from which networks for images bear a high rate

_LEVELS_PER_SAMPLE = 4


@stored(
    representation=record(Representation),
    backbone=Choice(tuple(BACKBONES)),
    sizes=Table(Integer(1, WIDEST), ("width", "n_blocks", "n_resolutions")),
    embed=Flag(),
    refine=Flag(),
    mask=Choice(MASKS),
    n_estimators=Integer(1),
    level_power=Real(SMALLEST),
    levels_per_sample=Integer(1),
    budgets=Table(record(Budget), PHASES),
    precision=Choice(TRAINING_PRECISIONS[1:]),
    seed=Integer(),
)
@dataclass(frozen=True, eq=False)
class MMRRSpec:
    """What a fit of MMRRDetector trains, every number resolved.

    Attributes
    ----------
    representation : Representation
        What is restored.
    backbone : str or callable
    sizes : dict of str to int
        Those of a named backbone.
    embed, refine : bool
    mask : str
    n_estimators : int
        Number of models.
    level_power : float
        Levels in training are ``u ** level_power``.
    levels_per_sample : int
        At which a step sees a sample.
    budgets : dict of str to Budget
        Of each phase.
    precision : {"float32", "bfloat16", "float64"}
        Of the training.
    seed : int
        Of the split, the weights, the training and the noise of the scores.
    """

    representation: Representation
    backbone: str | Backbone
    sizes: dict[str, int]
    embed: bool
    refine: bool
    mask: str
    n_estimators: int
    level_power: float
    levels_per_sample: int
    budgets: dict[str, Budget]
    precision: str
    seed: int

    def __str__(self) -> str:
        """A line for each field."""
        return "\n".join(f"{field.name}: {getattr(self, field.name)}" for field in fields(self))

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and batches."""
        return torch.float64 if self.precision == "float64" else torch.float32

    @property
    def convolves(self) -> bool:
        """Whether convolutions are most of the work."""
        return _convolves(self.backbone, self.representation.image_shape)

    def check_stored(self) -> None:
        """Refuse sizes and budgets that no fit has."""
        images = self.representation.image_shape is not None
        require(images or self.backbone not in UNETS, f"{self.backbone!r} needs images")
        names = {"width", "n_blocks"} | ({"n_resolutions"} if self.backbone in UNETS else set())
        require(self.sizes.keys() == names, f"the sizes of {self.backbone!r} must be {names}")
        phases = PHASES if self.refine else PHASES[:1]
        require(self.budgets.keys() == set(phases), f"budgets must be of {phases}")

    def planned_models(self, n_weights: int) -> Any:
        """The models without memory, for weights from a file that has so many arrays of them."""
        n_blocks = self.n_estimators * self.sizes["n_blocks"] * self.sizes.get("n_resolutions", 1)
        require(n_blocks <= n_weights, f"{n_blocks} blocks of networks have {n_weights} weights")
        return plan(self._models).to(self.dtype)

    def initialised_models(self) -> Any:
        """The models as training begins, in an nn.ModuleList, of one generator after each other."""
        models: Any = build(self._models)
        generator = torch_generator(self.seed, "weights")
        for model in models:
            initialise(model, generator)
        if callable(self.backbone):
            self._check_output(models[0])
        return models.to(self.dtype)

    def _models(self) -> nn.ModuleList:
        return nn.ModuleList(self._model() for _ in range(self.n_estimators))

    def _check_output(self, model: MMRRModel) -> None:
        """Raise ValueError unless a network of the user's own has the shape that it should."""
        channels, *shape = self.representation.shape
        x = torch.zeros(2, channels, *shape)
        expected = f"a tensor of shape {(2, channels, *shape)} for one of that shape"
        try:
            output = model.eval().restoration.backbone(x)
        except Exception as error:
            raise ValueError(
                f"The parameter 'backbone' must build networks that give {expected}. Got "
                f"{type(error).__name__}: {error} Tensors that are not parameters must be buffers."
            ) from error
        finally:
            model.train()
        if not isinstance(output, torch.Tensor) or output.shape != x.shape:
            found = tuple(getattr(output, "shape", ())) or type(output).__name__
            raise ValueError(
                f"The parameter 'backbone' must build networks that give {expected}. Got {found}. "
                "It is called as backbone(in_channels, out_channels, shape)."
            )

    def _model(self) -> MMRRModel:
        channels, *shape = self.representation.shape
        make: Callable[..., nn.Module]
        make = BACKBONES[self.backbone] if isinstance(self.backbone, str) else self.backbone

        def backbone(in_channels: int, out_channels: int) -> nn.Module:
            return make(in_channels, out_channels, tuple(shape), **self.sizes)

        return MMRRModel(backbone, channels, self.refine, self.embed, self.mask)


def resolve_spec(
    params: Mapping[str, Any],
    X: NDArray[Any],
    image_shape: ImageShape | None,
    featured: bool,
    n_train: int,
    seed: int,
    device: torch.device,
    owner: str,
) -> MMRRSpec:
    """Resolve the parameters of an MMRRDetector for its training data.

    Parameters
    ----------
    params : mapping
        Of the constructor, checked.
    X : ndarray of shape (n_samples, n_features)
    image_shape : tuple (height, width, channels) or None
    featured : bool
        Whether X has features; image_shape is that of their maps, if they are maps.
    n_train : int
        Samples that train.
    seed : int
    device : torch.device
        Where it trains.
    owner : str
        Whose parameters these are, for error messages.

    Raises
    ------
    ValueError
        If the parameters do not suit the data.
    """
    _check_backbone(params["backbone"], image_shape, owner)
    vectors = image_shape is None and not featured
    n_bins = _resolve_n_bins(params["n_bins"], X.shape[1], vectors, owner)
    if featured:
        representation = Representation.standardise(X, image_shape)
    elif n_bins > 1:
        representation = Representation.in_bins(X, n_bins)
    else:
        downsample = _resolve_downsample(params["downsample"], image_shape, owner)
        representation = Representation.fit(X, image_shape, downsample)
    backbone = params["backbone"]
    if backbone == "auto":
        maps = featured and image_shape is not None
        backbone = "map-unet" if maps else choose_backbone(Samples(X, representation))
    recipe = _recipe(backbone, Samples(X, representation))
    training = params["training"] or Training()
    budgets = _budgets(params, training, recipe, n_train, X.shape[1], image_shape is not None)
    shape = representation.shape[1:]
    precision = resolve_precision(params["precision"], device, _convolves(backbone, image_shape))
    short_unet = backbone in UNETS and budgets["restoration"].max_iter < _LONG
    return MMRRSpec(
        representation=representation,
        backbone=backbone,
        sizes=_sizes(params["network"] or Network(), backbone, recipe, shape),
        embed=bool(params["embed"]),
        refine=bool(params["refine"]),
        mask=params["mask"],
        n_estimators=int(params["n_estimators"] or recipe.n_members(math.prod(shape))),
        level_power=float(training.level_power or (3.0 if short_unet else 1.0)),
        levels_per_sample=int(training.levels_per_sample or _LEVELS_PER_SAMPLE),
        budgets=budgets,
        precision=str(precision).removeprefix("torch."),
        seed=seed,
    )


def _convolves(backbone: str | Backbone, image_shape: ImageShape | None) -> bool:
    return backbone != "mlp" and image_shape is not None


def _resolve_n_bins(n_bins: int | None, n_features: int, vectors: bool, owner: str) -> int:
    if vectors:
        return int(n_bins or (_BINS if n_features * _BINS <= _LARGEST_FOR_MLP else 1))
    if n_bins is not None and n_bins > 1:
        raise ValueError(
            f"The parameter 'n_bins' of {owner} is for vectors, not for images and features. Got "
            f"{n_bins}. Set n_bins=None."
        )
    return 1


def _resolve_downsample(downsample: int | None, image_shape: ImageShape | None, owner: str) -> int:
    if image_shape is None:
        return 1
    side = min(image_shape[:2])
    if downsample is not None and downsample > side:
        raise ValueError(
            f"The parameter 'downsample' of {owner} must be at most the shorter side of the "
            f"images, {side} pixels. Got {downsample}. None chooses by the image."
        )
    return downsample or next((n for n in _AVERAGED if side >= n * _LEAST_SIDE), 1)


def _check_backbone(backbone: str | Backbone, image_shape: ImageShape | None, owner: str) -> None:
    if backbone in UNETS and image_shape is None:
        raise ValueError(
            f"The parameter 'backbone' of {owner} is {backbone!r}, which needs images, but X has "
            "vectors. Pass images of shape (n, height, width[, channels]), or image_shape."
        )


def _sizes(
    asked: Network, backbone: str | Backbone, recipe: "Recipe", shape: tuple[int, ...]
) -> dict[str, int]:
    """Sizes of a named backbone: as asked for, or as its recipe says."""
    if not isinstance(backbone, str):
        return {}
    sizes = {"width": asked.width or recipe.width, "n_blocks": asked.n_blocks or recipe.n_blocks}
    if backbone in UNETS:
        most = 4 if backbone == "unet" else 3
        deepest = max(1, min(most, int(math.log2(min(shape)))))  # to 2x2 at the least
        sizes["n_resolutions"] = asked.n_resolutions or deepest
    return {name: int(size) for name, size in sizes.items()}


def _budgets(
    params: Mapping[str, Any],
    training: Training,
    recipe: "Recipe",
    n_train: int,
    n_features: int,
    images: bool,
) -> dict[str, Budget]:
    max_iter = params["max_iter"] or recipe.max_iter(n_train, n_features)
    steps = max_iter if isinstance(max_iter, tuple) else (max_iter,) * len(PHASES)
    return {
        phase: Budget(
            max_iter=int(n),
            batch_size=int(training.batch_size or recipe.batch_size),
            learning_rate=float(
                training.learning_rate or (3e-3 if images and n >= _LONG else 1e-3)
            ),
            optimizer=training.optimizer or "adamw",
            schedule=training.schedule or "cosine",
        )
        for phase, n in zip(PHASES, steps, strict=True)
        if phase == "restoration" or params["refine"]
    }


class Recipe(NamedTuple):
    """Sizes and budgets of one kind of network on one kind of data.

    Attributes
    ----------
    width, n_blocks, batch_size : int
    steps : tuple (fewest, most)
        Of the restoration; between them they grow with the samples or the features.
    steps_per_sample, steps_per_feature : float
    refinement_steps : int or None
        None: as many as the restoration.
    most_members : int
        Of an ensemble, where images are small.
    """

    width: int
    n_blocks: int
    batch_size: int
    steps: tuple[int, int]
    steps_per_sample: float = 0
    steps_per_feature: float = 0
    refinement_steps: int | None = None
    most_members: int = 1

    def max_iter(self, n_train: int, n_features: int) -> tuple[int, int]:
        """Steps of the restoration and of the refinement."""
        wanted = self.steps_per_sample * n_train + self.steps_per_feature * n_features
        steps = int(np.clip(wanted, *self.steps))
        return steps, self.refinement_steps or steps

    def n_members(self, n_pixels: int) -> int:
        """Networks of an ensemble: as many as cost what two on 16x16 pixels do."""
        return int(np.clip(_MEMBER_PIXELS // n_pixels, 1, self.most_members))


_UNET = Recipe(
    width=32,
    n_blocks=1,
    batch_size=16,
    steps=(300, 1500),
    steps_per_sample=1 / 4,
    most_members=4,
)
_MAP_UNET = Recipe(width=128, n_blocks=1, batch_size=1, steps=(3700, 3700), refinement_steps=1000)
_ALIGNED_MAP_UNET = _MAP_UNET._replace(steps=(740, 740), refinement_steps=200)
_WELL_ALIGNED = 0.8  # MVTec AD's bottles have 0.92, its screws, turned to lie alike, 0.60
_IMAGE_MLP = Recipe(
    width=256,
    n_blocks=1,
    batch_size=64,
    steps=(500, 3000),
    steps_per_sample=1 / 2,
    refinement_steps=300,
)
_VECTOR_MLP = Recipe(
    width=128,
    n_blocks=1,
    batch_size=64,
    steps=(150, 1000),  # few features learn fast
    steps_per_feature=20,
)
_BINNED_MLP = _VECTOR_MLP._replace(steps_per_sample=1 / 2, refinement_steps=50)


def choose_backbone(samples: Samples) -> str:
    """Perceptrons for vectors and for small images that are aligned, U-Nets for all other images.

    Where the mean image says much, a pixel's place has a meaning. A perceptron learns it, and
    fails elsewhere; convolutions restore a stroke or an edge anywhere, of an anomaly too.

    Parameters
    ----------
    samples : Samples
        As the networks will see them.
    """
    if samples.representation.image_shape is None:
        return "mlp"
    small = samples.size <= _LARGEST_FOR_MLP
    return "mlp" if small and share_of_mean_image(samples) >= _ALIGNED else "unet"


def _recipe(backbone: str | Backbone, samples: Samples) -> Recipe:
    """What suits a backbone and a kind of data; a user's own is trained like the named ones."""
    images = samples.representation.image_shape is not None
    if not images:
        return _VECTOR_MLP if samples.representation.bins is None else _BINNED_MLP
    if backbone == "mlp":
        return _IMAGE_MLP
    if backbone == "map-unet":  # parts that lie anywhere, or look different, take longer
        aligned = share_of_mean_image(samples) >= _WELL_ALIGNED
        return _ALIGNED_MAP_UNET if aligned else _MAP_UNET
    return _UNET if backbone == "unet" else _UNET._replace(most_members=1)
