"""Boxes and overlays: where they are, and that pictures without anomalies stay as they are."""

import numpy as np
from numpy.testing import assert_array_equal
from PIL import Image

from skmmrr.inspection import abnormal_boxes, draw_overlay
from skmmrr.inspection._overlay import heat, scale_boxes

USUAL = (0.5, 0.9)  # low, high


def test_boxes_are_regions_above_low_that_exceed_high():
    anomaly_map = np.zeros((10, 20))
    anomaly_map[1:3, 4:9] = 0.6
    anomaly_map[2, 5] = 1.0
    anomaly_map[6, 15] = 2.0
    anomaly_map[8:, :2] = 0.8  # nowhere above high
    assert set(abnormal_boxes(anomaly_map, USUAL)) == {(4, 1, 9, 3), (15, 6, 16, 7)}
    assert abnormal_boxes(anomaly_map, USUAL, most=1) == [(4, 1, 9, 3)]  # of the higher sum
    assert abnormal_boxes(np.full((3, 3), 0.9), USUAL) == []


def test_corners_that_touch_are_one_region():
    assert abnormal_boxes(np.eye(3), USUAL) == [(0, 0, 3, 3)]


def test_boxes_in_another_size_surround_the_same():
    assert scale_boxes([(4, 1, 9, 3)], (10, 20), (20, 40)) == [(8, 2, 18, 6)]
    assert scale_boxes([(1, 1, 2, 2)], (3, 3), (4, 4)) == [(1, 1, 3, 3)]


def test_colours_do_not_depend_on_an_outlier():
    calm, wild = np.array([[0.4, 0.7, 1.8]]), np.array([[0.4, 0.7, 1e9]])
    drawn = [np.asarray(heat(one, USUAL)) for one in (calm, wild)]
    assert_array_equal(*drawn)  # 1.8 is twice the highest usual value: brightest
    opacity = drawn[0][0, :, 3].astype(int)
    assert opacity[0] == 0
    assert (np.diff(opacity) > 0).all()


def test_overlay_shows_the_picture_where_the_map_is_usual():
    picture = Image.fromarray(np.full((16, 16, 3), 200, np.uint8))
    anomaly_map = np.full((8, 8), 0.5)
    anomaly_map[6:, 6:] = 2
    overlay = np.asarray(draw_overlay(picture, anomaly_map, USUAL))
    assert overlay.shape == (16, 16, 3)
    assert_array_equal(overlay[:8, :8], 200)
    assert (overlay[14:, 14:] != 200).any()
    boxed = np.asarray(draw_overlay(picture, anomaly_map, USUAL, [(0, 0, 4, 4)]))
    assert_array_equal(boxed[0, :4], [[230, 30, 30]] * 4)
