import pytest

from skmmrr.benchmark.published import published_classes, published_mean, published_rows


@pytest.mark.parametrize(
    ("source", "dataset", "method"),
    [
        ("MMRR", "MNIST", "OC-SVM"),
        ("MMRR", "MNIST", "KDE"),
        ("MMRR", "CIFAR10", "OC-SVM"),
        ("MMRR", "CIFAR10", "KDE"),
        ("DN2", "CIFAR10", "DN2"),
    ],
)
def test_ten_classes(source, dataset, method):
    values = published_classes(source, dataset, method)
    assert len(values) == 10
    assert all(0.4 < value < 1 for value in values)


def test_a_printed_mean_is_that_of_its_classes():
    mean = sum(published_classes("DN2", "CIFAR10", "DN2")) / 10
    assert mean == pytest.approx(published_mean("DN2", "CIFAR10", "DN2"), abs=1e-3)


def test_values_are_numbers():
    assert all(0 <= float(row["value"]) <= 1 for row in published_rows())
