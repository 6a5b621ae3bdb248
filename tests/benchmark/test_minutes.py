from skmmrr.benchmark.minutes import draw_minutes


def test_draws_a_panel_a_data_set(tmp_path):
    rows = [
        {
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
    draw_minutes(rows, tmp_path / "minutes.png")
    assert (tmp_path / "minutes.png").stat().st_size > 10_000
