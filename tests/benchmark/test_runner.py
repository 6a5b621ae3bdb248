"""Rows of every cell, once each: after failures, interruptions and kills."""

import csv
import json
import subprocess
import sys
import time
import warnings

import distributed
import joblib
import numpy as np
import pytest
from pyod.models.hbos import HBOS
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from sklearn.svm import OneClassSVM

from skmmrr import MMRRDetector
from skmmrr.benchmark import Candidate, Split, Task, find_tasks, run
from skmmrr.benchmark.results import COLUMNS, KEY, ResultsFile, read_rows
from skmmrr.core.training import TrainingInterrupted


class Failing(OutlierMixin, BaseEstimator):
    def fit(self, X, y=None):
        raise RuntimeError("no such\nluck")


class Interrupted(OutlierMixin, BaseEstimator):
    def fit(self, X, y=None):
        warnings.warn("Ctrl-C", TrainingInterrupted, stacklevel=1)


class FromTheMean(OutlierMixin, BaseEstimator):
    """Maps of the distance from the mean image."""

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        return self

    def anomaly_map(self, X):
        return np.abs(X - self.mean_).reshape(-1, 8, 8)

    def score_samples(self, X):
        return -self.anomaly_map(X).max(axis=(1, 2))


def keys(rows):
    return [tuple(str(row[c]) for c in KEY) for row in rows]


def keys_of_scores(folder):
    found = []
    for path in folder.glob("*.npz"):
        with np.load(path) as arrays:
            found.append(tuple(arrays["key"].tolist()))
    return found


@pytest.fixture
def two_digits():
    return find_tasks("digits", classes=["0", "1"])


def test_maps_are_measured_where_there_are_masks(images, rng, tmp_path):
    test, masks = images[60:80].copy(), np.zeros((20, 8, 8), bool)
    masks[10:, 2:4, 5:7] = True
    test[masks] += rng.normal(6, 4, masks.sum())
    split = Split(images[:60], test, np.repeat([1, -1], 10), masks)
    task = Task("stained", "masks", "8", lambda seed: split)
    (row,) = run([task], [FromTheMean()], seeds=[0], out=tmp_path / "r.csv", verbose=0)
    pixels = np.abs(test - images[:60].mean(axis=0)).ravel()
    expected = roc_auc_score(masks.ravel(), pixels)
    assert float(row["pixel_auroc"]) == pytest.approx(expected, abs=1e-4)
    precision, recall, _ = precision_recall_curve(masks.ravel(), pixels)
    best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
    assert float(row["pixel_f1"]) == pytest.approx(best, abs=1e-3)
    assert 0 < float(row["aupro"]) < 1


def test_metrics_are_scikit_learns_own(two_digits, tmp_path):
    (row,) = run(two_digits[:1], [IsolationForest()], seeds=[3], out=tmp_path / "r.csv", verbose=0)
    split = two_digits[0].load(3)
    train, test = (X.reshape(len(X), -1).astype(np.float32) for X in (split.train, split.test))
    scores = -IsolationForest(random_state=3).fit(train).score_samples(test)
    anomalous = split.y_test == -1
    assert float(row["auroc"]) == pytest.approx(roc_auc_score(anomalous, scores), abs=1e-6)
    assert float(row["aupr"]) == pytest.approx(average_precision_score(anomalous, scores), abs=1e-6)
    assert float(row["false_positive_rate"]) == pytest.approx((scores[~anomalous] > 0.5).mean())
    assert (row["n_train"], row["n_test"]) == (str(len(train)), str(len(test)))
    assert json.loads(row["parameters"])["n_estimators"] == 100
    assert float(row["peak_memory_mb"]) > 50
    assert "torch" in row["versions"]


def test_dialects_and_names_give_one_direction(two_digits, tmp_path):
    detectors = {"svm": OneClassSVM(), "hbos": HBOS()}
    rows = run(two_digits, detectors, out=tmp_path / "r.csv", verbose=0)
    rows += run(two_digits, ["pyod.models.knn.KNN", "2-NN"], out=tmp_path / "r.csv", verbose=0)
    assert len(rows) == 8
    assert [row["detector"] for row in rows if row["error"] or float(row["auroc"]) < 0.6] == []


