"""What holds for the mask of any logits and levels, searched for counterexamples."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skmmrr.mmrr import level_mask

logits = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 40)),
    elements=st.floats(-500, 500, width=32),
)
levels = st.floats(0, 1, width=32)


@given(logits, levels)
def test_the_mean_is_the_level(a, level):
    mask = level_mask(torch.from_numpy(a), torch.full((len(a),), level))
    assert ((mask >= 0) & (mask <= 1)).all()
    assert abs(mask.double().mean(dim=1) - level).max() <= 1e-6


@given(logits, levels)
def test_a_higher_logit_keeps_no_less(a, level):
    mask = level_mask(torch.from_numpy(a), torch.full((len(a),), level)).numpy()
    in_order = np.take_along_axis(mask, np.argsort(a, axis=1, kind="stable"), axis=1)
    assert (np.diff(in_order, axis=1) >= -1e-6).all()  # vector units round the last bit


@given(logits, levels, levels)
def test_a_higher_level_keeps_no_less_anywhere(a, one, other):
    low, high = (torch.full((len(a),), level) for level in sorted((one, other)))
    a = torch.from_numpy(a)
    assert (level_mask(a, low) <= level_mask(a, high) + 1e-6).all()


@given(logits, levels, st.floats(-100, 100, width=32))
def test_only_differences_of_logits_matter(a, level, shift):
    level = torch.full((len(a),), level)
    a = torch.from_numpy(a).double()
    apart = level_mask(a + shift, level) - level_mask(a, level)
    assert apart.abs().max() <= 1e-6
