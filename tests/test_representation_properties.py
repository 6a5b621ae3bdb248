"""What holds for the scaling of any samples, searched for counterexamples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from skmmrr.representation import LARGEST, Representation

finite = st.floats(-1e12, 1e12)
vectors = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=finite)
pictures = arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(4 * 3 * 2)))


@given(vectors)
def test_the_training_range_of_each_feature_becomes_minus_one_to_one(X):
    scaled = Representation.fit(X, None).scale(X)
    constant = X.min(axis=0) == X.max(axis=0)
    assert_allclose(scaled[:, constant], 0, atol=1e-3)
    assert_allclose(scaled.min(axis=0)[~constant], -1, atol=1e-3)
    assert_allclose(scaled.max(axis=0)[~constant], 1, atol=1e-3)


@given(vectors, vectors)
def test_new_samples_stay_finite_and_keep_their_order(X, new):
    new = np.resize(new, (len(new), X.shape[1]))
    scaled = Representation.fit(X, None).scale(new)
    assert (np.abs(scaled) <= LARGEST).all()
    for before, after in zip(new.T, scaled.T, strict=True):
        assert (np.diff(after[np.argsort(before, kind="stable")]) >= 0).all()


@given(pictures)
def test_pictures_come_back_channels_last(X):
    representation = Representation.fit(X, (4, 3, 2))
    tensor = representation.tensor(X)
    assert tensor.shape == (len(X), 2, 4, 3)
    assert_allclose(representation.features_last(tensor), representation.scale(X))
    low, high = float(X.min()), float(X.max())
    middle, half = (low + high) / 2, (high - low) / 2 or 1
    expected = ((X - middle) / half).reshape(len(X), 4, 3, 2)
    assert_allclose(representation.to_user(tensor), expected, atol=1e-6)
