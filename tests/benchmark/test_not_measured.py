"""Every method that a paper prints is measured, or on the page of those that are not."""

import re
from pathlib import Path

import pytest

from skmmrr.benchmark import find_detector
from skmmrr.benchmark.counterparts import COUNTERPARTS
from skmmrr.benchmark.published import published_rows

PAGE = Path(__file__).parents[2] / "docs" / "results" / "not_measured.md"
THESIS = "Self-supervised autoencoder thesis"
OF_THESIS = {"AE", "Rotation"} | {f"A_{score}" for score in ("rec", "cls", "max", "ws")}
OF_THESIS |= {f"A*_{score} (separate)" for score in ("max", "ws")}  # by docs/results/thesis.py
MEASURED = {of.method for of in COUNTERPARTS.values()}


def listed():
    """Sources and stand-ins of the page's methods."""
    page = PAGE.read_text(encoding="utf-8")
    lines = (line for line in page.splitlines() if line.startswith("| "))
    _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return {method: (sources.split(", "), other) for method, sources, _, other in rows}


def test_every_method_is_measured_or_listed():
    sources = {}
    for row in published_rows():
        source, method = row["source"], row["method"]
        if method not in MEASURED and not (source == THESIS and method in OF_THESIS):
            sources.setdefault(method, set()).add("thesis" if source == THESIS else source)
    assert {method: set(of) for method, (of, _) in listed().items()} == sources


@pytest.mark.parametrize("other", sorted({other for _, other in listed().values()}))
def test_what_could_stand_for_it_can_be_run(other):
    names = re.findall(r"`([^`]+)`", other)
    assert names or other in ("none", "none yet", "as GEOM")
    if names:
        candidate = find_detector(names[0])
        changes = re.findall(r"(\w+)=", other)
        assert set(changes) <= candidate.estimator.get_params().keys()
