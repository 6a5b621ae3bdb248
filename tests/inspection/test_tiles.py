"""Tiles cover every pixel and overlap as asked; blended maps have no seams."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmmrr.inspection._tiles import Blend, tile_places


@pytest.mark.parametrize(
    ("shape", "side", "overlap"),
    [((10, 10), (10, 10), 0.25), ((37, 64), (16, 16), 0.25), ((100, 33), (32, 8), 0.5)],
)
def test_tiles_cover_the_picture_and_overlap(shape, side, overlap):
    places = tile_places(shape, side, overlap)
    covered = np.zeros(shape, int)
    for place in places:
        assert covered[place].shape == side  # none sticks out
        covered[place] += 1
    assert covered.min() == 1
    for axis in (0, 1):
        starts = sorted({place[axis].start for place in places})
        assert all(np.diff(starts) <= np.ceil(side[axis] * (1 - overlap)))


def test_there_are_no_more_tiles_than_needed():
    assert len(tile_places((2048, 2048), (256, 256), 0.25)) == 11**2
    assert len(tile_places((256, 256), (256, 256), 0.9)) == 1


def test_a_smooth_map_is_the_same_in_tiles():
    whole = np.add.outer(np.arange(40.0), np.arange(50.0))
    blend = Blend(whole.shape, (16, 16))
    for place in tile_places(whole.shape, (16, 16), 0.25):
        blend.add(whole[place], place)
    assert_allclose(blend.result(), whole, rtol=1e-6)


def test_tiles_of_different_levels_meet_without_a_step():
    blend = Blend((16, 28), (16, 16))
    for level, place in enumerate(tile_places((16, 28), (16, 16), 0.25)):
        blend.add(np.full((16, 16), float(level)), place)
    row = blend.result()[8]
    assert (row[0], row[-1]) == (0, 1)
    assert np.abs(np.diff(row)).max() < 0.5
    assert (np.diff(row) >= 0).all()


def test_the_map_is_0_where_no_tile_was():
    assert (Blend((4, 4), (2, 2)).result() == 0).all()
