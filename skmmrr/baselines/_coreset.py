"""A few points that cover many: PatchCore's coreset."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.random_projection import GaussianRandomProjection
from tqdm.auto import tqdm

_PROJECTED = 64  # dimensions in which the farthest point is sought


def greedy_coreset(
    points: NDArray[np.float32],
    size: int,
    generator: np.random.Generator,
    device: torch.device,
    verbose: int = 0,
) -> NDArray[np.intp]:
    """Choose the point that is farthest from all those chosen before, again and again.

    The greedy solution of the k-centre problem: no point is more than twice as far from the coreset
    as in the best choice of so many.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_features)
    size : int
        Points to choose, at most.
    generator : numpy.random.Generator
        Of the first point and of the random projection in which distances are measured, to 64
        dimensions, as PatchCore's is to 128.
    device : torch.device
    verbose : int, default=0
        1 says the memory and the seconds that it takes before it starts, and shows progress.

    Returns
    -------
    index : ndarray of int of shape (min(size, n_points),), rising
    """
    if size >= len(points):
        return np.arange(len(points))
    first, seed = (int(n) for n in generator.integers([len(points), 2**31]))
    if points.shape[1] > _PROJECTED:
        projection = GaussianRandomProjection(_PROJECTED, random_state=seed)
        points = projection.fit_transform(points).astype(np.float32)
    x = torch.from_numpy(points - points.mean(axis=0)).to(device)
    norms = x.square().sum(dim=1)
    if verbose:
        _announce(x, norms, size)
    nearest, chosen = torch.full_like(norms, torch.inf), [first]
    for _ in tqdm(range(size - 1), desc="coreset", disable=not verbose):
        torch.minimum(nearest, _square_distances(x, norms, chosen[-1]), out=nearest)
        nearest[chosen[-1]] = -torch.inf  # whatever rounding says: none is chosen twice
        chosen.append(int(nearest.argmax()))
    return np.sort(np.array(chosen))


def _square_distances(x: torch.Tensor, norms: torch.Tensor, index: int) -> torch.Tensor:
    """Of all points to one of them."""
    return norms + norms[index] - 2 * (x @ x[index])


def _announce(x: torch.Tensor, norms: torch.Tensor, size: int) -> None:
    start = time.perf_counter()
    _square_distances(x, norms, 0)
    seconds = (time.perf_counter() - start) * size
    megabytes = 2 * x.numel() * x.element_size() / 1e6
    tqdm.write(
        f"coreset of {size:,} of {len(x):,} patches: about {seconds:.0f} s, {megabytes:.0f} MB"
    )
