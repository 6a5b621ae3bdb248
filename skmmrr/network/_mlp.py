"""Residual multilayer perceptron: the backbone for vectors."""

from torch import Tensor, nn

from skmmrr.network._blocks import ResidualLinearBlock


class ResidualMLP(nn.Module):
    """Linear stem, residual blocks, linear head.

    Parameters
    ----------
    in_features, out_features : int
    width : int
        Hidden features.
    n_blocks : int
        Number of residual blocks.
    """

    def __init__(self, in_features: int, out_features: int, width: int, n_blocks: int) -> None:
        super().__init__()
        self.stem = nn.Linear(in_features, width)
        self.blocks = nn.Sequential(*(ResidualLinearBlock(width) for _ in range(n_blocks)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, in_features) to (n, out_features)."""
        return self.head(self.blocks(self.stem(x)))
