"""PictureDetector: pictures whole or in tiles, a region of interest, thresholds by normal ones."""

import copy
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skmmrr
from skmmrr import MMRRDetector, Network
from skmmrr.baselines import KDEDetector
from skmmrr.core.files import _digest
from skmmrr.core.kinds import SavedFileError
from skmmrr.inspection import PictureDetector

from .brightness import Brightness


def fitted(draw, n=20, shape=(24, 20, 3), **parameters):
    paths = [draw(f"good/{i:02}.png", shape) for i in range(n)]
    return PictureDetector(Brightness(), random_state=0, **parameters).fit(paths)


def deviation(path):
    """The map, by another way."""
    return np.abs(np.asarray(Image.open(path), float) - 100).mean(axis=2)


def test_whole_pictures_have_the_scores_and_maps_of_the_detector(draw):
    model = fitted(draw)
    bad = draw("bad.png", defect=np.s_[4:8, 5:9])
    assert_allclose(-model.score_samples([bad]), deviation(bad).mean())
    assert_allclose(model.anomaly_map([bad])[0], deviation(bad), rtol=1e-6)
    assert model.predict([bad, draw("other.png")]).tolist() == [-1, 1]


def test_a_quarter_is_held_out_and_sets_the_thresholds(draw):
    model = fitted(draw, n=20)
    learned = {image.tobytes() for image in model.detector_.learned_}
    assert len(learned) == 15
    paths = [draw(f"again/{i}.png") for i in range(8)]
    model.calibrate(paths)
    maps = [deviation(path) for path in paths]
    assert_allclose(model.calibration_scores_, sorted(-np.mean(maps, axis=(1, 2))))
    low = np.median([np.quantile(one, 0.995) for one in maps])
    assert_allclose(model.map_thresholds_, (low, np.quantile(np.max(maps, axis=(1, 2)), 0.95)))
    assert len(model.p_values(paths)) == 8


def test_a_rate_makes_the_threshold_conformal(draw):
    paths = [draw(f"good/{i:02}.png") for i in range(40)]
    model = PictureDetector(Brightness(), false_positive_rate=0.2, random_state=0).fit(paths)
    assert (model.calibration_scores_ < model.offset_).sum() == 1  # of 10: 0.2 * 11 rounds to 2


def test_tiles_are_samples_and_the_worst_is_the_score(draw):
    model = fitted(draw, shape=(40, 50, 3), tile=16)
    assert model.detector_.image_shape_ == (16, 16, 3)
    assert len(model.detector_.learned_) == 15 * 3 * 4
    small = np.s_[0:4, 0:4]
    bad = draw("bad.png", (40, 50, 3), defect=small)
    assert_allclose(-model.score_samples([bad]), deviation(bad)[:16, :16].mean())
    (found,) = model.anomaly_map([bad])
    assert_allclose(found, deviation(bad), rtol=1e-6)
    assert model.predict([bad]) == [-1]
    larger = draw("larger.png", (64, 64, 3))
    assert model.anomaly_map([larger])[0].shape == (64, 64)


def test_scores_do_not_depend_on_the_company(draw, monkeypatch):
    model = fitted(draw, shape=(40, 50, 3), tile=16)
    paths = [draw(f"{i}.png", (40, 50, 3), defect=np.s_[i : i + 3, :9]) for i in range(7)]
    together, maps = model.score_samples(paths), model.anomaly_map(paths)
    monkeypatch.setattr("skmmrr.inspection._detector._SAMPLES_AT_A_TIME", 5)
    assert_array_equal(model.score_samples(paths), together)
    assert_array_equal(model.anomaly_map(paths), maps)
    assert_array_equal([model.score_samples([path])[0] for path in paths], together)


def test_few_tiles_of_each_picture_are_learned_if_there_are_too_many(draw):
    model = fitted(draw, shape=(40, 50, 3), tile=8, max_tiles=30)
    assert len(model.detector_.learned_) == 30
    again = fitted(draw, shape=(40, 50, 3), tile=8, max_tiles=20)  # of 15 pictures
    assert len(again.detector_.learned_) == 20


def test_max_tiles_does_not_limit_whole_pictures(draw):
    assert len(fitted(draw, max_tiles=4).detector_.learned_) == 15


