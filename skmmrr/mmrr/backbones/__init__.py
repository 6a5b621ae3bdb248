"""The networks that the four roles of MMRR are played by; interchangeable."""

from skmmrr.mmrr.backbones.mlp import ResidualMLP
from skmmrr.mmrr.backbones.unet import UNet

BACKBONES = {"unet": UNet, "mlp": ResidualMLP}
"""By name; each is built from ``(in_channels, out_channels, shape, **sizes)``."""

__all__ = ["BACKBONES", "ResidualMLP", "UNet"]
