"""The README's tables, which nothing makes when it is shown, have the figures of the files."""

from itertools import takewhile

import pandas as pd
import pytest

from skmmrr.benchmark.published import published_mean
from skmmrr.benchmark.report import read_results

from .conftest import FOLDER

README = FOLDER.parents[1] / "README.md"
DATASETS = {"CIFAR-10": "cifar10", "Fashion-MNIST": "fashion-mnist", "MNIST": "mnist"}
DETECTORS = {
    "MMRR": "MMRR, 8 nodes",
    "w/o refinement": "MMRR, 8 nodes w/o ref.",
    "unadjusted": "MMRR, 8 nodes, unadjusted",
}
PUBLISHED = {"CIFAR-10": "CIFAR10", "Fashion-MNIST": "FMNIST", "MNIST": "MNIST"}


def table(start):
    """Figures of the table whose first line begins so, its first column as index."""
    lines = README.read_text().splitlines()
    (first,) = (i for i, line in enumerate(lines) if line.startswith(start))
    head, _, *rows = takewhile(lambda line: line.startswith("|"), lines[first:])
    names, *cells = ([cell.strip() for cell in row.split("|")[1:-1]] for row in (head, *rows))
    return pd.DataFrame(cells, columns=names).set_index(names[0]).astype(float)


def test_digits():
    found = table("| digit |")
    measured = pd.read_csv(FOLDER / "digits.csv", index_col="digit")[found.columns]
    assert found.to_numpy() == pytest.approx(measured.to_numpy(), abs=0.00051)


def test_the_papers_sets():
    found = table("| data | MMRR |")
    printed = found.pop("the paper's MMRR")
    assert printed.to_dict() == {
        name: published_mean("MMRR", dataset, "MMRR") for name, dataset in PUBLISHED.items()
    }
    rows = read_results([FOLDER / "bench" / "classes.csv"])
    means = rows.pivot_table("auroc", "dataset", "detector").round(3)
    measured = means.loc[
        [DATASETS[name] for name in found.index], [DETECTORS.get(name, name) for name in found]
    ]
    assert found.to_numpy() == pytest.approx(measured.to_numpy())
