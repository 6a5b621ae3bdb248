"""The protocols: which class is normal, which abnormal, and how large they are."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmmrr.datasets import NoveltySplit, one_anomalous, one_anomalous_pooled, one_vs_all

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


@pytest.fixture
def numbered():
    """60 training and 10 test samples of each of ten classes; every sample has its own number."""
    y_train, y_test = np.repeat(np.arange(10), 60), np.repeat(np.arange(10), 10)
    return np.arange(600)[:, None], y_train, np.arange(600, 700)[:, None], y_test


@pytest.mark.parametrize("seed", [0, 1])
def test_pooled_trains_80_percent_and_tests_the_rest_and_every_anomaly(numbered, seed):
    train, test, labels = one_anomalous_pooled(*numbered, anomalous=3, random_state=seed)
    assert (len(train), len(test)) == (504, 196)
    assert sorted(np.concatenate([train, test]).ravel()) == list(range(700))  # none twice
    ninth = {*range(180, 240), *range(630, 640)}
    assert set(test[labels == -1].ravel()) == ninth
    assert np.mean(labels == -1) == pytest.approx(0.357, abs=0.001)
    assert (train >= 600).any()  # both files are in both parts
    assert (test[labels == 1] < 600).any()


def test_pooled_draws_by_its_seed(numbered):
    first, again, other = (
        one_anomalous_pooled(*numbered, anomalous=3, random_state=seed)[0] for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pooled_classes_are_cut_to_the_smallest(numbered):
    X_train, y_train, X_test, y_test = numbered
    kept = np.r_[0:30, 60:600]  # class 0 has 40 samples, others 70
    split = one_anomalous_pooled(
        X_train[kept], y_train[kept], X_test, y_test, anomalous=3, balance=True, random_state=0
    )
    train, test, labels = split
    assert (len(train), (labels == -1).sum()) == (288, 40)
    classes = np.r_[y_train, y_test][np.concatenate([train, test]).ravel()]
    assert np.bincount(classes).tolist() == [40] * 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 1}, r"'train_size' of one_anomalous_pooled must be a number in \(0, 1\)"),
        ({"train_size": 1e-6}, "normal samples to train and to test. Got 630"),
        ({"balance": "yes"}, "'balance' of one_anomalous_pooled must be True or False"),
    ],
)
def test_pooled_refuses_what_leaves_nothing(numbered, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        one_anomalous_pooled(*numbered, anomalous=3, **options)


@pytest.mark.parametrize("protocol", [one_vs_all, one_anomalous, one_anomalous_pooled])
def test_an_unknown_class_is_named(protocol):
    with pytest.raises(ValueError, match=r"no class 'cat' in y_train. It has \[0, 1, 2\]"):
        protocol(*DATA, **{"normal" if protocol is one_vs_all else "anomalous": "cat"})


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
