"""Folders of pictures: which are abnormal, where, and a page to look at."""

from skmmrr.inspection._folder import Finding, score_folder, training_pictures
from skmmrr.inspection._overlay import abnormal_boxes, draw_overlay
from skmmrr.inspection._report import write_report

__all__ = [
    "Finding",
    "abnormal_boxes",
    "draw_overlay",
    "score_folder",
    "training_pictures",
    "write_report",
]
