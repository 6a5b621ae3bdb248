"""The README's table, which nothing makes when it is shown, has the figures of the files."""

from itertools import takewhile

import numpy as np
import pandas as pd
import pytest

from skmmrr.benchmark.report import read_results

from .conftest import FOLDER

README = FOLDER.parents[1] / "README.md"
# Its rows: the file, the rows' dataset, and the names of the four columns there.
CLASSES = ("MMRR, 8 nodes", "2-NN, adjusted", "OC-SVM", "IForest")
ROWS = {
    "MVTec AD bottle, features": ("parts", "mvtec:bottle", ("MMRR features", "Patch 1-NN")),
    "MVTec AD screw, features": ("parts", "mvtec:screw", ("MMRR features", "Patch 1-NN")),
    "MNIST": ("classes", "mnist", CLASSES),
    "Fashion-MNIST": ("classes", "fashion-mnist", CLASSES),
    "CIFAR-10": ("classes", "cifar10", CLASSES),
    "ADBench, 16 tables": ("adbench_half", None, ("MMRR", "5-NN", "OC-SVM", "IForest")),
}


def table(start):
    """Cells of the table whose first line begins so, its first column as index."""
    lines = README.read_text(encoding="utf-8").splitlines()
    (first,) = (i for i, line in enumerate(lines) if line.startswith(start))
    head, _, *rows = takewhile(lambda line: line.startswith("|"), lines[first:])
    names, *cells = ([cell.strip() for cell in row.split("|")[1:-1]] for row in (head, *rows))
    return pd.DataFrame(cells, columns=names).set_index(names[0])


@pytest.mark.parametrize("row", ROWS)
def test_figures_are_those_of_the_files(row):
    file, dataset, detectors = ROWS[row]
    rows = read_results([FOLDER / "bench" / f"{file}.csv"])
    if dataset is not None:
        rows = rows[rows["dataset"] == dataset]
    means = rows.pivot_table("auroc", ["dataset", "class"], "detector").mean()[list(detectors)]
    printed = table("| data |").loc[row].iloc[: len(detectors)]
    assert printed.str.strip("*").astype(float).to_numpy() == pytest.approx(means.round(3))
    assert printed.str.startswith("*").to_numpy().argmax() == np.argmax(means)


def test_it_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120
