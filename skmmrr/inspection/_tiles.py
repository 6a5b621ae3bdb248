"""Pictures as overlapping tiles, and maps of tiles as the map of the picture."""

import numpy as np
from numpy.typing import NDArray

Place = tuple[slice, slice]  # rows and columns of a tile in its picture

_LEAST_WEIGHT = 0.01  # at a tile's rim, where the picture's own rim has no other tile


def tile_places(shape: tuple[int, int], side: tuple[int, int], overlap: float) -> list[Place]:
    """Places of the fewest evenly spread tiles that cover a picture and overlap enough.

    Parameters
    ----------
    shape : tuple (height, width)
        Of the picture, at least that of a tile.
    side : tuple (height, width)
        Of the tiles.
    overlap : float
        Share of a tile's side that the next one covers too, at least; in [0, 1).

    Returns
    -------
    places : list of tuple (rows, columns) of slice

    Examples
    --------
    >>> from skmmrr.inspection._tiles import tile_places
    >>> [(rows.start, columns.start) for rows, columns in tile_places((4, 10), (4, 4), 0.25)]
    [(0, 0), (0, 3), (0, 6)]
    """
    tops, lefts = (_starts(*pair, overlap) for pair in zip(shape, side, strict=True))
    return [(slice(y, y + side[0]), slice(x, x + side[1])) for y in tops for x in lefts]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    step = max(1.0, side * (1 - overlap))
    n_tiles = int(np.ceil((length - side) / step - 1e-9)) + 1
    return [int(start) for start in np.linspace(0, length - side, n_tiles).round()]


class Blend:
    """Map of a picture: the mean of its tiles' at each pixel; tiles count less towards their rims.

    Parameters
    ----------
    shape : tuple (height, width)
        Of the picture.
    side : tuple (height, width)
        Of the tiles.
    """

    def __init__(self, shape: tuple[int, ...], side: tuple[int, ...]) -> None:
        self._window = np.outer(*(_window(length) for length in side))
        self._total, self._weight = np.zeros(shape), np.zeros(shape)

    def add(self, tile: NDArray[np.float64], place: Place) -> None:
        """Lay a tile's map at its place."""
        self._total[place] += self._window * tile
        self._weight[place] += self._window

    def result(self) -> NDArray[np.float32]:
        """The map of float32, which is 0 where there was no tile."""
        covered = self._weight > 0
        mean = np.divide(self._total, self._weight, out=np.zeros_like(self._total), where=covered)
        return mean.astype(np.float32)


def _window(side: int) -> NDArray[np.float64]:
    """Hann's window, a little above 0 at the rim."""
    phase = np.pi * (np.arange(side) + 0.5) / side
    return np.maximum(np.sin(phase) ** 2, _LEAST_WEIGHT)