def test_variants_are_rows_of_one_fit(tmp_path):
    rng = np.random.default_rng(0)
    X, test = rng.normal(size=(60, 3)), rng.normal(size=(20, 3))
    y = np.repeat([1, -1], 10)
    task = Task("blobs", "novelty", "", lambda seed: Split(X, test * y[:, None] * 2, y))
    variants = {"unrefined": {"refine": False}, "fewer": {"n_levels": 2}}
    few = Candidate("few", MMRRDetector(4, max_iter=5), variants)
    with warnings.catch_warnings():
        rows = run([task], [few], out=tmp_path / "r.csv", verbose=0)
    assert [row["detector"] for row in rows] == ["few", "unrefined", "fewer"]
    assert len({row["fit_seconds"] for row in rows}) == 1
    assert [json.loads(row["parameters"])["n_levels"] for row in rows] == [4, 4, 2]
    assert rows[0]["steps"] == "10"
    assert rows[0]["false_positive_rate"]
    assert not rows[1]["false_positive_rate"]  # the threshold is that of the fit's own scores
    fewer = MMRRDetector(2, max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        direct = fewer.fit(X).score_samples(test * y[:, None] * 2)
    assert float(rows[2]["auroc"]) == pytest.approx(roc_auc_score(y, direct), abs=1e-6)


def test_a_rerun_skips_what_is_there(two_digits, tmp_path):
    out = tmp_path / "deep" / "r.csv"
    first = run(two_digits[:1], ["IForest"], out=out, verbose=0)
    both = run(two_digits, ["IForest"], seeds=[0, 1], out=out, verbose=0)
    assert len(both) == len(set(keys(both))) == len(read_rows(out)) == 4
    assert keys(first)[0] in keys(both)
    assert both[0]["fit_seconds"] == first[0]["fit_seconds"]


def test_other_parameters_under_the_same_name_are_refused(two_digits, tmp_path):
    run(two_digits[:1], [IsolationForest()], out=tmp_path / "r.csv", verbose=0)
    with pytest.raises(ValueError, match=r"other parameters.*Choose another file"):
        run(two_digits[:1], [IsolationForest(n_estimators=5)], out=tmp_path / "r.csv", verbose=0)


def test_a_failure_is_a_row_and_can_be_run_again(two_digits, tmp_path):
    out = tmp_path / "r.csv"
    rows = run(two_digits[:1], ["IForest", Failing()], out=out, verbose=0)
    assert [bool(row["error"]) for row in rows] == [False, True]
    assert "RuntimeError: no such\nluck" in read_rows(out)[1]["error"]
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3  # a line a row, whatever is in it
    run(two_digits[:1], [Failing()], out=out, verbose=0)
    assert len(read_rows(out)) == 2
    run(two_digits[1:], [Failing()], out=out, verbose=0)
    run(two_digits[:1], [Failing()], out=out, retry=True, verbose=0)
    assert [row["class"] for row in read_rows(out)] == ["0", "1", "0"]  # the last one anew


def test_missing_data_in_a_cell_are_a_row_too(tmp_path):
    def load(seed):
        raise OSError("unplugged")

    (row,) = run([Task("d", "p", "c", load)], ["KDE"], out=tmp_path / "r.csv", verbose=0)
    assert "OSError: unplugged" in row["error"]


def test_ctrl_c_in_a_training_is_no_result(two_digits, tmp_path):
    out = tmp_path / "r.csv"
    with pytest.raises(KeyboardInterrupt):
        run(two_digits, ["IForest", Interrupted()], out=out, verbose=0)
    assert keys(read_rows(out)) == [("digits", "class normal", "0", "all", "IForest", "0")]


def test_a_torn_last_line_is_dropped(tmp_path):
    file = ResultsFile(tmp_path / "r.csv")
    file.add([dict.fromkeys(COLUMNS, 'a\\n,"b\x0b\u2028c')])
    whole = file.path.read_bytes()
    file.path.write_bytes(whole + b"digits,class normal,3,a")
    assert ResultsFile(file.path).rows == [dict.fromkeys(COLUMNS, 'a\\n,"b\x0b\u2028c')]
    assert file.path.read_bytes() == whole


def test_another_csv_is_not_written_to(tmp_path):
    for content in ("a,b\n1,2\n", "a,b\n1,2", "a,b", "dataset,x"):
        (tmp_path / "r.csv").write_text(content)
        with pytest.raises(ValueError, match="not a results file"):
            run([], ["KDE"], out=tmp_path / "r.csv")
        assert (tmp_path / "r.csv").read_text(encoding="utf-8") == content


def test_a_file_cut_off_anywhere_goes_on(two_digits, tmp_path):
    out = tmp_path / "r.csv"
    run(two_digits, ["IForest"], out=out, verbose=0)
    whole = out.read_bytes()
    header = whole.index(b"\n") + 1
    for end in (0, 5, header - 1, header, header + 9, len(whole) - 1):
        out.write_bytes(whole[:end])
        assert len(read_rows(out)) == whole[:end].count(b"\n", header)
        assert len(run(two_digits, ["IForest"], out=out, verbose=0)) == 2


def test_tasks_may_be_a_generator(two_digits, tmp_path):
    tasks = (task for task in two_digits)
    assert len(run(tasks, ["IForest"], seeds=[0, 1], out=tmp_path / "r.csv", verbose=0)) == 4


def test_workers_and_a_dask_cluster_give_the_same_rows(two_digits, tmp_path):
    rows = [run(two_digits, ["IForest", "2-NN"], out=tmp_path / "1.csv", verbose=0)]
    rows += [run(two_digits, ["IForest", "2-NN"], out=tmp_path / "2.csv", n_jobs=2, verbose=0)]
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        rows += [run(two_digits, ["IForest", "2-NN"], out=tmp_path / "3.csv", verbose=0)]
    table = [
        sorted((*key, row["auroc"]) for key, row in zip(keys(r), r, strict=True)) for r in rows
    ]
    assert len(table[0]) == 4
    assert table[0] == table[1] == table[2]


def test_a_killed_run_goes_on(tmp_path):
    """Killed in the middle: the rerun completes, with each cell exactly once, and its scores."""
    out, scores = tmp_path / "r.csv", tmp_path / "scores"
    command = [sys.executable, "-m", "skmmrr.benchmark", "run", "--data", "digits", "--quiet"]
    command += ["--detectors", "KDE", "--classes", *"01234", "--seeds", *"0123", "--out", str(out)]
    command += ["--scores", str(scores)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not out.exists() or len(out.read_text(encoding="utf-8").splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = read_rows(out) if out.read_text(encoding="utf-8").endswith("\n") else []
    assert len(before) < 20
    assert set(keys(before)) <= set(keys_of_scores(scores))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(set(keys(rows))) == 20
    assert sorted(keys(rows)) == sorted(keys_of_scores(scores))


def test_a_row_is_written_after_its_scores(two_digits, tmp_path, monkeypatch):
    out, scores = tmp_path / "r.csv", tmp_path / "scores"

    def kill(*arguments):
        raise KeyboardInterrupt

    for place, n_scores in (("write_atomically", 0), ("ResultsFile.add", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(f"skmmrr.benchmark.runner.{place}", kill)
            with pytest.raises(KeyboardInterrupt):
                run(two_digits, ["KDE"], out=out, scores=scores, verbose=0)
        assert (len(read_rows(out)), len(list(scores.iterdir()))) == (0, n_scores)
    rows = run(two_digits, ["KDE"], out=out, scores=scores, verbose=0)
    assert sorted(keys(rows)) == sorted(keys_of_scores(scores))


def test_every_row_has_a_file_of_scores_of_its_own(two_digits, tmp_path):
    """Names that differ in what no file name has, or are longer than one may be."""
    classes = ("a/b", "a b", "a" * 300, "a" * 300 + "b")
    tasks = [Task("d", "p", name, two_digits[0].load) for name in classes]
    rows = run(tasks, ["KDE"], out=tmp_path / "r.csv", scores=tmp_path / "s", verbose=0)
    assert sorted(keys(rows)) == sorted(keys_of_scores(tmp_path / "s"))
    assert len(rows) == 4


@pytest.mark.parametrize("retry", [False, True])  # a retry replaces the file
def test_two_runs_do_not_write_one_file(two_digits, tmp_path, retry):
    pytest.importorskip("fcntl", reason="Windows has no such locks")
    out = tmp_path / "r.csv"
    run(two_digits[:1], [Failing()], out=out, verbose=0)

    def load(seed):  # while the outer run holds the file
        with pytest.raises(BlockingIOError, match=r"Another run writes .*r.csv.*another file"):
            run(two_digits, ["KDE"], out=out, verbose=0)
        run(two_digits[:1], ["KDE"], out=tmp_path / "other.csv", verbose=0)
        return two_digits[0].load(seed)

    tasks = [*two_digits[:1], Task("d", "p", "c", load)]
    rows = run(tasks, [Failing(), "KDE"], out=out, retry=retry, verbose=0)
    assert [row["class"] for row in rows if not row["error"]] == ["0", "c"]
    assert len(read_rows(out)) == len(set(keys(rows))) == 4
    assert len(run(two_digits, ["KDE"], out=out, verbose=0)) == 2  # the lock is gone


def test_scores_are_kept_on_request(two_digits, tmp_path):
    (row,) = run(two_digits[:1], ["KDE"], out=tmp_path / "r.csv", scores=tmp_path / "s", verbose=0)
    (path,) = (tmp_path / "s").iterdir()
    with np.load(path) as arrays:
        auroc = roc_auc_score(arrays["y"] == -1, arrays["anomaly_score"])
        assert tuple(arrays["key"]) == keys([row])[0]
    assert float(row["auroc"]) == pytest.approx(auroc, abs=1e-6)
