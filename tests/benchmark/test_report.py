"""Tables and pictures of rows that are known."""

import json

import numpy as np
import pytest

from skmmrr.benchmark import figures
from skmmrr.benchmark.report import (
    as_frame,
    class_tables,
    detector_table,
    failures,
    pyod_tables,
    read_results,
    summary_table,
)
from skmmrr.benchmark.results import COLUMNS, ResultsFile

AUROC = {("OC-SVM", "0"): (0.9, 0.8), ("OC-SVM", "1"): (1.0, 1.0), ("X", "0"): (0.5, 0.7)}


def row(dataset, label, detector, seed, auroc, **more):
    own = {
        "dataset": dataset,
        "protocol": "class normal",
        "class": label,
        "subset": "all",
        "detector": detector,
        "seed": str(seed),
        "auroc": str(auroc),
        "precision_at_n": "0.5",
        "fit_seconds": "2",
        "score_seconds": "1",
        "n_train": "60",
        "n_test": "40",
        "parameters": "{}",
    }
    return dict.fromkeys(COLUMNS, "") | own | more


@pytest.fixture
def rows():
    return [
        row("mnist", label, detector, seed, value)
        for (detector, label), values in AUROC.items()
        for seed, value in enumerate(values)
    ]


def test_classes_beside_published(rows):
    (table,) = class_tables(as_frame(rows))
    title = "published (settings not printed)"
    assert table.columns == ["class", "OC-SVM", title, "X"]
    assert table.rows[0] == ["0", "0.850 ± 0.071", "0.988", "0.600 ± 0.141"]
    assert table.rows[1] == ["1", "1.000 ± 0.000", "0.999", ""]
    of_the_same_classes = f"{(0.988 + 0.999) / 2:.3f}*"
    assert table.rows[2] == ["mean", "0.925 ± 0.035", of_the_same_classes, ""]
    assert table.markdown().splitlines()[2] == f"| class | OC-SVM | {title} | X |"
    assert table.markdown().splitlines()[-1].startswith(r"\* computed from the figures above it")
    assert table.csv().splitlines()[1].endswith(",0,0.850 ± 0.071,0.988,0.600 ± 0.141")


@pytest.mark.parametrize(
    ("dataset", "label", "detector", "metric", "printed"),
    [
        ("cifar10", "airplane", "DN2", "auroc", "0.939"),
        ("cifar10", "automobile", "OC-SVM", "auroc", "0.440"),
        ("mvtec:bottle:64", "bottle", "MMRR, unadjusted", "auroc", "0.960"),
        ("mvtec:metal_nut", "metal_nut", "MMRR, unadjusted", "pixel_auroc", "0.820"),
        ("cifar10", "bird", "MMRR, paper's settings w/o ref.", "auroc", "0.693"),
    ],
)
def test_published_figures_are_found(dataset, label, detector, metric, printed):
    (table,) = class_tables(
        as_frame([row(dataset, label, detector, 0, 0.5, pixel_auroc="0.5")]), metric
    )
    assert table.rows[0][2] == printed


def test_a_printed_mean_of_ten_classes_is_not_that_of_two():
    name = "MMRR, unadjusted"
    rows = [row("fashion-mnist", str(label), name, 0, 0.5) for label in range(10)]
    (table,) = class_tables(as_frame(rows))
    assert table.rows[-1] == ["mean", "0.500", "0.930"]
    assert table.note == ""
    assert class_tables(as_frame(rows[:2]))[0].columns == ["class", name]


def test_subsets_are_not_mixed(rows):
    cut = [r | {"subset": "10/10", "auroc": "0.1"} for r in rows]
    assert summary_table(as_frame(rows + cut)).rows[0] == summary_table(as_frame(rows)).rows[0]
    assert pyod_tables(as_frame(rows + cut))[0].rows[0] == pyod_tables(as_frame(rows))[0].rows[0]


def test_protocols_without_published_figures():
    (table,) = class_tables(
        as_frame([row("mnist", "0", "KDE", 0, 0.5, protocol="class anomalous")])
    )
    assert table.columns == ["class", "KDE"]


def test_summary_counts_classes(rows):
    table = summary_table(as_frame(rows))
    assert table.rows == [["mnist", "class normal", "0.925 ± 0.035 (2)", "0.600 ± 0.141"]]


