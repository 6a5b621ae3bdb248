"""Passes over places, block by block."""

import torch
from numpy.testing import assert_array_equal

from skmmrr.baselines import DeepKNNDetector
from skmmrr.core import places
from skmmrr.core.devices import module_on_device


def by_pixel(images):
    return images[..., None]


def test_blocks_share_copies_of_networks_and_change_nothing(monkeypatch, rng):
    X = rng.normal(size=(10, 6, 6))
    detector = DeepKNNDetector(by_pixel, patches=True, top_share=0.1, random_state=0).fit(X)
    scores, maps = detector.scores_and_maps(X)
    network, used, original = torch.nn.Linear(2, 3), [], DeepKNNDetector._error_grid

    def recorded(self, rows):
        used.append((len(rows), module_on_device(network, torch.device("meta"))))
        return original(self, rows)

    monkeypatch.setattr(places, "_BLOCK_ELEMENTS", 4 * 36)
    monkeypatch.setattr(DeepKNNDetector, "_error_grid", recorded)
    found = detector.scores_and_maps(X)
    assert [n for n, _ in used] == [4, 4, 2]
    assert len({id(copied) for _, copied in used}) == 1
    assert_array_equal(found[0], scores)
    assert_array_equal(found[1], maps)
