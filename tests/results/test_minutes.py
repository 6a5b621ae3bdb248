import pytest

from skmmrr import PAPER_32x32
from skmmrr.benchmark.report import as_frame
from skmmrr.benchmark.results import COLUMNS


@pytest.fixture
def minutes(load):
    return load("minutes")


def test_every_way_has_its_settings_and_steps(minutes):
    found = {name: d for way in minutes._WAYS for name, d in minutes._detectors(way).items()}
    assert found["default, 150 steps"].max_iter == 150
    assert found["default, its own steps"].max_iter is None
    literal = found["paper's settings, 2 steps"]
    assert (literal.network, literal.max_iter) == (PAPER_32x32["network"], 2)


def test_draws_a_panel_a_data_set(minutes, tmp_path):
    rows = [
        dict.fromkeys(COLUMNS, "")
        | {
            "dataset": dataset,
            "class": "8",
            "detector": f"{way}, {steps} steps",
            "fit_seconds": str(steps),
            "auroc": "0.7",
        }
        for dataset in ("mnist", "cifar10")
        for way in ("default", "paper's settings")
        for steps in (50, 150)
    ]
    minutes.draw_minutes(as_frame(rows), tmp_path / "minutes.png")
    assert (tmp_path / "minutes.png").stat().st_size > 10_000
