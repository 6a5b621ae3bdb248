"""Pre-activation residual blocks for images and for vectors."""

import math
import warnings
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MAX_GROUPS = 8


class WideResidualBlock(nn.Module):
    """Wide residual block with group norm: (norm, ReLU, 3x3 convolution) twice, plus the skip.

    Parameters
    ----------
    in_channels, out_channels : int
        Where they differ, the skip is a 1x1 convolution.

    References
    ----------
    Zagoruyko and Komodakis, "Wide Residual Networks", 2016, https://arxiv.org/abs/1605.07146
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)
        self.body = nn.Sequential(
            group_norm(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            group_norm(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, in_channels, h, w) to (n, out_channels, h, w)."""
        kernels = fused_kernels(x)
        if kernels is None:
            return self.skip(x) + self.body(x)
        # What follows a convolution adds its bias: one pass less over the image.
        layers: Any = self.body
        first_norm, _, first, second_norm, _, second = layers
        h = F.conv2d(kernels.norm_relu(first_norm, x), first.weight, padding=1)
        h = F.conv2d(kernels.norm_relu(second_norm, h, first.bias), second.weight, padding=1)
        return kernels.add(self.skip(x), h, second.bias)


class ResidualLinearBlock(nn.Module):
    """The same block for vectors: (layer norm, ReLU, linear) twice, plus the skip.

    Parameters
    ----------
    width : int
        Number of features in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Linear(width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width) to (n, width)."""
        return x + self.body(x)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm with as many groups as divide the channels, 8 at most."""
    return nn.GroupNorm(math.gcd(channels, _MAX_GROUPS), channels)


def fused_kernels(x: Tensor) -> ModuleType | None:
    """Kernels for these images: on a GPU with Triton; they compute in float32 at most."""
    usable = x.is_cuda and x.dtype != torch.float64
    return _kernels(x.device, x.dtype) if usable else None


@cache
def _kernels(device: torch.device, dtype: torch.dtype) -> ModuleType | None:
    try:
        from skmmrr.mmrr.backbones import fused
    except ImportError:  # builds of torch without Triton
        return None
    try:
        fused.try_out(device, dtype)
    except Exception as error:  # of many kinds
        warnings.warn(
            f"Triton does not run on {device}, so that U-Nets take PyTorch's slower kernels: "
            f"{error} It needs a C compiler and a GPU that it supports.",
            stacklevel=2,
        )
        return None
    return fused
