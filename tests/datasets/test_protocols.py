"""The two protocols: which class is normal, which abnormal, and how large they are."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmmrr.datasets import NoveltySplit, one_anomalous, one_vs_all

Y_TRAIN, Y_TEST = np.array([0, 1, 1, 2, 2, 2]), np.array([2, 1, 0, 1])
DATA = (np.arange(6)[:, None], Y_TRAIN, np.arange(10, 14)[:, None], Y_TEST)


def test_one_vs_all_trains_on_the_class_and_tests_on_everything():
    train, test, labels = one_vs_all(*DATA, normal=1)
    assert train.ravel().tolist() == [1, 2]
    assert_array_equal(test, DATA[2])
    assert labels.tolist() == [-1, 1, -1, 1]


def test_one_anomalous_trains_on_all_others():
    train, test, labels = one_anomalous(*DATA, anomalous=1)
    assert train.ravel().tolist() == [0, 3, 4, 5]
    assert_array_equal(test, DATA[2])
    assert labels.tolist() == [1, -1, 1, -1]


def test_balance_cuts_every_class_to_the_smallest():
    train, test, labels = one_anomalous(*DATA, anomalous=0, balance=True)
    assert train.ravel().tolist() == [1, 3]
    assert test.ravel().tolist() == [10, 11, 12]
    assert labels.tolist() == [1, 1, -1]


@pytest.mark.parametrize("protocol", [one_vs_all, one_anomalous])
def test_an_unknown_class_is_named(protocol):
    with pytest.raises(ValueError, match=r"no class 'cat' in y_train. It has \[0, 1, 2\]"):
        protocol(*DATA, "cat")


def test_novelty_split_trains_on_normals_and_tests_every_sample_once():
    y = np.repeat([1, -1], [20, 7])
    splits = list(NoveltySplit(4, random_state=0).split(y, y))
    assert len(splits) == NoveltySplit(4).get_n_splits() == 4
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(27))
    for train, test in splits:
        assert (y[train] == 1).all()
        assert set(y[test]) == {-1, 1}
        assert not set(train) & set(test)


def test_novelty_split_needs_an_anomaly_for_each_fold():
    with pytest.raises(ValueError, match="20 normal samples and 2 anomalies; take fewer folds"):
        next(NoveltySplit(3).split(None, np.repeat([0, 1], [20, 2])))
