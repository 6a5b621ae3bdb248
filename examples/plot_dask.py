"""
==================================
More data than one machine scores
==================================

A score depends on the sample alone, so that the rows of an array, or the pictures of a folder,
may be scored anywhere in any order. `Dask <https://docs.dask.org>`_ spreads them over processes,
here on this machine, or over a cluster. It takes some seconds, and needs
``pip install ".[dask,backbones]"``.
"""

# %%
# A detector
# ----------
# Fitting takes few samples: it stays on one machine. ``detector.save("table.safetensors")`` would
# bring it to others.

# sphinx_gallery_thumbnail_path = 'report.png'

from pathlib import Path
from tempfile import TemporaryDirectory

import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster
from sklearn.datasets import load_breast_cancer

from skmmrr.baselines import KDEDetector, OCSVMDetector
from skmmrr.datasets import save_washers
from skmmrr.inspection import PictureDetector, training_pictures

X, y = load_breast_cancer(return_X_y=True)  # 1 is benign
detector = KDEDetector(random_state=0).fit(X[y == 1])


# %%
# A Dask array
# ------------
# ``map_blocks`` scores a block of rows at a time; no process holds more than a few of them. The
# array may lie in a Zarr or HDF5 file.


def score_rows(rows):
    """Scores of a Dask array, itself a Dask array."""
    return rows.map_blocks(detector.score_samples, drop_axis=1, dtype=float)


# %%
# A folder
# --------
# Paths travel, not pictures: the workers read them from a disk that all of them see.


def score_pictures(client, model, paths, n_at_a_time=10):
    """Scores of pictures, some at a time on each worker."""
    parts = [
        paths[i : i + n_at_a_time] for i in range(0, len(paths), n_at_a_time)
    ]
    everywhere = client.scatter(model, broadcast=True)  # once to each worker
    scores = [
        client.submit(PictureDetector.score_samples, everywhere, part)
        for part in parts
    ]
    return np.concatenate(client.gather(scores))


# %%
# The cluster
# -----------
# ``LocalCluster`` starts processes on this machine; ``Client("tcp://scheduler:8786")`` would use
# those of others. Scores are the same to the last bit, wherever they are computed.


def main():
    """Score an array and a folder on two workers, and compare with this process."""
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
        TemporaryDirectory() as folder,
    ):
        rows = da.from_array(np.tile(X, (20, 1)), chunks=(1000, X.shape[1]))
        scores = score_rows(rows).compute()
        same = np.array_equal(scores[: len(X)], detector.score_samples(X))
        print(
            f"{len(scores)} rows in {rows.numblocks[0]} blocks, the same scores: {same}"
        )

        save_washers(folder, size=64, random_state=0)
        learned, _ = training_pictures(folder)
        model = PictureDetector(
            OCSVMDetector(), size=(64, 64), random_state=0
        ).fit(learned)
        paths = sorted(Path(folder, "test").rglob("*.png"))
        scores = score_pictures(client, model, paths)
        same = np.array_equal(scores, model.score_samples(paths))
        print(f"{len(scores)} pictures, the same scores: {same}")


if __name__ == "__main__":
    main()
