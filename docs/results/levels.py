"""Whether few quadrature levels rank like many uniform ones, on the same fitted networks."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from skmmrr import MMRRDetector
from skmmrr.benchmark.digits import one_vs_all


def measure_levels(digits: list[int]) -> str:
    """Markdown table: rank correlation with 60 uniform levels, AUROC and time.

    The yardstick is the correlation between two noise seeds of the 60 levels.
    """
    lines = [
        f"Digits one-vs-all, default MMRRDetector, random_state=0; torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads",
        "",
        "| digit | Spearman, other noise seed | Spearman, 8 nodes | AUROC, 60 | AUROC, other seed "
        "| AUROC, 8 nodes | time 60 / time 8 |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for digit in digits:
        train, test, y = one_vs_all(digit)
        detector = MMRRDetector(random_state=0).fit(train)
        start = time.perf_counter()
        uniform = detector.score_samples(test)
        middle = time.perf_counter()
        other = -detector.level_losses(test, noise_seed=1).mean(axis=1)
        detector.set_params(level_rule="gauss-legendre", n_levels=8)
        resume = time.perf_counter()
        few = detector.score_samples(test)
        ratio = (middle - start) / (time.perf_counter() - resume)
        numbers = [_spearman(uniform, other), _spearman(uniform, few)]
        numbers += [roc_auc_score(y, scores) for scores in (uniform, other, few)]
        row = " | ".join(f"{number:.4f}" for number in numbers)
        lines.append(f"| {digit} | {row} | {ratio:.1f} |")
    return "\n".join(lines)


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(spearmanr(a, b).statistic)