def test_detectors_in_lines_beside_published():
    rows = [
        row("mvtec:nut", "bottle", "MMRR, unadjusted", seed, 0.9, fit_seconds=30 * seed)
        for seed in (1, 3)
    ] + [row("mvtec:nut", "bottle", "X", 0, 0.5)]
    table = detector_table(as_frame(rows), ("auroc", "aupro", "fit_minutes"))
    assert table.columns == ["detector", "auroc", "published", "aupro", "fit minutes"]
    published = "0.960 (paper's networks)"
    assert table.rows[0] == ["MMRR, unadjusted", "0.900 ± 0.000", published, "", "1.0 ± 0.7"]
    assert table.rows[1] == ["X", "0.500", "", "", "0.0"]
    both = detector_table(as_frame([*rows, row("mvtec:nut", "nut", "X", 0, 0.5)]))
    assert [line[0] for line in both.rows] == ["mvtec:nut bottle"] * 2 + ["mvtec:nut nut"]


def test_pyods_three_tables(rows):
    roc, precision, seconds = pyod_tables(as_frame(rows))
    assert roc.rows[0] == ["mnist 0", "100", "0.850 ± 0.071", "0.600 ± 0.141"]
    assert precision.rows[1] == ["mnist 1", "100", "0.500 ± 0.000", ""]
    assert seconds.rows[-1] == ["mean", "", "3.000 ± 0.000", ""]


def test_files_are_merged_and_failures_told(tmp_path, rows):
    failed = row("mnist", "3", "X", 0, "", error="Traceback\nRuntimeError: bad luck\n")
    for name, part in (("a.csv", rows), ("b.csv", [*rows[:1], failed])):
        ResultsFile(tmp_path / name).add(part)
    merged = read_results([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert len(merged) == len(rows) + 1
    assert failures(merged).rows == [["mnist", "3", "X", "0", "RuntimeError: bad luck"]]


def test_tables_do_not_tell_who_was_done_first(tmp_path):
    done = [("10", "KDE"), ("2", "X"), ("2", "MMRR w/o ref."), ("2", "MMRR"), ("10", "MMRR")]
    file = ResultsFile(tmp_path / "r.csv")
    file.add(row("mnist", label, detector, 0, 0.5) for label, detector in done)
    found = [(r["class"], r["detector"]) for _, r in read_results([file.path]).iterrows()]
    assert found[:3] == [("2", "MMRR"), ("2", "MMRR w/o ref."), ("2", "X")]
    assert found[3:] == [("10", "MMRR"), ("10", "KDE")]


def test_a_wrong_metric_is_told(rows):
    with pytest.raises(ValueError, match=r"no metric 'auc'\. There are auroc"):
        class_tables(as_frame(rows), "auc")


def test_pictures(tmp_path, rows):
    rule = {"level_rule": "uniform"}
    for n in (2, 8):
        parameters = json.dumps(rule | {"n_levels": n})
        rows.append(row("mnist", "0", f"MMRR, {n} levels", 0, 0.9, parameters=parameters))
    key = np.array(["mnist", "class normal", "0", "all", "X", "0"])
    scores = tmp_path / "scores"
    scores.mkdir()
    np.savez(scores / "x.npz", key=key, y=[1, -1, 1], anomaly_score=[0.1, 0.9, 0.3])
    paths = figures.draw_all(as_frame(rows), tmp_path / "pictures", scores)
    assert [p.stem.rpartition("_")[2] for p in paths] == ["levels", "classes", "time", "roc"]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_levels_have_a_line_for_each_form_of_the_settings(rows):
    import matplotlib.pyplot as plt

    names = ("MMRR", "MMRR, paper's settings", "MMRR, paper scaled down")
    for name in names:
        for n in (2, 8):
            parameters = json.dumps({"level_rule": "uniform", "n_levels": n})
            rows.append(row("mnist", "0", f"{name}, {n} levels", 0, 0.9, parameters=parameters))
    _, ax = plt.subplots()
    assert figures.draw_levels(ax, as_frame(rows))
    assert {line.get_label() for line in ax.lines} == {f"0, {name}, uniform" for name in names}
    plt.close("all")


def test_bars_have_their_published_figures(rows):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert figures.draw_classes(ax, as_frame(rows))
    heights = [bar.get_height() for bar in ax.patches]
    assert heights[:2] == pytest.approx([0.85, 1.0])
    assert ax.collections[0].get_offsets()[:, 1].tolist() == pytest.approx([0.988, 0.999])
    plt.close("all")
