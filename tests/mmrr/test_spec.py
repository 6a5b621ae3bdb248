"""What None means, and that a spec says all of it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skmmrr import MMRRDetector, Network, Training
from skmmrr.mmrr import spec as specs
from skmmrr.mmrr.spec import resolve_spec


def resolved(X=None, image_shape=None, n_train=40, **params):
    """Spec of so many training samples, of noise where X is None."""
    if X is None:
        X = np.random.default_rng(0).random((3, int(np.prod(image_shape or (6,)))))
    params = MMRRDetector(**params).get_params(deep=False)
    cpu = torch.device("cpu")
    return resolve_spec(params, X, image_shape, False, n_train, 0, cpu, "MMRRDetector")


@pytest.mark.parametrize(
    ("backbone", "image_shape", "n_train", "n_features", "steps"),
    [
        ("unet", (8, 8, 1), 40, 64, (300, 300)),
        ("unet", (8, 8, 1), 1425, 64, (356, 356)),
        ("unet", (8, 8, 1), 10**6, 64, (1500, 1500)),
        ("mlp", (8, 8, 1), 40, 64, (500, 300)),
        ("mlp", (8, 8, 1), 4000, 64, (2000, 300)),
        ("mlp", (8, 8, 1), 10**6, 64, (3000, 300)),
        ("mlp", None, 10**6, 2, (150, 150)),
        ("mlp", None, 40, 30, (600, 600)),
        ("mlp", None, 40, 999, (1000, 1000)),
    ],
)
def test_steps_grow_with_images_and_with_features(
    backbone, image_shape, n_train, n_features, steps
):
    X = np.random.default_rng(0).random((3, n_features))
    spec = resolved(X, image_shape, n_train, backbone=backbone, n_bins=1)
    assert tuple(budget.max_iter for budget in spec.budgets.values()) == steps


@pytest.mark.parametrize(("n_features", "n_bins"), [(1, 8), (2048, 8), (2049, 1)])
def test_vectors_are_in_bins_unless_they_are_long(n_features, n_bins):
    X = np.random.default_rng(0).random((20, n_features))
    assert resolved(X).representation.shape == (n_features * n_bins,)
    assert resolved(X, n_bins=1).representation.shape == (n_features,)


def test_restorations_of_vectors_in_bins_grow_with_samples_too():
    for n_train, steps in ((40, 150), (1200, 640), (10**6, 1000)):
        spec = resolved(np.random.default_rng(0).random((9, 2)), None, n_train, n_bins=8)
        assert spec.budgets["restoration"].max_iter == steps
        assert spec.budgets["refinement"].max_iter == 50


def test_images_and_features_have_no_bins():
    with pytest.raises(ValueError, match="'n_bins' of MMRRDetector is for vectors"):
        resolved(None, (8, 8, 1), 40, n_bins=2)


@pytest.mark.parametrize("image_shape", [(8, 8, 1), None])
def test_long_phases_on_images_have_a_high_rate(image_shape):
    budgets = resolved(image_shape=image_shape, max_iter=(999, 1000)).budgets
    high = 1e-3 if image_shape is None else 3e-3
    assert [budget.learning_rate for budget in budgets.values()] == [1e-3, high]


@pytest.mark.parametrize(("backbone", "powers"), [("unet", [3.0, 1.0]), ("mlp", [1.0, 1.0])])
def test_u_nets_with_few_steps_practise_low_levels(backbone, powers):
    found = [
        resolved(image_shape=(8, 8, 1), backbone=backbone, max_iter=n).level_power
        for n in (999, 1000)
    ]
    assert found == powers


@pytest.mark.parametrize(("side", "members"), [(8, 4), (12, 3), (16, 2), (17, 1), (64, 1)])
def test_small_images_have_ensembles_of_u_nets(side, members):
    spec = resolved(image_shape=(side, side, 1), backbone="unet", downsample=1)
    assert spec.n_estimators == members


def test_parameters_that_are_set_win():
    spec = resolved(
        image_shape=(8, 8, 1),
        backbone="unet",
        n_estimators=3,
        downsample=2,
        max_iter=7,
        network=Network(width=5, n_blocks=2, n_resolutions=1),
        training=Training(
            batch_size=3,
            learning_rate=0.5,
            optimizer="radam",
            schedule="plateau",
            level_power=2.0,
            levels_per_sample=9,
        ),
    )
    assert spec.sizes == {"width": 5, "n_blocks": 2, "n_resolutions": 1}
    assert (spec.n_estimators, spec.representation.downsample) == (3, 2)
    assert (spec.level_power, spec.levels_per_sample) == (2.0, 9)
    for budget in spec.budgets.values():
        assert budget == specs.Budget(7, 3, 0.5, "radam", "plateau")


def test_a_spec_is_printed_line_by_line():
    lines = str(resolved()).splitlines()
    assert "sizes: {'width': 128, 'n_blocks': 1}" in lines
    assert not [line for line in lines if "None" in line and "image_shape" not in line]


def test_numpys_integers_of_a_grid_are_resolved_to_pythons():
    two = np.int64(2)
    spec = resolved(
        n_estimators=two,
        max_iter=two,
        network=Network(width=two, n_blocks=two),
        training=Training(batch_size=two, levels_per_sample=two),
    )
    numbers = [spec.n_estimators, spec.levels_per_sample, *spec.sizes.values()]
    numbers += [n for b in spec.budgets.values() for n in (b.max_iter, b.batch_size)]
    assert {type(number) for number in numbers} == {int}


def test_the_same_spec_gives_the_same_weights():
    first, second = (resolved().initialised_models().state_dict() for _ in range(2))
    for name, weight in first.items():
        assert_array_equal(weight, second[name])
