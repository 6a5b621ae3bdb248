"""Detectors by name, by import path and as objects."""

import pytest
from sklearn.svm import OneClassSVM

from skmmrr.benchmark import Candidate, find_detector
from skmmrr.benchmark.detectors import DETECTOR_NAMES, as_candidates, command_name
from skmmrr.benchmark.experiments import EXPERIMENTS


@pytest.mark.parametrize("name", DETECTOR_NAMES)
def test_every_name_builds_an_estimator_that_clones(name):
    candidate = find_detector(name)
    assert name in candidate.names or name.endswith(", levels")
    assert candidate.estimator.get_params()
    for changes in candidate.variants.values():
        assert changes.keys() <= candidate.estimator.get_params().keys()


def test_objects_and_dicts():
    svm, few = OneClassSVM(), Candidate("few", OneClassSVM(nu=0.1))
    assert [c.name for c in as_candidates(["KDE", svm, few])] == ["KDE", "OneClassSVM", "few"]
    assert [c.name for c in as_candidates({"a": svm, "b": svm})] == ["a", "b"]


@pytest.mark.parametrize(
    ("detectors", "error", "message"),
    [
        (["MRMR"], ValueError, "no detector 'MRMR'. There are MMRR"),
        (["pyod.models.ecod.ECO"], ValueError, "has no 'ECO'"),
        (["nowhere.models.ECOD"], ImportError, "no module nowhere"),
        ("KDE", TypeError, "a sequence of names or estimators, or a dict. Got 'KDE'"),
        ([], TypeError, "a sequence of names"),
        ([3], TypeError, "A detector is a name, an estimator with fit, or a Candidate. Got 3"),
        (["KDE", "KDE"], ValueError, "Two detectors would write rows of the name 'KDE'"),
    ],
)
def test_wrong_ones(detectors, error, message):
    with pytest.raises(error, match=message):
        as_candidates(detectors)


@pytest.mark.parametrize("experiment", EXPERIMENTS.values())
def test_experiments_name_detectors_without_clashes(experiment):
    assert as_candidates(experiment.detectors)


def test_every_name_is_also_one_word():
    words = [command_name(name) for name in DETECTOR_NAMES]
    assert len(set(words)) == len(words)
    assert not set("".join(words)) & set(" ,'_")
    assert find_detector("mmrr-8-nodes").name == "MMRR, 8 nodes"
    assert find_detector("2-nn").name == "2-NN"


SCALED = {name: find_detector(name).estimator for name in DETECTOR_NAMES if "scaled" in name}


@pytest.mark.parametrize("name", SCALED)
def test_the_scaled_down_paper_keeps_its_mathematics(name):
    """Smaller and shorter, and nothing else: every pixel, one network, uniform levels."""
    paper = find_detector(name.replace("paper scaled down", "paper's settings")).estimator
    own, papers = SCALED[name].get_params(), paper.get_params()
    changed = {key for key, value in own.items() if value != papers[key]} - {"network", "training"}
    assert changed == {
        *("network__width", "max_iter", "precision", "training__batch_size"),
        *("training__learning_rate", "training__optimizer", "training__schedule"),
    }
    assert (own["downsample"], own["n_estimators"], own["adjust"]) == (1, 1, False)
    assert (own["training__level_power"], own["training__levels_per_sample"]) == (1.0, 1)


@pytest.mark.parametrize("form", ["paper", "scaled"])
def test_every_table_and_figure_of_mmrr_has_an_experiment_at_the_papers_settings(form):
    wanted = [*(f"table-{i}" for i in (1, 2, 3, 4)), "figure-2"]
    runs = [EXPERIMENTS[f"{name}-{form}"] for name in wanted]
    for run in runs:
        assert all("paper" in name for name in run.detectors)
        assert not {"mnist", "fashion-mnist"} & set(run.data)  # the paper has 32x32
    rows = {name for run in runs for c in as_candidates(run.detectors) for name in c.names}
    base = runs[0].detectors[0]
    assert {base, f"{base} w/o ref.", f"{base}, no embedding", f"{base}, 2 levels"} <= rows
