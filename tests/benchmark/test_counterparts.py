"""No published figure stands beside a row that computes something else."""

import pytest

from skmmrr import PAPER_32x32, PAPER_256x256
from skmmrr.benchmark import find_detector
from skmmrr.benchmark.counterparts import COUNTERPARTS, published_figures
from skmmrr.benchmark.detectors import DETECTOR_NAMES
from skmmrr.benchmark.published import published_rows


def parameters():
    """Those of every row of the bench, by name."""
    found = {}
    for name in DETECTOR_NAMES:
        candidate = find_detector(name)
        own = candidate.estimator.get_params(deep=False)
        changes = ({}, *candidate.variants.values())
        found |= {n: own | c for n, c in zip(candidate.names, changes, strict=True)}
    return found


ROWS = parameters()
MMRR = {name: of for name, of in COUNTERPARTS.items() if name.startswith("MMRR")}


@pytest.mark.parametrize(("name", "of"), MMRR.items())
def test_rows_of_mmrr_have_the_papers_formula_and_its_ablation(name, of):
    row, method = ROWS[name], of.method
    assert of.source == "MMRR"
    assert not row["adjust"]
    assert row["refine"] == ("w/o ref." not in method)
    assert row["embed"] == ("no embedding" not in method)
    named = [mask for mask in ("constant", "Bernoulli") if mask in method] or ["learned"]
    assert [row["mask"]] == [mask.lower() for mask in named]
    paper = PAPER_256x256 if "256x256" in name else PAPER_32x32
    assert of.but or paper.items() <= row.items()


@pytest.mark.parametrize("name", sorted(COUNTERPARTS.keys() - MMRR.keys()))
def test_other_rows_say_what_differs(name):
    assert name in ROWS
    assert COUNTERPARTS[name].but


def test_adjusted_rows_have_none():
    adjusted = {name for name, row in ROWS.items() if row.get("adjust")}
    assert {"MMRR", "MMRR w/o ref.", "MMRR, 8 nodes", "2-NN, adjusted"} <= adjusted
    assert not adjusted & COUNTERPARTS.keys()


def test_counterparts_are_published_and_all_of_mmrrs_methods_have_rows():
    printed = {(row["source"], row["method"]) for row in published_rows()}
    found = {(of.source, of.method) for of in COUNTERPARTS.values()}
    assert found <= printed
    assert {method for _, method in printed if method.startswith("MMRR")} <= {m for _, m in found}


@pytest.mark.parametrize(
    ("refined", "printed"), [("", "0.737"), (" w/o ref.", "0.676")], ids=["refined", "without"]
)
def test_a_mean_is_the_printed_one(refined, printed):
    """Table 4 has 0.676, and the classes of table 9 have the mean 0.680."""
    names = ["airplane", "automobile", *("bird", "cat", "deer", "dog", "frog", "horse", "ship")]
    task = ("cifar10", "class normal", "auroc", f"MMRR, paper's settings{refined}")
    figures = published_figures(*task, [*names, "truck"])
    assert figures.title == "published"
    assert figures.cells[-1] == printed
    assert published_figures(*task, names).cells[-1].endswith("*")


@pytest.mark.parametrize(
    ("dataset", "mark"),
    [("mvtec:bottle", "(paper's networks)"), ("mvtec:bottle:64", "(paper's networks, 256x256)")],
)
def test_other_networks_and_sizes_of_mvtec_are_told(dataset, mark):
    task = (dataset, "normal train", "auroc", "MMRR, paper's settings")
    assert published_figures(*task, ["bottle"]).mark == mark


@pytest.mark.parametrize(
    ("dataset", "mark"), [("mnist", "(32x32)"), ("mnist:32", ""), ("fashion-mnist:28", "(32x32)")]
)
def test_the_size_of_the_papers_mnist_is_told(dataset, mark):
    task = (dataset, "class normal", "auroc", "MMRR, paper's settings")
    assert published_figures(*task, [str(digit) for digit in range(10)]).mark == mark


def test_the_mean_of_cifar100_is_that_of_its_twenty_classes():
    task = ("cifar100", "class normal", "auroc", "DN2")
    assert published_figures(*task, [str(i) for i in range(20)]).cells[-1] == "0.893"
    assert published_figures(*task, [str(i) for i in range(10)]) is None


def test_the_papers_networks_for_mvtec_stand_beside_mvtec_alone():
    detector = "MMRR, paper's settings at 256x256"
    whole, small = (
        published_figures(dataset, "normal train", "auroc", detector, ["bottle"])
        for dataset in ("mvtec:bottle", "mvtec:bottle:64")
    )
    assert (whole.mark, small.mark) == ("", "(256x256)")
    assert published_figures("mnist:32", "class normal", "auroc", detector, ["1"]) is None
