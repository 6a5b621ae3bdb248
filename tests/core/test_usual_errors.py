import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skmmrr.core.usual_errors import UsualErrors


def test_weights_are_inverse_to_usual_errors():
    usual = UsualErrors.fit({"refined": np.array([[1.0, 4.0], [3.0, 4.0], [1.0, 100.0]])})
    assert_array_equal(usual.by_kind["refined"], [1, 4])
    first, second = usual.weights("refined")
    assert_allclose(first / second, (4 + 0.05 * 2.5) / (1 + 0.05 * 2.5))


def test_elements_that_are_alike_keep_their_scale():
    usual = UsualErrors({"restored": np.full(3, 1e-4)})
    assert_allclose(usual.weights("restored"), 1 / 1.05)


def test_what_is_always_restored_counts_but_not_without_limit():
    weights = UsualErrors({"restored": np.array([0.0, 1.0])}).weights("restored")
    assert_allclose(weights[0], 20)
    assert_array_equal(UsualErrors({"restored": np.zeros(2)}).weights("restored"), 1)
