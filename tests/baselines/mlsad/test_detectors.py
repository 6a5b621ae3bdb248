"""The patch detectors: what a window sees, where it is, and the loss (3)."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skmmrr.baselines.mlsad.detectors import Contrast, PatchDetector, stem_channels, suits

PAPER = dict(width=512, n_blocks=2)


def small(level=2, shape=(3, 6, 5), stride=1):
    torch.manual_seed(0)
    return PatchDetector(shape, level, 8, 1, stride)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("level", [1, 2, 4, 8, 16])
def test_a_window_sees_its_pixels_and_no_others(level, stride):
    detector = PatchDetector((3, 32, 32), level, 16, 1, stride)
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    logits = detector(x)
    side = (32 - level) // stride + 1
    assert logits.shape == (1, side, side)
    row, column = side // 2, side // 3
    (gradient,) = torch.autograd.grad(logits[0, row, column], x)
    seen = (gradient[0] != 0).any(dim=0)
    expected = torch.zeros(32, 32, dtype=torch.bool)
    expected[row * stride :, column * stride :][:level, :level] = True
    assert (seen == expected).all()


@pytest.mark.parametrize(("level", "side"), [(1, 32), (2, 31), (4, 29), (8, 25), (16, 17)])
def test_the_papers_numbers_of_windows(level, side):
    with torch.device("meta"):
        detector = PatchDetector((3, 32, 32), level, **PAPER)
    assert (detector.rows, detector.columns) == (side, side)


@pytest.mark.parametrize(
    ("level", "stride", "channels"),
    [
        (1, 1, (64,)),
        (2, 1, (64,)),
        (4, 1, (128,)),
        (8, 1, (64, 128, 256)),
        (16, 1, (64, 128, 256, 256, 256, 256, 256)),
        (16, 2, (64, 128, 256, 256)),
    ],
)
def test_convolutions_are_those_of_the_specification(level, stride, channels):
    assert stem_channels(level, stride) == channels


def test_levels_that_no_convolutions_see():
    assert [level for level in range(1, 21) if suits(level, 1)] == [
        1,
        2,
        4,
        6,
        8,
        10,
        12,
        14,
        16,
        18,
        20,
    ]
    assert [level for level in range(1, 21) if suits(level, 2)] == [1, 2, 4, 8, 12, 16, 20]


def test_windows_of_corners_have_the_corners_of_coordinates():
    detector = small(shape=(1, 6, 4))
    windows = torch.tensor([[0, detector.columns - 1, detector.n_windows - 1]])
    assert detector.places(windows).tolist() == [[[-1, -1, 1], [-1, 1, 1]]]


def test_one_window_lies_in_one_place():
    assert small(4, shape=(1, 4, 4)).places(torch.tensor([[0]])).tolist() == [[[-1], [-1]]]


def by_hand(detector, x, fake, false, alpha, beta):
    """Loss (3) of each image, window by window in a loop."""
    losses = []
    for i in range(len(x)):
        total = 0.0
        for window in range(detector.n_windows):
            row, column = divmod(window, detector.columns)
            part = (slice(row, row + detector.level), slice(column, column + detector.level))

            def probability(image, number, part=part):
                place = detector.places(torch.tensor([[number]]))
                features = detector.features(image[(slice(None), *part)][None])
                return torch.sigmoid(detector.judge(features, place))[0, 0]

            total -= torch.log(1 - probability(x[i], window))
            total -= alpha * torch.log(probability(fake[i], window))
            total -= beta * torch.log(probability(x[i], false[i, window]))
        losses.append(total / detector.n_windows)
    return torch.stack(losses)


def test_the_loss_is_3_of_all_windows():
    detector, generator = small(), torch.Generator().manual_seed(3)
    x, fake = torch.rand(2, 2, 3, 6, 5) * 2 - 1
    loss = Contrast(0.6, 0.4)(detector, x, fake, generator)
    draws = torch.Generator().manual_seed(3)
    false = torch.randint(detector.n_windows, (2, detector.n_windows), generator=draws)
    with torch.no_grad():
        expected = by_hand(detector, x, fake, false, 0.6, 0.4)
    assert_allclose(loss.detach(), expected, rtol=1e-5)


def test_the_terms_are_those_of_3_without_their_weights():
    detector = small()
    x, fake = torch.rand(2, 2, 3, 6, 5) * 2 - 1

    def draws():
        return torch.Generator().manual_seed(3)

    contrast = Contrast(0.6, 0.4)
    false = torch.randint(detector.n_windows, (2, detector.n_windows), generator=draws())
    with torch.no_grad():
        of_normal, of_structure, of_position = (
            by_hand(detector, x, fake, false, *weights) for weights in ((0, 0), (1, 0), (0, 1))
        )
        loss, structure, position = contrast.with_terms(detector, x, fake, draws()).T
        assert torch.equal(loss, contrast(detector, x, fake, draws()))
    assert_allclose(structure, of_structure - of_normal, rtol=1e-4)
    assert_allclose(position, of_position - of_normal, rtol=1e-4)
    assert contrast.terms == ("structure_loss", "position_loss")
    assert Contrast(0.0, 1.0).terms == ("position_loss",)


def test_random_windows_estimate_the_loss_of_all():
    detector, generator = small(), torch.Generator().manual_seed(0)
    x, fake = torch.rand(2, 4, 3, 6, 5, generator=generator) * 2 - 1

    def mean(n_windows):
        contrast = Contrast(0.6, 0.4, n_windows=n_windows)
        with torch.no_grad():
            losses = [contrast(detector, x, fake, generator).mean() for _ in range(400)]
        return np.mean(losses), np.std(losses) / np.sqrt(400)

    (all_windows, _), (few, error) = mean(None), mean(3)
    assert abs(few - all_windows) < 5 * error < 0.02


@pytest.mark.parametrize(("weights", "heads"), [((0.0, 1.0), 2), ((1.0, 0.0), 2), ((0.6, 0.4), 3)])
def test_anomalies_without_weight_are_not_computed(weights, heads, monkeypatch):
    detector, x = small(), torch.rand(2, 3, 6, 5)
    judged = []
    judge = detector.judge
    monkeypatch.setattr(detector, "judge", lambda f, p: judged.append(len(f)) or judge(f, p))
    Contrast(*weights)(detector, x, x, torch.Generator().manual_seed(0))
    assert judged == [heads * len(x)]


def test_false_places_lie_on_the_grid_of_true_ones(monkeypatch):
    detector, x = small(), torch.rand(64, 3, 6, 5)
    seen = []
    places = detector.places
    monkeypatch.setattr(detector, "places", lambda w: seen.append(places(w)) or seen[-1])
    Contrast(0.0, 1.0)(detector, x, x, torch.Generator().manual_seed(0))
    true, false = (part.transpose(1, 2).reshape(-1, 2) for part in seen[0].split(64))
    grid = {tuple(place) for place in true.tolist()}
    assert {tuple(place) for place in false.tolist()} == grid
    assert len(grid) == detector.n_windows


def test_a_detector_learns_where_windows_belong():
    """Every window of an image tells its row: false places are told as well as can be."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.linspace(-1, 1, 6).view(1, 1, 6, 1).expand(16, 3, 6, 5)
    detector, contrast = small(), Contrast(0.0, 1.0)
    optimizer = torch.optim.Adam(detector.parameters(), 1e-2)
    for _ in range(150):
        loss = contrast(detector, rows, rows, generator).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    probability = detector(rows).sigmoid().mean()
    upside_down = detector(rows.flip(2)).sigmoid().mean()
    assert probability < 0.3 < 0.7 < upside_down