def test_a_failed_calibration_changes_nothing(draw):
    model = fitted(draw)
    before = model.map_thresholds_, model.offset_, model.threshold_params_
    paths = [draw(f"others/{i}.png", defect=np.s_[4:9, 2:6]) for i in range(3)]
    with pytest.raises(ValueError, match="at least 99"):
        model.calibrate(paths, false_positive_rate=0.01)
    assert (model.map_thresholds_, model.offset_, model.threshold_params_) == before


ROI = np.zeros((12, 10))
ROI[:, :5] = 1  # the left half


def test_what_lies_outside_neither_trains_nor_scores_nor_shows(draw):
    model = fitted(draw, roi=ROI)
    samples = model.detector_.learned_
    assert (samples[:, :, 10:] == np.rint(model.fill_)).all()
    assert_allclose(model.fill_, samples[:, :, :10].mean(axis=(0, 1, 2)))
    paths = [draw("a.png"), draw("b.png", defect=np.s_[3:9, 12:18])]
    pixels = [np.asarray(Image.open(path)).copy() for path in paths]
    pixels[1][:, :10] = pixels[0][:, :10]
    Image.fromarray(pixels[1]).save(paths[1])
    scores, maps = model.score_samples(paths), model.anomaly_map(paths)
    assert scores[0] == scores[1]
    assert_array_equal(maps[0], maps[1])
    assert (maps[0][:, 10:] == 0).all()
    assert_allclose(maps[0][:, :10], deviation(paths[0])[:, :10], rtol=1e-6)
    inside = draw("c.png", defect=np.s_[3:9, 2:8])
    assert model.predict([*paths, inside]).tolist() == [1, 1, -1]


def test_thresholds_of_maps_are_those_of_the_region(draw):
    paths = [draw(f"{i}.png", defect=np.s_[:, 10:]) for i in range(20)]
    model = PictureDetector(Brightness(), roi=ROI, random_state=0).fit(paths)
    assert model.map_thresholds_[1] < 10


def test_tiles_outside_of_the_region_are_left_out(draw):
    model = fitted(draw, shape=(48, 40, 3), tile=10, overlap=0.0, roi=ROI)
    assert len(model.detector_.learned_) == 15 * 5 * 2
    bad = draw("bad.png", (48, 40, 3), defect=np.s_[:, 20:])
    assert model.predict([bad]) == [1]


def test_a_narrow_region_does_not_vanish_in_small_pictures(draw):
    row = np.zeros((48, 40))
    row[21] = 1
    model = fitted(draw, shape=(48, 40, 3), tile=10, roi=row)
    small = draw("small.png", (24, 20, 3), defect=np.s_[10:11])
    paths = [draw("large.png", (48, 40, 3)), small, draw("other.png", (24, 20, 3))]
    assert model.predict(paths).tolist() == [1, -1, 1]
    assert [np.unique(one.nonzero()[0]).tolist() for one in model.anomaly_map(paths)[:2]] == [
        [21],
        [10],
    ]


@pytest.mark.parametrize("change", [{"overlap": 0.5}, {"size": (30, 30)}, {"mode": "grey"}])
def test_the_threshold_belongs_to_how_pictures_are_read(draw, change):
    model = fitted(draw, shape=(40, 50, 3), tile=8).set_params(**change)
    with pytest.raises(NotFittedError, match=r"belongs to .*but its parameters are now"):
        model.predict([draw("new.png", (40, 50, 3))])


@pytest.mark.parametrize(("before", "after"), [(ROI, None), (None, ROI)])
def test_a_region_that_came_or_went_after_the_fit_is_refused(draw, before, after):
    model = fitted(draw, roi=before).set_params(roi=after)
    with pytest.raises(ValueError, match="'roi' of PictureDetector was set or removed after"):
        model.score_samples([draw("new.png")])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_files_have_all_of_it(draw, tmp_path):
    paths = [draw(f"good/{i:02}.png") for i in range(20)]
    small = {"network": Network(width=4), "n_estimators": 1, "max_iter": 5}
    inner = MMRRDetector(3, backbone="mlp", random_state=0, verbose=0, **small)
    model = PictureDetector(inner, size=(12, 10), tile=8, roi=ROI, random_state=0).fit(paths)
    model.save(tmp_path / "model")
    again = skmmrr.load(tmp_path / "model", device="cpu")
    assert_array_equal(again.score_samples(paths), model.score_samples(paths))
    assert_array_equal(again.anomaly_map(paths), model.anomaly_map(paths))
    assert again.map_thresholds_ == model.map_thresholds_
    assert_array_equal(again.roi, ROI != 0)
    assert again.detector_.device == "cpu"
    unfitted = clone(again)  # with the parameters of the detector inside
    assert unfitted.detector.max_iter == 5
    assert unfitted.tile == 8


