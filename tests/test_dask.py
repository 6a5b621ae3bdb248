"""Scores by Dask are those of one process; the example that shows how runs on a LocalCluster."""

import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from dask.distributed import Client, LocalCluster
from numpy.testing import assert_array_equal

import skmmrr

EXAMPLE = Path(skmmrr.__file__).parents[1] / "examples" / "plot_dask.py"


def test_blocks_of_an_array_score_as_the_whole(vector_detector, vectors):
    rows = da.from_array(vectors, chunks=(17, vectors.shape[1]))
    with (
        LocalCluster(processes=False, n_workers=2, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        scores = rows.map_blocks(vector_detector.score_samples, drop_axis=1, dtype=np.float64)
        assert_array_equal(scores.compute(), vector_detector.score_samples(vectors))


@pytest.mark.slow
def test_the_example_scores_an_array_and_a_folder_on_worker_processes():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        "11380 rows in 12 blocks, the same scores: True\n50 pictures, the same scores: True\n"
    )
