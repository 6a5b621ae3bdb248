"""The stages put together: the framework of figure 1."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skmmrr.network.embedding import Embedding
from skmmrr.network.masking import BernoulliMasking, ConstantMasking, LearnedMasking, restrict
from skmmrr.network.refinement import Refinement
from skmmrr.network.restoration import Restoration


class Draws(NamedTuple):
    """What chance decides: the noise, and for Bernoulli masks the numbers that pick elements."""

    noise: Tensor  # U(-1, 1)
    uniform: Tensor | None = None  # U(0, 1)


class MMRRNetwork(nn.Module):
    """Embedding, masking, restoration and refinement.

    Parameters
    ----------
    backbone : callable (in_channels, out_channels) -> nn.Module
        Builds one network; called once for each of the up to four roles.
    channels : int
        Channels of a sample (features, for vectors).
    refine, embed : bool
        Whether there is a refinement network, and an embedding network (else ``e = x``).
    mask : {"learned", "constant", "bernoulli"}
        How masks are made.
    """

    def __init__(
        self,
        backbone: Callable[[int, int], nn.Module],
        channels: int,
        refine: bool = True,
        embed: bool = True,
        mask: str = "learned",
    ) -> None:
        super().__init__()
        self.embedding = Embedding(backbone(channels, channels)) if embed else nn.Identity()
        self.masking: LearnedMasking | ConstantMasking | BernoulliMasking
        if mask == "learned":
            self.masking = LearnedMasking(backbone(channels, channels))
        else:
            self.masking = ConstantMasking() if mask == "constant" else BernoulliMasking()
        self.restoration = Restoration(backbone(channels, channels))
        self.refinement = Refinement(backbone(4 * channels, channels)) if refine else None

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding and mask logits of the samples: what does not depend on the level."""
        return self.embedding(x), self.masking.logits(x)

    def restore(self, embedding: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
        """The samples restored from what the masks keep of their embeddings."""
        return self.restoration(restrict(embedding, mask, noise))

    def refine(
        self, x: Tensor, embedding: Tensor, mask: Tensor, noise: Tensor, restored: Tensor
    ) -> Tensor:
        """The restored samples plus the predicted residual; unchanged without refinement."""
        if self.refinement is None:
            return restored
        return restored + self.refinement(x, embedding, mask, noise.expand_as(x))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from the generator: He's normal, zero biases, norms at identity.

        The refinement's last layer starts at zero, so that before training it changes nothing.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.GroupNorm | nn.LayerNorm):
                layer.reset_parameters()
        if self.refinement is not None:
            *_, last = (p for p in self.refinement.parameters() if p.ndim > 1)
            nn.init.zeros_(last)
