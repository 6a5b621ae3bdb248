"""Ranks over data sets against the formulas and the table of Demsar (2006)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

from skmmrr.benchmark.figures import draw_all, draw_ranks
from skmmrr.benchmark.ranks import rank_detectors
from skmmrr.benchmark.report import rank_table

TASK = {"protocol": "adbench-novelty", "class": "", "subset": "all"}
BEST_LAST = {f"detector {i}": 0.5 + 0.05 * i for i in range(5)}


def frame(cells, seeds=(0,)):
    """Rows of (data set, detector): figures, the seeds around them."""
    rows = [
        {"dataset": d, "detector": n, "seed": s, "auroc": a + 0.001 * (s - np.mean(seeds)), **TASK}
        for (d, n), a in cells.items()
        for s in seeds
    ]
    return pd.DataFrame(rows)


def noisy(n_sets=12, seed=0):
    """Figures of five detectors whose order differs from set to set."""
    rng = np.random.default_rng(seed)
    return {
        (f"set {i}", name): mean + rng.normal(scale=0.08)
        for i in range(n_sets)
        for name, mean in BEST_LAST.items()
    }


def test_ranks_are_means_over_sets_and_the_test_is_friedmans():
    cells = noisy()
    found = rank_detectors(frame(cells, seeds=(0, 1, 2)))
    ranks = {name: [] for name in BEST_LAST}
    for i in range(12):
        ordered = sorted(BEST_LAST, key=lambda name, i=i: -cells[f"set {i}", name])
        for rank, name in enumerate(ordered, 1):
            ranks[name].append(rank)
    means = {name: np.mean(own) for name, own in ranks.items()}
    assert found.detectors == sorted(means, key=means.get)
    assert_allclose(found.ranks, sorted(means.values()))
    figures = [np.mean([cells[f"set {i}", n] for i in range(12)]) for n in found.detectors]
    assert_allclose(found.means, figures)
    statistic = 12 * 12 / (5 * 6) * (np.square(found.ranks).sum() - 5 * 6**2 / 4)
    assert found.p_value == pytest.approx(chi2.sf(statistic, 4))


def test_equal_figures_share_their_ranks():
    cells = {(d, n): 0.5 if n == "c" else 0.9 for d in "xy" for n in "abc"}
    assert_allclose(rank_detectors(frame(cells)).ranks, [1.5, 1.5, 3])


@pytest.mark.parametrize(
    ("n_detectors", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (8, 3.031), (10, 3.164)]
)
def test_the_critical_difference_has_the_printed_quantiles(n_detectors, quantile):
    cells = {(d, str(n)): n / 20 for d in range(7) for n in range(n_detectors)}
    found = rank_detectors(frame(cells))
    expected = quantile * np.sqrt(n_detectors * (n_detectors + 1) / (6 * 7))
    assert found.critical_difference == pytest.approx(expected, abs=1e-3)
    assert np.isnan(found.p_value) == (n_detectors < 3)


def test_groups_are_the_longest_within_the_difference():
    cells = {(d, str(n)): -n for d in range(25) for n in range(6)}  # ranks 1 to 6, difference 1.51
    assert rank_detectors(frame(cells)).alike() == [(i, i + 1) for i in range(5)]
    few = {key: value for key, value in cells.items() if key[0] < 6}  # 3.08
    assert rank_detectors(frame(few)).alike() == [(0, 3), (1, 4), (2, 5)]


def test_sets_that_a_detector_lacks_do_not_count():
    cells = noisy()
    del cells["set 3", "detector 2"]
    found = rank_detectors(frame(cells))
    whole = {key: value for key, value in cells.items() if key[0] != "set 3"}
    assert found.n_sets == 11
    assert_allclose(found.ranks, rank_detectors(frame(whole)).ranks)
    with pytest.raises(ValueError, match=r"two data sets.*Got 5 and 1\. Select detectors"):
        rank_detectors(frame({key: v for key, v in cells.items() if key[0] == "set 0"}))


def test_the_table_is_in_the_order_of_ranks():
    table = rank_table(frame(noisy()))
    assert table.title == "ranks by auroc on 12 sets"
    assert table.columns == ["detector", "mean auroc", "mean rank"]
    assert [float(row[2]) for row in table.rows] == sorted(float(row[2]) for row in table.rows)
    assert "apart do not differ significantly (Nemenyi, 5%; Friedman's p = " in table.note


def test_the_diagram_joins_what_does_not_differ(tmp_path):
    rows = frame(noisy())
    found = rank_detectors(rows)
    _, ax = plt.subplots()
    assert draw_ranks(ax, rows)
    texts = {text.get_text().strip() for text in ax.texts}
    assert {f"{n} {r:.2f}" for n, r in zip(found.detectors, found.ranks, strict=True)} <= texts
    bars = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 4]
    ends = [(found.ranks[i] - 0.05, found.ranks[j] + 0.05) for i, j in found.alike()]
    assert_allclose(bars, ends)
    assert not draw_ranks(ax, rows[rows["dataset"] == "set 0"])
    plt.close("all")
    more = rows.assign(fit_seconds=1.0)
    assert tmp_path / "adbench_novelty_ranks.png" in draw_all(more, tmp_path)
