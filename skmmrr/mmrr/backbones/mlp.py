"""Residual multilayer perceptron: the backbone for vectors, and for images that are aligned."""

import math

from torch import Tensor, nn

from skmmrr.mmrr.backbones.blocks import ResidualLinearBlock


class ResidualMLP(nn.Module):
    """Linear stem, residual blocks, linear head.

    Parameters
    ----------
    in_channels, out_channels : int
        Features, for vectors.
    shape : tuple of int
        Height and width of images; empty for vectors.
    width : int
        Hidden features.
    n_blocks : int
        Number of residual blocks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        shape: tuple[int, ...],
        *,
        width: int,
        n_blocks: int,
    ) -> None:
        super().__init__()
        self.shape, pixels = shape, math.prod(shape)
        self.stem = nn.Linear(in_channels * pixels, width)
        self.blocks = nn.Sequential(*(ResidualLinearBlock(width) for _ in range(n_blocks)))
        self.head = nn.Sequential(
            nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, out_channels * pixels)
        )

    def start_at_zero(self) -> None:
        """Zero the last layer, and so the output."""
        for parameter in self.head[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, in_channels, *shape)`` to ``(n, out_channels, *shape)``."""
        output = self.head(self.blocks(self.stem(x.flatten(1))))
        return output.unflatten(1, (-1, *self.shape))
