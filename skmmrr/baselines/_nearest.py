"""Exact nearest neighbours in chunks, on any device, in bounded memory."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from skmmrr.core.chunks import padded_chunks
from skmmrr.core.devices import elements_per_chunk

_QUERIES = 256  # at a time
_CHUNK = 128  # times what a network takes: elements of the points at a time


def nearest_distances(
    queries: NDArray[np.float32], points: NDArray[np.float32], k: int, device: torch.device
) -> NDArray[np.float64]:
    """Euclidean distances to the nearest points.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
    points : ndarray of shape (n_points, n_features)
    k : int
        At most ``n_points``.
    device : torch.device

    Returns
    -------
    distances : ndarray of shape (n_queries, k)
        Rising. They do not depend on what else is asked for.

    Notes
    -----
    A product of matrices finds the neighbours; their distances are then computed from differences,
    since the squares of the product cancel for neighbours that are close to each other and far from
    the others. In float32 they would cancel so far that the wrong ones are found.
    """
    centre = torch.from_numpy(points.mean(axis=0, dtype=np.float64))
    best = torch.full((len(queries), k), torch.inf, dtype=torch.float64)
    index = torch.zeros(len(queries), k, dtype=torch.int64)
    height = max(k, _CHUNK * elements_per_chunk(device) // points.shape[1])
    for first in range(0, len(points), height):
        chunk = (torch.from_numpy(points[first : first + height]) - centre).to(device)
        norms = chunk.square().sum(dim=1)
        for rows, padded in padded_chunks(len(queries), _QUERIES):
            q = (torch.from_numpy(queries[padded]) - centre).to(device)
            near = torch.addmm(norms, q, chunk.T, alpha=-2)  # but for the square of q
            found, where = near.topk(min(k, len(chunk)), largest=False)
            n = rows.stop - rows.start
            both = torch.cat([best[rows], found[:n].cpu()], dim=1)
            places = torch.cat([index[rows], first + where[:n].cpu()], dim=1)
            best[rows], order = both.topk(k, largest=False)
            index[rows] = places.gather(1, order)
    return _exact_distances(queries, points, index.numpy())


def distances_to_others(
    queries: NDArray[np.float32], points: NDArray[np.float32], k: int, device: torch.device
) -> NDArray[np.float64]:
    """Distances to the nearest points, of which a query that is a point itself leaves one out.

    So no point is its own neighbour, and points are as far from the others as new samples are. Of
    equal points only one is left out: where there are copies, they are neighbours.

    Parameters
    ----------
    queries, points, k, device
        As for :func:`nearest_distances`.

    Returns
    -------
    distances : ndarray of shape (n_queries, k)
        Rising. The only point there is has itself.
    """
    if k == len(points):
        return nearest_distances(queries, points, k, device)
    nearest = nearest_distances(queries, points, k + 1, device)
    return np.where(nearest[:, :1] == 0, nearest[:, 1:], nearest[:, :-1])


def _exact_distances(
    queries: NDArray[np.float32], points: NDArray[np.float32], index: NDArray[np.int64]
) -> NDArray[np.float64]:
    distances = np.empty(index.shape)
    for rows in gen_batches(len(queries), _QUERIES):
        difference = queries[rows, None].astype(np.float64) - points[index[rows]]
        distances[rows] = np.sqrt(np.square(difference).sum(axis=2))
    return np.sort(distances, axis=1)