def test_files_whose_parts_do_not_agree_are_refused(draw, tmp_path):
    paths = [draw(f"good/{i:02}.png") for i in range(9)]
    model = PictureDetector(KDEDetector(), size=(6, 5), random_state=0).fit(paths)
    for name, value, message in [
        ("size", (5, 6), "'detector_' is of another size"),
        ("mode", "grey", "'detector_' is of other pictures"),
        ("roi", ROI, "needs a detector with anomaly maps"),
        ("fill_", np.zeros(3), "'fill_' and 'roi' do not belong together"),
        ("map_thresholds_", (1.0, 2.0), "it lacks maps"),
    ]:
        altered = clone(model)
        altered.__dict__ = {**vars(model), name: value}
        altered.save(tmp_path / "model")
        with pytest.raises(SavedFileError, match=message):
            skmmrr.load(tmp_path / "model")


def places(content, path=()):
    """Where there is a value in JSON: keys and indices that lead to it."""
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, item in items:
            yield from places(item, (*path, key))
    yield path


def test_an_altered_file_is_refused_or_a_sound_model(draw, tmp_path):
    """Whatever stands at whatever place, with a digest that fits: no other error."""
    paths = [draw(f"good/{i:02}.png", (6, 5, 3)) for i in range(9)]
    PictureDetector(KDEDetector(), size=(6, 5), random_state=0).fit(paths).save(tmp_path / "sound")
    with safe_open(tmp_path / "sound", framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    content = json.loads(metadata["content"])
    n_refused = 0
    for path in [path for path in places(content) if path]:
        for value in (None, True, -1, 1e300, "x", [], {}, content):
            altered = copy.deepcopy(content)
            *way, last = path
            owner = altered
            for key in way:
                owner = owner[key]
            owner[last] = value
            text = json.dumps(altered)
            told = {**metadata, "content": text, "sha256": _digest(text, arrays)}
            save_file(arrays, tmp_path / "altered", told)
            try:
                scores = skmmrr.load(tmp_path / "altered").score_samples(paths[:2])
                assert np.isfinite(scores).all()
            except SavedFileError:
                n_refused += 1
    assert n_refused > 200


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"detector": "mmrr"}, "must be a detector of skmmrr. Got 'mmrr'"),
        ({"tile": 0}, "'tile'"),
        ({"tile": 30}, r"has \(height, width\) = \(24, 20\), and must have at least \(30, 30\)"),
        ({"overlap": 1.0}, r"'overlap' of PictureDetector must be a number in \[0, 1\)"),
        ({"roi": np.zeros((3, 3))}, "nonzero in the region of interest. Got zeros"),
        ({"roi": np.ones(3)}, r"Got shape \(3,\)"),
        ({"roi": ROI, "detector": KDEDetector()}, "needs a detector with anomaly maps"),
        ({"false_positive_rate": 0.01}, "Of 20 pictures, 5 are held out"),
        ({"size": 3}, "'size' of PictureDetector must be"),
        ({"contamination": None}, "has no rule for its threshold. Set false_positive_rate"),
    ],
)
def test_wrong_parameters_are_told(draw, parameters, message):
    paths = [draw(f"good/{i:02}.png") for i in range(20)]
    model = PictureDetector(**{"detector": Brightness(), **parameters})
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(paths)
    assert not hasattr(model, "detector_")


def test_pictures_of_another_size_are_told(draw):
    model = fitted(draw)
    other = draw("other.png", (25, 20, 3))
    with pytest.raises(ValueError, match=r"must have \(24, 20\). Set the size"):
        model.score_samples([other])
    with pytest.raises(ValueError, match="needs at least 3 pictures"):
        PictureDetector(Brightness()).fit([other, other])


def test_a_detector_without_maps_has_none(draw):
    paths = [draw(f"good/{i:02}.png") for i in range(9)]
    model = PictureDetector(KDEDetector(), size=(6, 5), random_state=0)
    assert not hasattr(model, "anomaly_map")
    assert model.fit(paths).map_thresholds_ is None
