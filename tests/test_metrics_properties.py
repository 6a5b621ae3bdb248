"""What holds for AUPRO of any masks and maps, searched for counterexamples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from skmmrr.metrics import aupro_score

SHAPE = (2, 5, 6)
masks = arrays(np.bool, SHAPE).filter(lambda mask: mask.any() and not mask.all())
maps = arrays(np.int16, SHAPE, elements=st.integers(-9, 9))
rates = st.floats(0.01, 1)


@given(masks, maps, rates)
def test_it_is_a_share(mask, found, rate):
    assert 0 <= aupro_score(mask, found, max_fpr=rate) <= 1 + 1e-12


@given(masks, maps, rates)
def test_only_the_order_of_the_scores_counts(mask, found, rate):
    stretched = np.exp(found / 3.0)
    assert_allclose(
        aupro_score(mask, stretched, max_fpr=rate), aupro_score(mask, found, max_fpr=rate)
    )


@given(masks, maps, st.permutations(range(SHAPE[0])))
def test_the_order_of_the_images_does_not_count(mask, found, order):
    order = list(order)
    assert_allclose(aupro_score(mask[order], found[order]), aupro_score(mask, found))


@given(masks, maps, rates)
def test_raising_the_scores_of_abnormal_pixels_never_costs(mask, found, rate):
    better = found + 3 * mask
    before, after = (aupro_score(mask, m, max_fpr=rate) for m in (found, better))
    assert after >= before - 1e-12


@given(masks, rates)
def test_a_perfect_map_has_one(mask, rate):
    assert_allclose(aupro_score(mask, mask, max_fpr=rate), 1)
