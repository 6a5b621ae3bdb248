"""The paper's settings, to be splatted into the constructor."""

from types import MappingProxyType

from skmmrr.options import Network, Training

PAPER_MLSAD = MappingProxyType(
    {
        "levels": (1, 2, 4, 8, 16),
        "fakes": "patchgan",
        "level_gap": 2,
        "stride": 1,
        "structure_weight": 0.6,
        "position_weight": 0.4,
        "noise": 0.05,
        "dropout": 0.1,
        "n_windows": None,
        "information": "mine",
        "network": Network(width=512, n_blocks=2),
        "max_iter": 156_250,  # 250 epochs of 5,000 images
        "generator_max_iter": 46_875,  # 300 epochs of them
        "weight_decay": 1e-4,
        "training": Training(batch_size=8, learning_rate=2e-4, optimizer="adam", schedule="cosine"),
        "validation_fraction": 0.05,
        "precision": "float32",
    }
)
"""CIFAR-10 at 32x32; days on a CPU.

What our copy of the paper lacks was chosen: the weights, the noise, the dropout, the decay of
the weights and the rates, and a cosine for the decay of the rate at epochs 100 and 200, whose
factor is not known.

Examples
--------
>>> from skmmrr.baselines import PAPER_MLSAD, MLSADDetector
>>> MLSADDetector(**PAPER_MLSAD, random_state=0).network
Network(n_blocks=2, width=512)
"""
