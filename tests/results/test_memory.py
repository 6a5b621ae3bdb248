"""The watch over memory sees what a block takes, and gives back."""

import sys
import time

import numpy as np
import pytest

from .conftest import columns

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_sees_a_peak_that_is_gone_at_the_end(load):
    with load("memory").anonymous_memory() as memory:
        held = np.ones(2**24)  # 128 MiB
        time.sleep(0.2)
        del held
    assert 100 < memory.peak - memory.before < 400


def test_has_a_row_a_call(load):
    memory = load("memory")
    rows = list(memory.measure_memory(n_samples=40, n_scored=20, n_levels=2, max_iter=2))
    assert list(rows[0]) == columns("memory")
    assert [(row["call"], row["images"]) for row in rows] == [
        ("fit", "40"),
        ("score_samples", "10"),
        ("score_samples", "20"),
    ]
