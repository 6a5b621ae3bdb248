"""Stage 3, restoration: the sample, guessed from its restricted embedding (section 3.2)."""

import torch
from torch import Tensor, nn


class Restoration(nn.Module):
    r"""The restored sample :math:`\hat x = \tanh(f_{res}(\tilde e))`.

    Parameters
    ----------
    backbone : nn.Module
        The restoration network :math:`f_{res}`. It sees neither the level nor the mask.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, restricted: Tensor) -> Tensor:
        """Restore samples from restricted embeddings of shape (n, ...)."""
        return torch.tanh(self.backbone(restricted).to(restricted.dtype))
