"""Several MMRR networks whose errors are averaged."""

from collections.abc import Iterator

import torch
from torch import nn

from skmmrr.network._mmrr import MMRRNetwork


class MMRREnsemble(nn.ModuleList):
    """Networks of one shape and different weights: a list of :class:`MMRRNetwork`.

    What one network's chance leaves of a sample, the mean over several does not (Lakshminarayanan
    et al., "Deep Ensembles", 2017). The paper has one.
    """

    def __iter__(self) -> Iterator[MMRRNetwork]:
        """Pass over the members."""
        yield from super().__iter__()  # type: ignore[misc]

    def __getitem__(self, index: int) -> MMRRNetwork:  # type: ignore[override]
        """One member."""
        return super().__getitem__(index)  # type: ignore[return-value]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights of one member after the other."""
        for member in self:
            member.initialise(generator)
