"""Stage 4, refinement: what restoration had to miss, taken off (section 3.3).

Complex samples are restored worse than simple ones at the same level, normal or not. The
refinement network predicts that unavoidable rest; what it cannot predict is abnormal.
"""

import torch
from torch import Tensor, nn


class Refinement(nn.Module):
    r"""The residual :math:`r = f_{ref}(x, e, m, \epsilon)`, to be added to the restored sample.

    Parameters
    ----------
    backbone : nn.Module
        The refinement network :math:`f_{ref}`; its input has four times the sample's channels
        (features for vectors), the four tensors concatenated.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        own = hasattr(backbone, "start_at_zero")
        self.gain = None if own else nn.Parameter(torch.empty(()))

    def forward(self, x: Tensor, embedding: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
        """Residuals of shape (n, ...); the four tensors have that shape."""
        residual = self.backbone(torch.cat([x, embedding, mask, noise], dim=1)).to(x.dtype)
        return residual if self.gain is None else self.gain * residual

    def initialise(self, generator: torch.Generator) -> None:
        """Refine nothing at first: by the backbone's last layer, or else by a gain of 0."""
        if self.gain is None:
            self.backbone.start_at_zero()  # type: ignore[operator]
        else:
            nn.init.zeros_(self.gain)
