"""The stages put together: figure 1 of the paper."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skmmrr.mmrr.embedding import Embedding
from skmmrr.mmrr.masking import (
    UNLEARNED,
    BernoulliMasking,
    ConstantMasking,
    LearnedMasking,
    restrict,
)
from skmmrr.mmrr.refinement import Refinement
from skmmrr.mmrr.restoration import Restoration

RoleBackbone = Callable[[int, int], nn.Module]


class Draws(NamedTuple):
    """What chance decides, of shape (n or 1, n_levels, ...): one row serves all samples.

    Attributes
    ----------
    noise : Tensor
        U(-1, 1).
    uniform : Tensor or None
        U(0, 1), by which Bernoulli masks pick elements.
    """

    noise: Tensor
    uniform: Tensor | None = None

    def flat(self, n: int) -> tuple[Tensor, Tensor | None]:
        """Both of shape (n * n_levels, ...)."""
        noise = self.noise.expand(n, *self.noise.shape[1:]).flatten(0, 1)
        if self.uniform is None:
            return noise, None
        return noise, self.uniform.expand(n, *self.uniform.shape[1:]).flatten(0, 1)


class Encoded(NamedTuple):
    """What does not depend on the level, of shape (n, ...)."""

    embedding: Tensor
    mask_logits: Tensor


class Stages(NamedTuple):
    """What a pass makes of n samples at k levels.

    Attributes
    ----------
    embedding : Tensor of shape (n, ...)
    mask, restricted, restored, refined : Tensor of shape (n, k, ...)
        `refined` is `restored` where there is no refinement.
    """

    embedding: Tensor
    mask: Tensor
    restricted: Tensor
    restored: Tensor
    refined: Tensor


class MMRRModel(nn.Module):
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
        backbone: RoleBackbone,
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
            self.masking = UNLEARNED[mask]()
        self.restoration = Restoration(backbone(channels, channels))
        self.refinement = Refinement(backbone(4 * channels, channels)) if refine else None

    def encode(self, x: Tensor) -> Encoded:
        """Embedding and mask logits of samples: one call serves all their levels."""
        return Encoded(self.embedding(x), self.masking.logits(x))

    def forward(
        self,
        x: Tensor,
        levels: Tensor,
        draws: Draws,
        *,
        encoded: Encoded | None = None,
        refine: bool = True,
        observed: Tensor | None = None,
    ) -> Stages:
        """Restore samples at several levels each.

        Parameters
        ----------
        x : Tensor of shape (n, c, ...)
            Samples in [-1, 1].
        levels : Tensor of shape (n, k)
            Means of the masks.
        draws : Draws
        encoded : Encoded, default=None
            What :meth:`encode` gave for `x` before; None computes it.
        refine : bool, default=True
            False leaves the refinement out, where there is one.
        observed : Tensor of bool of shape (n, c, ...), default=None
            False where `x` has no value: there the mask is 0 at every level. None: all have one.

        Returns
        -------
        stages : Stages
        """
        n, k = levels.shape
        embedding, logits = self.encode(x) if encoded is None else encoded  # (n, c, ...)

        embedding_k, logits_k = (  # (n * k, c, ...): the levels of a sample in a row
            t.repeat_interleave(k, dim=0) for t in (embedding, logits)
        )
        noise, uniform = draws.flat(n)  # (n * k, c, ...)
        observed_k = None if observed is None else observed.repeat_interleave(k, dim=0)
        mask = self.masking(logits_k, levels.flatten(), uniform, observed_k)  # (n * k, c, ...)
        restricted = restrict(embedding_k, mask, noise)  # equation (1)
        restored = self.restoration(restricted)
        refined = restored
        if refine and self.refinement is not None:
            x_k = x.repeat_interleave(k, dim=0)
            refined = restored + self.refinement(x_k, embedding_k, mask, noise)

        per_level = (mask, restricted, restored, refined)
        return Stages(embedding, *(t.unflatten(0, (n, k)) for t in per_level))  # (n, k, c, ...)

    def draw(self, shape: torch.Size, generator: torch.Generator, dtype: torch.dtype) -> Draws:
        """Draw noise of a shape (n, k, c, ...), and what masks need, on the generator's device."""
        device = generator.device
        noise = torch.rand(shape, generator=generator, device=device) * 2 - 1
        uniform = None
        if self.masking.random:
            uniform = torch.rand(shape, generator=generator, device=device)
        return Draws(noise.to(dtype), uniform)
