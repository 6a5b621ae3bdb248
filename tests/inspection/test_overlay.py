"""Boxes and overlays: where they are, and that pictures without anomalies stay as they are."""

import numpy as np
from numpy.testing import assert_array_equal
from PIL import Image

from skmmrr.inspection import abnormal_boxes, draw_overlay


def test_boxes_are_the_regions_above_half_the_highest_value():
    anomaly_map = np.zeros((10, 20))
    anomaly_map[1:3, 4:9] = 0.6
    anomaly_map[6, 15] = 1.0
    anomaly_map[8:, :2] = 0.4  # below half
    assert abnormal_boxes(anomaly_map) == [(4, 1, 9, 3), (15, 6, 16, 7)]
    assert abnormal_boxes(anomaly_map, size=(20, 40)) == [(8, 2, 18, 6), (30, 12, 32, 14)]
    assert abnormal_boxes(anomaly_map, most=1) == [(4, 1, 9, 3)]
    assert abnormal_boxes(np.zeros((3, 3))) == []


def test_corners_that_touch_are_one_region():
    assert abnormal_boxes(np.eye(3)) == [(0, 0, 3, 3)]


def test_overlay_shows_the_picture_where_the_map_is_zero():
    picture = Image.fromarray(np.full((16, 16, 3), 200, np.uint8))
    anomaly_map = np.zeros((8, 8))
    anomaly_map[6:, 6:] = 1
    overlay = np.asarray(draw_overlay(picture, anomaly_map, scale=1.0))
    assert overlay.shape == (16, 16, 3)
    assert_array_equal(overlay[:8, :8], 200)
    assert (overlay[14:, 14:] != 200).any()
    boxed = np.asarray(draw_overlay(picture, anomaly_map, 1.0, [(0, 0, 4, 4)]))
    assert_array_equal(boxed[0, :4], [[230, 30, 30]] * 4)
