"""The bench: data sets, protocols and detectors, a row of results each.

``python -m skmmrr.benchmark --help`` is the same from the command line.
"""

from skmmrr.benchmark.comparison import compare
from skmmrr.benchmark.detectors import Candidate, find_detector
from skmmrr.benchmark.runner import run
from skmmrr.benchmark.tasks import Split, Task, find_tasks

__all__ = ["Candidate", "Split", "Task", "compare", "find_detector", "find_tasks", "run"]
