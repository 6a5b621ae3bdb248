"""The networks that the four roles of MMRR are played by; interchangeable."""

from skmmrr.mmrr.backbones.mlp import ResidualMLP
from skmmrr.mmrr.backbones.unet import MapUNet, UNet

BACKBONES = {"unet": UNet, "map-unet": MapUNet, "mlp": ResidualMLP}
"""By name; each is built from ``(in_channels, out_channels, shape, **sizes)``."""

UNETS = ("unet", "map-unet")

__all__ = ["BACKBONES", "UNETS", "MapUNet", "ResidualMLP", "UNet"]
