import pytest
import torch
from numpy.testing import assert_allclose

from skmmrr.mmrr import level_mask

from .conftest import columns


@pytest.mark.parametrize("reference", ["lml_mask", "bisection_mask"])
def test_references_compute_the_same_mask_and_gradient(load, reference):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 200, generator=generator) * 3
    grad, level = torch.randn(5, 200, generator=generator), torch.linspace(0.1, 0.9, 5)
    results = []
    for way in (level_mask, getattr(load("mask"), reference)):
        leaf = logits.clone().requires_grad_()
        mask = way(leaf, level)
        mask.backward(grad)
        results.append((mask.detach(), leaf.grad))
    assert_allclose(results[0][0], results[1][0], atol=1e-5)
    assert_allclose(results[0][1], results[1][1], atol=1e-5)


def test_has_a_row_for_each_way_and_scale(load):
    rows = list(load("mask").measure_mask(rows=3, elements=20, repeats=1))
    assert len(rows) == 3 * 4
    assert rows[0]["way"] == "level_mask"
    assert list(rows[0]) == columns("mask")
