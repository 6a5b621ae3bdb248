"""A map's score is the mean of its highest values."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skmmrr.core.top_share import check_top_share, mean_of_top, parts_of_top


@pytest.mark.parametrize(("share", "n"), [(1.0, 24), (0.5, 12), (0.02, 1), (0.1, 2), (1e-9, 1)])
def test_mean_of_the_highest(share, n):
    maps = np.random.default_rng(0).random((5, 4, 6))
    expected = np.sort(maps.reshape(5, -1), axis=1)[:, -n:].mean(axis=1)
    assert_allclose(mean_of_top(torch.from_numpy(maps), share), expected)
    parts = parts_of_top(torch.from_numpy(maps), share).numpy()
    assert_allclose(parts.sum(axis=(1, 2)), expected)
    assert ((parts > 0).sum(axis=(1, 2)) == n).all()
    assert_allclose(parts[parts > 0], maps[parts > 0] / n)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (1.1, ValueError), ("1", TypeError)])
def test_shares_are_checked(value, error):
    with pytest.raises(error, match=r"'top_share' of KNN must be a number in \(0, 1\]"):
        check_top_share(value, "KNN")
