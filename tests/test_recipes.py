import numpy as np
import pytest

from skmmrr._recipes import default_learning_rate, default_level_power, recipe


@pytest.mark.parametrize(
    ("backbone", "images", "n_train", "n_features", "max_iter"),
    [
        ("unet", True, 40, 64, (300, 300)),
        ("unet", True, 1425, 64, (356, 356)),
        ("unet", True, 10**6, 64, (1500, 1500)),
        ("mlp", True, 40, 64, (500, 300)),
        ("mlp", True, 4000, 64, (2000, 300)),
        ("mlp", True, 10**6, 64, (3000, 300)),
        ("mlp", False, 10**6, 2, (150, 150)),
        ("mlp", False, 40, 30, (600, 600)),
        ("mlp", False, 40, 999, (1000, 1000)),
    ],
)
def test_steps_grow_with_images_and_with_features(backbone, images, n_train, n_features, max_iter):
    assert recipe(backbone, images).max_iter(n_train, n_features) == max_iter


@pytest.mark.parametrize(("images", "rates"), [(True, [1e-3, 3e-3]), (False, [1e-3, 1e-3])])
def test_long_phases_on_images_have_a_high_rate(images, rates):
    assert [default_learning_rate(images, n) for n in (999, 1000)] == rates


@pytest.mark.parametrize(("backbone", "powers"), [("unet", [3.0, 1.0]), ("mlp", [1.0, 1.0])])
def test_u_nets_with_few_steps_practise_low_levels(backbone, powers):
    np.testing.assert_array_equal([default_level_power(backbone, n) for n in (999, 1000)], powers)


@pytest.mark.parametrize(
    ("backbone", "side", "members"),
    [("unet", 8, 4), ("unet", 12, 3), ("unet", 16, 2), ("unet", 17, 1), ("unet", 64, 1)],
)
def test_small_images_have_ensembles_of_u_nets(backbone, side, members):
    assert recipe(backbone, images=True).n_members(side**2) == members
