"""Triton kernels for GPUs: group norm and ReLU in one pass, and the sum that ends a block.

PyTorch's group norm takes four passes over contiguous float32 tensors, while convolutions want
channels-last bfloat16; on an H100 that was most of a step (docs/results/gpu.md). Statistics are
float32 here too. Each program normalises one group of one image.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_TILE = 2**14  # elements that one program holds at a time
_ADDED = 2**11  # elements that one program adds


def norm_relu(norm: nn.GroupNorm, x: Tensor, shift: Tensor | None = None) -> Tensor:
    """``relu(norm(x + shift))`` of images, channels last in memory.

    Parameters
    ----------
    norm : nn.GroupNorm
    x : Tensor of shape (n, channels, height, width)
        Float32 or narrower.
    shift : Tensor of shape (channels,), default=None
        Bias of the convolution that gave `x`.

    Returns
    -------
    y : Tensor of shape (n, channels, height, width)
        Of the dtype of `x`, channels last.
    """
    return _NormReLU.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps, shift)


def try_out(device: torch.device, dtype: torch.dtype) -> None:
    """Run a kernel forward and backward; what fails is Triton's error, of a compiler missing."""
    with torch.inference_mode(False), torch.enable_grad():
        x = torch.zeros(1, 8, 2, 2, dtype=dtype, device=device, requires_grad=True)
        norm_relu(nn.GroupNorm(8, 8, device=device), x).sum().backward()


def add(x: Tensor, y: Tensor, shift: Tensor) -> Tensor:
    """``x + y + shift`` of channels-last images, `shift` of shape (channels,)."""
    return _Add.apply(x, y, shift)


class _NormReLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        groups: int,
        eps: float,
        shift: Tensor | None,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        y = torch.empty_like(x)
        mean, scale = torch.empty(2, len(x), groups, dtype=torch.float32, device=x.device)
        tensors = x, _or_any(shift, x), weight, bias, y, mean, scale
        with torch.cuda.device_of(x):
            _normalise[(len(x) * groups,)](*tensors, eps, **_sizes(x, groups, shift))
        ctx.save_for_backward(x, weight, bias, shift, mean, scale)
        ctx.groups = groups
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, shift, mean, scale = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        grad_x = torch.empty_like(x)
        # of each image and channel
        sums = torch.empty(3, *x.shape[:2], dtype=torch.float32, device=x.device)
        tensors = x, _or_any(shift, x), weight, bias, grad, mean, scale, grad_x, *sums
        with torch.cuda.device_of(x):
            _differentiate[(len(x) * ctx.groups,)](*tensors, **_sizes(x, ctx.groups, shift))
        grad_weight, grad_bias, grad_shift = sums.sum(1)
        return grad_x, grad_weight, grad_bias, None, None, None if shift is None else grad_shift


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, shift: Tensor) -> Tensor:
        x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, y))
        output = torch.empty_like(y)
        n = output.numel()
        sizes = {"CHANNELS": x.shape[1], "TILE": _ADDED}
        with torch.cuda.device_of(x):
            _sum[(triton.cdiv(n, _ADDED),)](x, y, shift, output, n, **sizes)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return grad, grad, grad.sum((0, 2, 3), dtype=torch.float32)


