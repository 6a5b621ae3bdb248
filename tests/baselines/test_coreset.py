"""The greedy coreset covers points as the greedy solution of the k-centre problem does."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist

from skmmrr.baselines._coreset import greedy_coreset

CPU = torch.device("cpu")


def points(n=200, d=3):
    return np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)


def coreset(x, size, verbose=0):
    return greedy_coreset(x, size, np.random.default_rng(1), CPU, verbose)


def test_each_point_is_the_farthest_from_those_before():
    x = points()
    first = np.random.default_rng(1).integers([len(x), 2**31])[0]
    chosen = [first]
    for _ in range(29):
        chosen.append(cdist(x, x[chosen]).min(axis=1).argmax())
    assert_array_equal(coreset(x, 30), np.sort(chosen))


def test_many_features_are_projected_and_well_separated_groups_all_have_a_member():
    rng = np.random.default_rng(0)
    groups = rng.normal(0, 100, size=(10, 300)).repeat(20, axis=0)
    x = (groups + rng.normal(size=groups.shape)).astype(np.float32)
    assert_array_equal(np.sort(coreset(x, 10) // 20), np.arange(10))


@pytest.mark.parametrize("size", [50, 51])
def test_all_are_kept_where_few_are_given(size):
    assert_array_equal(coreset(points(50), size), np.arange(50))


def test_points_that_come_again_are_chosen_once():
    x = np.repeat(points(5), 10, axis=0)
    chosen = coreset(x, 20)
    assert len(np.unique(chosen)) == 20
    assert len(np.unique(x[chosen], axis=0)) == 5


def test_the_costs_are_said_before_it_starts(capsys):
    coreset(points(), 30, verbose=1)
    out = capsys.readouterr()
    assert "coreset of 30 of 200 patches: about 0 s, 0 MB" in out.out + out.err
