"""What errors are usual of each element of vectors, and how much its errors count for that."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skmmrr.core.kinds import Array, Table, require, stored

_FLOOR = 0.05  # of the mean: what is always restored perfectly does not count without limit


@stored(by_kind=Table(Array("f8", 1, low=0)))
@dataclass(frozen=True, eq=False)
class UsualErrors:
    """Median squared errors of training samples, element by element.

    Attributes
    ----------
    by_kind : dict of str to ndarray of float64 of shape (n_elements,)
        Of the restored and of the refined sample.
    """

    by_kind: Mapping[str, NDArray[np.float64]] = field(repr=False)

    @classmethod
    def fit(cls, errors: Mapping[str, NDArray[np.float64]]) -> "UsualErrors":
        """Learn from errors of each kind, of shape (n_samples, n_elements)."""
        return cls({kind: np.median(found, axis=0) for kind, found in errors.items()})

    def weights(self, kind: str) -> NDArray[np.float64]:
        """What errors of each element are multiplied by, which leaves their scale as it is."""
        usual = self.by_kind[kind]
        mean = usual.mean()
        return mean / (usual + _FLOOR * mean) if mean > 0 else np.ones_like(usual)

    def check_stored_for(self, n_elements: int, kinds: tuple[str, ...]) -> None:
        """Refuse what is not of these elements and errors."""
        same = set(self.by_kind) == set(kinds)
        same = same and all(len(usual) == n_elements for usual in self.by_kind.values())
        require(same, f"usual errors must be of {kinds} and {n_elements} elements")
