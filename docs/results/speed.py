"""Scoring and training beside the paper taken literally, and beside the bare network passes.

All ways have the same weights, inputs and levels, and run in turns within one call, so that what
else the machine does hits all of them. The FLOPs are those of the network passes that scoring
needs; the peaks are measured here, on convolutions and products that suit the machine.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import FOLDER, Row, write_table
from mask import with_equation_2
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from skmmrr import MMRRDetector, Network
from skmmrr.core.cuda_graph import GraphedStep
from skmmrr.core.devices import (
    autocast,
    module_on_device,
    module_to_device,
    resolve_device,
    to_device,
)
from skmmrr.core.training import TrainingData, optimizer_of, stepper
from skmmrr.mmrr import Draws, LearnedMasking, MMRRModel, MMRRSpec, level_mask, sample_loss
from skmmrr.mmrr.phases import training_phases
from skmmrr.mmrr.scoring import ENCODED, pass_shape
from skmmrr.representation import Samples

_BISECTIONS = 30  # of a bracket some hundred wide, to the spacing of floats
_BATCH = 64  # of the paper, for 32x32
_UNTIL_REPLAYED = 4  # calls
_FEW = {"level_rule": "gauss-legendre", "n_levels": 8}


def main() -> None:
    """Measure, and write a table of scoring and one of training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=64, help="images (default 64)")
    parser.add_argument("--side", type=int, default=32, help="pixels (default 32)")
    parser.add_argument("--channels", type=int, default=3, help="default 3")
    parser.add_argument("--width", type=int, default=32, help="of the networks (default 32)")
    parser.add_argument("--blocks", type=int, default=1, help="per resolution (default 1)")
    parser.add_argument("--repeats", type=int, default=3, help="timings a number (default 3)")
    parser.add_argument(
        "--out",
        type=Path,
        default=FOLDER / "speed",
        help="first part of the names of two CSV files (default those of the page)",
    )
    arguments = parser.parse_args()
    shape = (arguments.samples, arguments.side, arguments.channels)
    tables = measure_speed(*shape, arguments.width, arguments.blocks, arguments.repeats)
    for name, rows in zip(("scoring", "training"), tables, strict=True):
        write_table(arguments.out.with_name(f"{arguments.out.name}_{name}.csv"), rows)


