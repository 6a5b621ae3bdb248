"""The watch over memory sees what a block takes, and gives back."""

import sys
import time

import numpy as np
import pytest

from skmmrr.benchmark.memory import anonymous_memory, measure_memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_sees_a_peak_that_is_gone_at_the_end():
    with anonymous_memory() as memory:
        held = np.ones(2**24)  # 128 MiB
        time.sleep(0.2)
        del held
    assert 100 < memory.peak - memory.before < 400


def test_prints_a_row_a_call():
    lines = measure_memory(n_samples=40, n_scored=20, n_levels=2, max_iter=2).splitlines()
    assert [line.split(" | ")[:2] for line in lines[-3:]] == [
        ["| fit", "40"],
        ["| score_samples", "10"],
        ["| score_samples", "20"],
    ]
