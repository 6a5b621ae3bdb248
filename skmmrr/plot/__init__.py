"""Displays in scikit-learn's manner: they hold arrays, and draw them when asked.

Every display has ``from_estimator``, and ``plot`` to draw again. They need matplotlib
(``pip install "skmmrr[plot]"``), which is imported when something is drawn.
"""

from skmmrr.plot._anomaly_map import AnomalyMapDisplay
from skmmrr.plot._contributions import ContributionsDisplay
from skmmrr.plot._learning_curve import LearningCurveDisplay
from skmmrr.plot._masking_levels import MaskingLevelsDisplay
from skmmrr.plot._score_histogram import ScoreHistogramDisplay

__all__ = [
    "AnomalyMapDisplay",
    "ContributionsDisplay",
    "LearningCurveDisplay",
    "MaskingLevelsDisplay",
    "ScoreHistogramDisplay",
]
