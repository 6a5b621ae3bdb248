from collections import Counter

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


def test_no_figure_is_there_twice_and_no_name_ends_in_a_blank():
    rows = published_rows()
    keys = ("source", "dataset", "class", "method", "metric")
    assert max(Counter(tuple(row[key] for key in keys) for row in rows).values()) == 1
    assert all(value == value.strip() for row in rows for value in row.values())


def test_a_method_has_one_name():
    names = {row["printed_method"]: row["method"] for row in published_rows()}
    assert {names[printed] for printed in ("DSVDD", "Deep SVDD", "DeepSVDD")} == {"DeepSVDD"}
    spelled = {"".join(filter(str.isalnum, name)).lower() for name in names.values()}
    assert len(spelled) == len(set(names.values())) - 1  # DAAD and DAAD+


def test_deviations_of_mmrr():
    found = Counter(row["table"] for row in published_rows() if row["std"])
    assert found == {"8": 10, "9": 10, "10": 30, "1": 30}  # the last is DN2's


def test_mlsads_levels_together_are_those_of_its_table_1():
    printed = {
        (row["table"], row["class"]): row["value"]
        for row in published_rows()
        if row["source"] == row["method"] == "MLSAD"
        and row["dataset"] in ("CIFAR10", "CIFAR10 against rCIFAR10")
    }
    for name in ("frog", "dog", "horse"):
        assert printed["4", name] == printed["1", name]
