import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmmrr.mmrr.levels import level_quadrature


def test_uniform_is_the_papers_grid():
    levels, weights = level_quadrature("uniform", 60)
    assert_allclose(levels, np.linspace(0, 1, 60))
    assert_allclose(weights, 1 / 60)
    assert levels[0] == 0
    assert levels[-1] == 1


@pytest.mark.parametrize("n_levels", [1, 2, 8, 31])
def test_gauss_legendre_has_interior_nodes_and_both_ends(n_levels):
    levels, weights = level_quadrature("gauss-legendre", n_levels)
    assert len(levels) == len(weights) == n_levels + 2
    assert levels[0] == 0
    assert levels[-1] == 1
    assert (np.diff(levels) > 0).all()
    assert_allclose(weights.sum(), 1)
    assert_allclose(weights[[0, -1]], 1 / 120)


@pytest.mark.parametrize("loss", [lambda u: np.exp(-10 * u), lambda u: 1 / (0.1 + u), np.cos])
def test_gauss_legendre_is_close_to_the_mean_over_sixty_levels(loss):
    grid, equal = level_quadrature("uniform", 60)
    levels, weights = level_quadrature("gauss-legendre", 8)
    assert_allclose(weights @ loss(levels), equal @ loss(grid), rtol=3e-3)  # h^2 f' / 12, h = 1/59


@pytest.mark.parametrize(
    ("rule", "n_levels", "error", "match"),
    [
        ("uniform", 1, ValueError, "'n_levels' of me must be an int of at least 2.*Got 1"),
        ("uniform", 0, ValueError, "at least 2"),
        ("gauss-legendre", 0, ValueError, "at least 1"),
        ("uniform", 2.5, TypeError, "Got 2.5 of type float"),
        ("uniform", True, TypeError, "Got True of type bool"),
        ("simpson", 8, ValueError, "'level_rule' of me must be one of .*'simpson'"),
        (None, 8, ValueError, "'level_rule'"),
    ],
)
def test_bad_levels_are_named(rule, n_levels, error, match):
    with pytest.raises(error, match=match):
        level_quadrature(rule, n_levels, owner="me")
