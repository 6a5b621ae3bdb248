"""Readers of data sets on disk, the papers' protocols, and rendered parts for examples."""

from skmmrr.datasets._cifar import load_cifar10, load_cifar100
from skmmrr.datasets._fetch import fetch
from skmmrr.datasets._home import get_data_home
from skmmrr.datasets._idx import load_fashion_mnist, load_mnist
from skmmrr.datasets._images import load_image_folder, load_mvtec_ad
from skmmrr.datasets._protocols import (
    NoveltySplit,
    one_anomalous,
    one_anomalous_pooled,
    one_vs_all,
)
from skmmrr.datasets._tables import load_adbench, load_csv
from skmmrr.datasets._washers import make_washers, save_washers

__all__ = [
    "NoveltySplit",
    "fetch",
    "get_data_home",
    "load_adbench",
    "load_cifar10",
    "load_cifar100",
    "load_csv",
    "load_fashion_mnist",
    "load_image_folder",
    "load_mnist",
    "load_mvtec_ad",
    "make_washers",
    "one_anomalous",
    "one_anomalous_pooled",
    "one_vs_all",
    "save_washers",
]