def _sizes(x: Tensor, groups: int, shift: Tensor | None) -> dict[str, Any]:
    """What a kernel is compiled for."""
    pixels, size = x.shape[2] * x.shape[3], x.shape[1] // groups
    columns = triton.next_power_of_2(size)
    rows = min(triton.next_power_of_2(pixels), max(1, _TILE // columns))
    return {
        "PIXELS": pixels,
        "CHANNELS": x.shape[1],
        "SIZE": size,
        "SHIFTED": shift is not None,
        "ROWS": rows,
        "COLUMNS": columns,
        "num_warps": min(16, max(1, rows * columns // 1024)),
    }


def _or_any(t: Tensor | None, other: Tensor) -> Tensor:
    """A kernel wants a pointer, though it does not follow it."""
    return other if t is None else t


# A program has one group of one image: PIXELS x SIZE values, in tiles of ROWS x COLUMNS. It reads
# them more than once, from the cache unless the image is large.


@triton.jit
def _normalise(
    X, SHIFT, WEIGHT, BIAS, Y, MEAN, SCALE, eps,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr, SIZE: tl.constexpr, SHIFTED: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    base, channel, known = _place(row, PIXELS, CHANNELS, SIZE, COLUMNS)
    shift = tl.load(SHIFT + channel, known, 0) if SHIFTED else 0.0
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, PIXELS, ROWS):
        place, kept = _tile(start, base, known, PIXELS, CHANNELS, ROWS)
        x = tl.load(X + place, kept, 0).to(tl.float32) + shift
        total += tl.where(kept, x, 0)
    mean = tl.sum(total) / (PIXELS * SIZE)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, PIXELS, ROWS):
        place, kept = _tile(start, base, known, PIXELS, CHANNELS, ROWS)
        x = tl.load(X + place, kept, 0).to(tl.float32) + shift - mean
        total += tl.where(kept, x * x, 0)
    scale = 1 / tl.sqrt(tl.sum(total) / (PIXELS * SIZE) + eps)
    tl.store(MEAN + row, mean)
    tl.store(SCALE + row, scale)
    weight, bias = tl.load(WEIGHT + channel, known, 0), tl.load(BIAS + channel, known, 0)
    for start in range(0, PIXELS, ROWS):
        place, kept = _tile(start, base, known, PIXELS, CHANNELS, ROWS)
        x = tl.load(X + place, kept, 0).to(tl.float32) + shift
        y = (x - mean) * scale * weight + bias
        tl.store(Y + place, tl.where(y < 0, 0, y), kept)  # NaN stays NaN


@triton.jit
def _differentiate(
    X, SHIFT, WEIGHT, BIAS, GRAD, MEAN, SCALE, GRAD_X, GRAD_WEIGHT, GRAD_BIAS, GRAD_SHIFT,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr, SIZE: tl.constexpr, SHIFTED: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    base, channel, known = _place(row, PIXELS, CHANNELS, SIZE, COLUMNS)
    shift = tl.load(SHIFT + channel, known, 0) if SHIFTED else 0.0
    weight, bias = tl.load(WEIGHT + channel, known, 0), tl.load(BIAS + channel, known, 0)
    mean, scale = tl.load(MEAN + row), tl.load(SCALE + row)
    total, total_x = tl.zeros((ROWS, COLUMNS), tl.float32), tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, PIXELS, ROWS):
        place, kept = _tile(start, base, known, PIXELS, CHANNELS, ROWS)
        x, grad = _before_relu(X + place, GRAD + place, kept, shift, mean, scale, weight, bias)
        total += grad
        total_x += grad * x
    grad_bias, grad_weight = tl.sum(total, 0)[None, :], tl.sum(total_x, 0)[None, :]
    along_one = tl.sum(grad_bias * weight) / (PIXELS * SIZE)
    along_x = tl.sum(grad_weight * weight) / (PIXELS * SIZE)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, PIXELS, ROWS):
        place, kept = _tile(start, base, known, PIXELS, CHANNELS, ROWS)
        x, grad = _before_relu(X + place, GRAD + place, kept, shift, mean, scale, weight, bias)
        grad = tl.where(kept, (grad * weight - along_one - x * along_x) * scale, 0)
        tl.store(GRAD_X + place, grad, kept)
        total += grad
    sums = row * SIZE + tl.arange(0, COLUMNS)[None, :]  # as (images, channels)
    tl.store(GRAD_WEIGHT + sums, grad_weight, known)
    tl.store(GRAD_BIAS + sums, grad_bias, known)
    tl.store(GRAD_SHIFT + sums, tl.sum(total, 0)[None, :], known)


@triton.jit
def _place(
    row, PIXELS: tl.constexpr, CHANNELS: tl.constexpr, SIZE: tl.constexpr, COLUMNS: tl.constexpr
):
    """Place of a group's channels at the first pixel of its image, their numbers, which exist."""
    groups: tl.constexpr = CHANNELS // SIZE
    column = tl.arange(0, COLUMNS)[None, :]
    channel = row % groups * SIZE + column
    return (row // groups).to(tl.int64) * PIXELS * CHANNELS + channel, channel, column < SIZE


@triton.jit
def _tile(start, base, known, PIXELS: tl.constexpr, CHANNELS: tl.constexpr, ROWS: tl.constexpr):
    """Places of a tile's values, and which of them exist."""
    pixel = start + tl.arange(0, ROWS)[:, None]
    return base + pixel * CHANNELS, (pixel < PIXELS) & known


@triton.jit
def _before_relu(x, grad, kept, shift, mean, scale, weight, bias):
    """Normalised values of a tile, and the gradient where the ReLU let them pass."""
    normal = (tl.load(x, kept, 0).to(tl.float32) + shift - mean) * scale
    passed = kept & (normal * weight + bias > 0)
    return normal, tl.load(grad, passed, 0).to(tl.float32)


@triton.jit
def _sum(X, Y, SHIFT, OUTPUT, size, CHANNELS: tl.constexpr, TILE: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    kept = i < size
    x = tl.load(X + i, kept, 0).to(tl.float32) + tl.load(Y + i, kept, 0).to(tl.float32)
    tl.store(OUTPUT + i, x + tl.load(SHIFT + i % CHANNELS, kept, 0), kept)
