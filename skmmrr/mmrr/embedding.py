"""Stage 1, embedding: what of a sample is worth keeping (section 3.1)."""

import torch
from torch import Tensor, nn


class Embedding(nn.Module):
    r"""The embedding :math:`e = \tanh(f_E(x))`, of the shape of its input.

    Parameters
    ----------
    backbone : nn.Module
        The embedding network :math:`f_E`.

    Notes
    -----
    The tanh keeps the embedding in the noise's range; without it the network could shout
    above the noise and make every restoration easy (section 3.1).
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        """Embed samples of shape (n, ...)."""
        return torch.tanh(self.backbone(x).to(x.dtype))
