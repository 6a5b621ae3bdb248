"""U-Nets of wide residual blocks: the backbones for images and for feature maps."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmmrr.mmrr.backbones.blocks import WideResidualBlock, fused_kernels, group_norm


class UNet(nn.Module):
    """U-Net with the same number of channels and of residual blocks at every resolution.

    Parameters
    ----------
    in_channels, out_channels : int
    shape : tuple (height, width)
        Of the images. Convolutions do not ask for it: any other will do.
    width : int
        Channels of every feature map.
    n_resolutions : int
        Number of resolutions; each is half the one before, rounded up.
    n_blocks : int
        Residual blocks per resolution, on the way down and again on the way up.

    References
    ----------
    Ronneberger et al., "U-Net", 2015, https://arxiv.org/abs/1505.04597
    """

    kernel_size: ClassVar[int] = 3
    """Of the first and the last convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        shape: tuple[int, ...],
        *,
        width: int,
        n_resolutions: int,
        n_blocks: int,
    ) -> None:
        super().__init__()
        size = self.kernel_size
        self.stem = nn.Conv2d(in_channels, width, size, padding=size // 2)
        self.encoder = nn.ModuleList(_blocks(width, width, n_blocks) for _ in range(n_resolutions))
        self.decoder = nn.ModuleList(
            _blocks(2 * width, width, n_blocks) for _ in range(n_resolutions - 1)
        )
        self.head = nn.Sequential(
            group_norm(width), nn.ReLU(), nn.Conv2d(width, out_channels, size, padding=size // 2)
        )

    def start_at_zero(self) -> None:
        """Zero the last layer, and so the output."""
        for parameter in self.head[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, in_channels, h, w) to (n, out_channels, h, w); any height and width."""
        h = self.encoder[0](self.stem(x))
        skips = []
        for blocks in self.encoder[1:]:
            skips.append(h)
            h = blocks(F.avg_pool2d(h, 2, ceil_mode=True))
        for blocks in self.decoder:
            skip = skips.pop()
            with torch.autocast("cuda", enabled=False):  # it would copy pixels in float32
                h = F.interpolate(h, size=skip.shape[2:], mode="nearest")
            h = blocks(torch.cat([h, skip], dim=1))
        kernels = fused_kernels(h)
        if kernels is None:
            return self.head(h)
        layers: Any = self.head
        norm, _, last = layers
        return last(kernels.norm_relu(norm, h))


class MapUNet(UNet):
    """The same for feature maps, whose many channels make 3x3 convolutions in and out dear."""

    kernel_size = 1


def _blocks(in_channels: int, width: int, n_blocks: int) -> nn.Sequential:
    channels = [in_channels] + [width] * n_blocks
    return nn.Sequential(*(WideResidualBlock(channels[i], width) for i in range(n_blocks)))
