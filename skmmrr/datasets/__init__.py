"""Readers of the formats in which people have the papers' data sets on disk."""

from skmmrr.datasets._cifar import load_cifar10
from skmmrr.datasets._home import get_data_home
from skmmrr.datasets._idx import load_mnist
from skmmrr.datasets._protocols import NoveltySplit, one_anomalous, one_vs_all

__all__ = [
    "NoveltySplit",
    "get_data_home",
    "load_cifar10",
    "load_mnist",
    "one_anomalous",
    "one_vs_all",
]
