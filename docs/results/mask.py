"""The mask layer against the two ways in which others solve the same equation.

All three get the same logits and levels and the same equation (2) as backward pass, in one
process, their timings interleaved; the two references stop at a bracket of 1e-6, which gives
the mean to about 1e-7, as ours.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from _measuring import Row, add_out, write_table
from torch import Tensor

from skmmrr.mmrr.masking import _LevelMask, level_mask

_BRACKET = 1e-6
_SCALES = (0.1, 3.0, 10.0, 50.0)


def main() -> None:
    """Measure the three ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=64, help="samples in the batch (default 64)")
    parser.add_argument("--elements", type=int, default=3072, help="logits a row (default 3072)")
    parser.add_argument("--repeats", type=int, default=9, help="timings a number (default 9)")
    add_out(parser, "mask.csv")
    arguments = parser.parse_args()
    print(
        f"({arguments.rows}, {arguments.elements}) logits, forward and backward, median of "
        f"{arguments.repeats}; torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{platform.machine()}"
    )
    write_table(arguments.out, measure_mask(arguments.rows, arguments.elements, arguments.repeats))


def lml_mask(logits: Tensor, level: Tensor) -> Tensor:
    """The LML layer's bracketing (Amos et al. 2019), ten points a pass, all rows at once."""
    return with_equation_2(_lml_forward, logits, level)


def bisection_mask(logits: Tensor, level: Tensor) -> Tensor:
    """The paper's Algorithm 1 as printed, sample by sample in Python."""
    rows = [
        with_equation_2(_algorithm_1, row[None], mu[None])
        for row, mu in zip(logits, level, strict=True)
    ]
    return torch.cat(rows)


def measure_mask(rows: int, elements: int, repeats: int) -> Iterator[Row]:
    """Rows of errors and times of the three, for normal logits of four scales."""
    generator = torch.Generator().manual_seed(0)
    level = torch.arange(rows) / max(1, rows - 1)
    inner = level.clamp(1e-3, 1 - 1e-3)  # the references know no level 0 or 1
    ways: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "level_mask": level_mask,
        "LML bracketing": lml_mask,
        "bisection per sample": bisection_mask,
    }
    for scale in _SCALES:
        logits = torch.randn(rows, elements, generator=generator) * scale
        grad = torch.randn(rows, elements, generator=generator)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                times[name].append(_seconds(way, logits, inner, grad))
        ours = statistics.median(times["level_mask"])
        for name, way in ways.items():
            mean = way(logits, inner).double().mean(1)
            error = (mean - inner).abs().max().item()
            seconds = statistics.median(times[name])
            yield {
                "logits": f"normal(0, {scale:g})",
                "way": name,
                "largest error of the mean": f"{error:.1e}",
                "ms": f"{seconds * 1e3:.1f}",
                "times level_mask": f"{seconds / ours:.1f}",
            }


def _seconds(
    way: Callable[[Tensor, Tensor], Tensor], logits: Tensor, level: Tensor, grad: Tensor
) -> float:
    leaf = logits.clone().requires_grad_()
    start = time.perf_counter()
    way(leaf, level).backward(grad)
    return time.perf_counter() - start


def with_equation_2(
    forward: Callable[[Tensor, Tensor], Tensor], logits: Tensor, level: Tensor
) -> Tensor:
    """A mask made by `forward`, with the backward pass of :func:`level_mask`."""

    class Mask(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, logits: Tensor, level: Tensor) -> Tensor:
            mask = forward(logits, level)
            ctx.save_for_backward(mask)
            return mask

        backward = _LevelMask.backward  # type: ignore[assignment]

    return Mask.apply(logits, level)


def _lml_forward(logits: Tensor, level: Tensor, n_points: int = 10) -> Tensor:
    total = (level * logits.shape[1])[:, None]
    low = -logits.amax(1, keepdim=True) - 20
    high = -logits.amin(1, keepdim=True) + 20
    steps = torch.linspace(0, 1, n_points)
    while True:
        width = high - low
        if (width <= _BRACKET + 1e-6 * high.abs()).all():  # beyond that float32 has no points
            break
        points = low + width * steps
        sums = torch.sigmoid(logits[:, None, :] + points[:, :, None]).sum(-1)
        index = ((sums < total).sum(1, keepdim=True) - 1).clamp(0, n_points - 2)
        low, high = points.gather(1, index), points.gather(1, index + 1)
    return torch.sigmoid(logits + (low + high) / 2)


def _algorithm_1(logits: Tensor, level: Tensor) -> Tensor:
    row, mu = logits[0], level.item()

    def error(bias: float) -> float:
        return torch.sigmoid(row + bias).mean().item() - mu

    low, high = -1.0, 1.0
    while error(low) > 0 or error(high) < 0:  # printed as "while the signs differ"
        low, high = 2 * low, 2 * high
    while high - low > _BRACKET + 1e-6 * abs(high):
        middle = (low + high) / 2
        if abs(error(middle)) < _BRACKET / 10:
            break
        if (error(middle) < 0) == (error(low) < 0):
            low = middle
        else:
            high = middle
    return torch.sigmoid(row + (low + high) / 2)[None]


if __name__ == "__main__":
    main()
