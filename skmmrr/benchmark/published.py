"""The papers' numbers, as printed: ``published.csv`` has a row for each.

A method has one name, ``method``, in all papers; ``printed_method`` is what the table calls it,
blank where our copy of the paper lacks it: the names of the rows of MLSAD's table 4 follow from
their order. MMRR's own figures for MVTec AD are from table 10, which is table 7 with deviations.
"""

import csv
from functools import cache
from importlib.resources import files

Row = dict[str, str]

_CLASS_NAMES = {  # CIFAR-10's, as the papers call them
    name: (name, short, str(i))
    for i, (name, short) in enumerate(
        [
            ("airplane", "plane"),
            ("automobile", "car"),
            *((name, name) for name in ("bird", "cat", "deer", "dog", "frog", "horse", "ship")),
            ("truck", "truck"),
        ]
    )
}


@cache
def published_rows() -> tuple[Row, ...]:
    """All of them, by the names of the columns."""
    text = files("skmmrr.benchmark").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def published_classes(source: str, dataset: str, method: str) -> list[float]:
    """Values of the ten classes, in the order of the data set's labels.

    Examples
    --------
    >>> from skmmrr.benchmark.published import published_classes
    >>> published_classes("MMRR", "MNIST", "OC-SVM")[:3]
    [0.988, 0.999, 0.902]
    """
    wanted = (source, dataset, method)
    return [
        float(row["value"])
        for row in published_rows()
        if (row["source"], row["dataset"], row["method"]) == wanted
        and row["protocol"] == "one-vs-all, class normal"
        and row["class"] not in ("mean", "")
    ]


def published_mean(source: str, dataset: str, method: str) -> float:
    """The mean that the source prints.

    Examples
    --------
    >>> from skmmrr.benchmark.published import published_mean
    >>> published_mean("Self-supervised autoencoder thesis", "MNIST", "AE")
    0.735
    """
    wanted = (source, dataset, method, "mean")
    (value,) = (
        float(row["value"])
        for row in published_rows()
        if (row["source"], row["dataset"], row["method"], row["class"]) == wanted
    )
    return value


def published_value(
    source: str, dataset: str, method: str, metric: str, label: str
) -> float | None:
    """A figure as printed, of a class by its name or number, or of "mean"; None where none is.

    Examples
    --------
    >>> from skmmrr.benchmark.published import published_value
    >>> published_value("MMRR", "MNIST", "MMRR", "image AUROC", "8")
    0.945
    """
    wanted = (source, dataset, method, metric)
    names = _CLASS_NAMES.get(label, (label.replace("_", ""),))
    for row in published_rows():
        found = tuple(row[c] for c in ("source", "dataset", "method", "metric"))
        if found == wanted and row["class"].lower() in names:
            return float(row["value"])
    return None
