"""Folders of pictures: which are abnormal, where, and a page to look at."""

from skmmrr.inspection._detector import PictureDetector
from skmmrr.inspection._evaluation import evaluate_folder
from skmmrr.inspection._folder import Finding, inspect_folder, score_folder, training_pictures
from skmmrr.inspection._overlay import abnormal_boxes, draw_overlay
from skmmrr.inspection._report import write_report

__all__ = [
    "Finding",
    "PictureDetector",
    "abnormal_boxes",
    "draw_overlay",
    "evaluate_folder",
    "inspect_folder",
    "score_folder",
    "training_pictures",
    "write_report",
]