def measure_speed(
    n_samples: int, side: int, channels: int, width: int, n_blocks: int, repeats: int
) -> tuple[Iterator[Row], Iterator[Row]]:
    """Rows of scoring and of training: seconds, ratios, FLOP/s and shares of the peak."""
    rng = np.random.default_rng(0)
    X = rng.integers(256, size=(n_samples, side, side, channels), dtype=np.uint8)
    detector = MMRRDetector(
        backbone="unet",
        network=Network(width=width, n_blocks=n_blocks),
        n_estimators=1,
        downsample=1,
        max_iter=1,
        random_state=0,
    )
    detector.fit(X[: max(2, n_samples // 8)])
    device = resolve_device("auto", "speed")
    dtype = detector._dtype(device)
    peak = _peak_flops(device, dtype)
    print(
        f"{n_samples} images of {side}x{side}x{channels}, width {width}, "
        f"{sum(p.numel() for p in detector.network_.parameters()):,} weights, {device.type}, "
        f"{str(dtype).removeprefix('torch.')}; torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads; median of {repeats}\n"
        f"peak of convolutions and products: {peak / 1e9:.0f} GFLOP/s"
    )
    scoring = _scoring_rows(detector, X, device, dtype, peak, repeats)
    return scoring, _training_rows(detector, X, device, peak, repeats)


def _scoring_rows(
    detector: MMRRDetector,
    X: NDArray[Any],
    device: torch.device,
    dtype: torch.dtype,
    peak: float,
    repeats: int,
) -> Iterator[Row]:
    few = copy.copy(detector).set_params(**_FEW)
    samples = detector._samples(X.reshape(len(X), -1))
    (model,) = module_on_device(detector.network_, device)
    ways: dict[str, Callable[[], Any]] = {
        "the paper, 60 levels": lambda: _literal_scores(model, samples, 60, device),
        "shipped, 60 levels": lambda: detector.score_samples(X),
        "bare passes, 60 levels": lambda: _bare_passes(model, samples, 60, device, dtype),
        "shipped, 8 nodes and ends": lambda: few.score_samples(X),
        "bare passes, 10 levels": lambda: _bare_passes(model, samples, 10, device, dtype),
    }
    seconds = _times(ways, repeats)
    flops = {n: _flops(partial(_bare_passes, model, samples, n, device, dtype)) for n in (60, 10)}
    for name, value in seconds.items():
        rate = flops[60 if "60" in name else 10] / value
        yield {
            "scoring": name,
            "s": f"{value:.2f}",
            "times faster than the paper": f"{seconds['the paper, 60 levels'] / value:.1f}",
            "GFLOP/s": f"{rate / 1e9:.0f}",
            "of the peak": f"{rate / peak:.0%}",
        }
    share = 1 - seconds["bare passes, 60 levels"] / seconds["shipped, 60 levels"]
    print(f"What is not a network pass: {share:.0%} of scoring 60 levels.")


def _training_rows(
    detector: MMRRDetector,
    X: NDArray[Any],
    device: torch.device,
    peak: float,
    repeats: int,
) -> Iterator[Row]:
    samples = detector._samples(X.reshape(len(X), -1))
    x = to_device(samples.batch(np.arange(_BATCH) % len(X)), device)
    models = detector.spec_.initialised_models()
    module_to_device(models, device)
    ways: dict[str, tuple[int, Callable[[], Any]]] = {
        "the paper, a level a sample": (1, _literal_step(models[0], x))
    }
    for levels, name in ((1, "a level a sample"), (4, "4 levels a sample")):
        spec = replace(detector.spec_, levels_per_sample=levels)
        dtype = detector._dtype(device)
        ways[f"shipped, {name}"] = (levels, _shipped_step(models, spec, samples, x, dtype))
        ways[f"its mask layer, {name}"] = (levels, _mask_step(x.repeat_interleave(levels, dim=0)))
    flops = {name: _flops(step) for name, (_, step) in ways.items()}
    for _, step in ways.values():
        for _ in range(_UNTIL_REPLAYED if device.type == "cuda" else 0):
            step()
    seconds = _times({name: step for name, (_, step) in ways.items()}, repeats)
    first = seconds["the paper, a level a sample"]
    for name, value in seconds.items():
        levels, rate = ways[name][0], flops[name] / value
        yield {
            "a step of both phases": name,
            "ms": f"{value * 1e3:.1f}",
            "ms a level of a sample": f"{value / levels / _BATCH * 1e3:.3f}",
            "times faster than the paper": f"{first * levels / value:.1f}" if rate else "",
            "GFLOP/s": f"{rate / 1e9:.0f}" if rate else "",
            "of the peak": f"{rate / peak:.0%}" if rate else "",
        }


class _LiteralMasking(LearnedMasking):
    """Algorithm 1 as printed, with the gradient of equation (2)."""

    def forward(
        self,
        logits: Tensor,
        level: Tensor,
        uniform: Tensor | None = None,
        observed: Tensor | None = None,
    ) -> Tensor:
        """Masks of shape (n, ...) for logits of shape (n, ...) and levels of shape (n,)."""
        return with_equation_2(_bisection, logits.flatten(1), level).view_as(logits)


def _literal(model: MMRRModel) -> MMRRModel:
    """The same networks with the paper's mask layer."""
    literal = copy.copy(model)
    literal._modules = {**model._modules, "masking": _LiteralMasking(model.masking.backbone)}
    return literal


@torch.no_grad()
def _literal_scores(
    model: MMRRModel, samples: Samples, n_levels: int, device: torch.device
) -> Tensor:
    """Section 3.4 as printed: every level is a pass of all four networks, in float32."""
    literal, total = _literal(model), torch.zeros(len(samples), device=device)
    for start in range(0, len(samples), _BATCH):
        index = np.arange(start, min(start + _BATCH, len(samples)))
        x = samples.batch(index).contiguous().to(device)
        for k in range(n_levels):
            level = torch.full((len(x), 1), k / (n_levels - 1), device=device)
            noise = Draws(torch.rand_like(x).unsqueeze(1) * 2 - 1)
            refined = literal(x, level, noise).refined
            total[start : start + len(x)] += sample_loss(x, refined).squeeze(1)
    return total


def _bisection(logits: Tensor, level: Tensor) -> Tensor:
    """Algorithm 1 for all samples at once, from the bracket of the logits."""
    target = torch.logit(level.clamp(1e-6, 1 - 1e-6))[:, None]
    low = target - logits.amax(1, keepdim=True)
    high = target - logits.amin(1, keepdim=True)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = torch.sigmoid(logits + middle).mean(1, keepdim=True) < level[:, None]
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return torch.sigmoid(logits + (low + high) / 2)


@torch.no_grad()
def _bare_passes(
    model: MMRRModel, samples: Samples, n_levels: int, device: torch.device, dtype: torch.dtype
) -> None:
    """The networks on inputs that are there, in the chunks of scoring: what cannot be saved."""
    height, width = pass_shape(samples.size, n_levels, device)
    encoded = ENCODED * height
    x = to_device(samples.batch(np.zeros(encoded, np.intp)), device)
    wide = x[:height].repeat_interleave(width, dim=0)
    stacked = torch.cat([wide] * 4, dim=1)
    assert model.refinement is not None
    with autocast(dtype, device):
        for _ in range(0, len(samples), encoded):
            model.encode(x)
        for _ in range(0, len(samples), height):
            for _ in range(0, n_levels, width):
                model.restoration.backbone(wide)
                model.refinement.backbone(stacked)


def _literal_step(model: MMRRModel, x: Tensor) -> Callable[[], None]:
    """A step of both phases as printed: a level a sample, in float32, RAdam."""
    literal, x = _literal(model), x.contiguous()
    optimizer = torch.optim.RAdam(literal.parameters(), lr=1e-4)

    def step() -> None:
        for refine in (False, True):
            optimizer.zero_grad()
            for part in (literal.embedding, literal.masking, literal.restoration):
                part.requires_grad_(not refine)
            level = torch.rand(len(x), 1, device=x.device)
            noise = Draws(torch.rand_like(x).unsqueeze(1) * 2 - 1)
            sample_loss(x, literal(x, level, noise, refine=refine).refined).mean().backward()
            optimizer.step()

    return step


def _shipped_step(
    models: Any, spec: MMRRSpec, samples: Samples, x: Tensor, dtype: torch.dtype
) -> Callable[[], None]:
    index = np.arange(len(samples))
    data = TrainingData(samples, index, index, 0, x.device, dtype, verbose=0)
    phases = training_phases(models, spec)
    optimizers = [[optimizer_of(one, x.device) for one in phase.updates] for phase in phases]
    steps = [stepper(*both, data) for both in zip(phases, optimizers, strict=True)]

    def step() -> None:
        for phase, each in zip(phases, steps, strict=True):
            models.requires_grad_(False)
            phase.module.requires_grad_(True)
            each(x, 0)

    return step


def _mask_step(x: Tensor) -> Callable[[], Any]:
    """The masks of both phases of a step, with the gradient of the first."""
    logits = x.flatten(1).clone().requires_grad_()
    level = torch.linspace(0, 1, len(x), device=x.device)

    def step(logits: Tensor) -> Tensor:
        logits.grad = None
        mask = level_mask(logits, level)
        mask.backward(mask.detach())
        with torch.no_grad():
            return level_mask(logits, level)

    if x.device.type != "cuda":
        return partial(step, logits)
    generator = torch.Generator(x.device)
    return partial(GraphedStep(lambda _: step(logits), [generator]), x)


def _times(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each, all in turns, after one call that does not count."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if repeat:
                found[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in found.items()}


def _flops(way: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        way()
    return int(counter.get_total_flops())


@torch.no_grad()
def _peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """The higher rate of a large product and a wide 3x3 convolution."""
    size = 1024 if device.type == "cpu" else 8192
    a = torch.randn(size, size, device=device, dtype=dtype)
    x = torch.randn(64, 128, 32, 32, device=device, dtype=dtype)
    kernel = torch.randn(128, 128, 3, 3, device=device, dtype=dtype)
    if device.type != "cpu":
        x, kernel = (t.contiguous(memory_format=torch.channels_last) for t in (x, kernel))
    ways: dict[str, Callable[[], Any]] = {
        "product": lambda: a @ a,
        "convolution": lambda: F.conv2d(x, kernel, padding=1),
    }
    seconds = _times(ways, 5)
    return max(_flops(way) / seconds[name] for name, way in ways.items())


if __name__ == "__main__":
    main()
