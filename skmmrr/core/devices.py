"""The one place that chooses devices and precisions."""

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TypeVar, cast

import torch
from torch import nn

from skmmrr.core.validation import check_option, shown

ModuleT = TypeVar("ModuleT", bound=nn.Module)

PRECISIONS = ("auto", "float32", "bfloat16")
TRAINING_PRECISIONS = (*PRECISIONS, "float64")

_SHARED: ContextVar[dict[tuple[nn.Module, torch.device], nn.Module]] = ContextVar("shared copies")


def resolve_device(device: str | torch.device, owner: str) -> torch.device:
    """Turn the parameter `device` into a usable device: "auto" is a GPU where there is one.

    Raises
    ------
    ValueError
        If torch does not know the name, or the machine does not have the device.
    """
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except Exception as error:  # of many kinds: what is not a device, and what is not built in
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(
            f"The parameter 'device' of {owner} must be 'auto', 'cpu', or a device that torch can "
            f"use here, such as 'cuda' or 'cuda:1'. Got {shown(device)}, and torch says: {said} "
            "Use device='auto' to take a GPU only where there is one."
        ) from error
    return resolved


def resolve_precision(precision: str, device: torch.device, convolutional: bool) -> torch.dtype:
    """Turn the parameter `precision` into the dtype that convolutions and products run in.

    "auto" is bfloat16 where the hardware gains from it: on recent GPUs, and for convolutions
    on CPUs that have it. Small products on a CPU lose more by the casts than they gain.
    """
    check_option("precision", precision, "a detector", TRAINING_PRECISIONS)
    if precision == "auto":
        gains = _has_bfloat16(device) and (convolutional or device.type != "cpu")
        return torch.bfloat16 if gains else torch.float32
    dtype: torch.dtype = getattr(torch, precision)
    return dtype


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Context in which convolutions on a GPU add gradients up in the same order every time."""
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before, cudnn.deterministic = cudnn.deterministic, True
    try:
        yield
    finally:
        cudnn.deterministic = before


def to_device(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Bring a batch to the device, images in the memory layout that is fast there."""
    if device.type == "cuda":
        x = x.pin_memory()  # else the host waits for the copy
    if x.ndim != 4:
        return x.to(device, non_blocking=True)
    return x.to(device, memory_format=_memory_format(device), non_blocking=True)


def module_to_device(module: nn.Module, device: torch.device) -> None:
    """Move a network to the device, convolutions in the memory layout that is fast there."""
    module.to(device).to(memory_format=_memory_format(device))  # type: ignore[call-overload]


def module_on_device(module: ModuleT, device: torch.device) -> ModuleT:
    """The network for scoring; an estimator keeps its own on the CPU: it pickles anywhere."""
    if device.type == "cpu":
        return module
    copies = _SHARED.get({})
    copied = copies.get((module, device))
    if copied is None:
        copied = copies[module, device] = copy.deepcopy(module)
        module_to_device(copied, device)
    return cast(ModuleT, copied)


@contextmanager
def shared_copies() -> Iterator[None]:
    """Context of a pass over samples: :func:`module_on_device` copies each network but once.

    Inside of another one it is that. No weights may move meanwhile.
    """
    token = _SHARED.set(_SHARED.get({}))
    try:
        yield
    finally:
        _SHARED.reset(token)


def elements_per_chunk(device: torch.device) -> int:
    """Elements of input of one scoring pass: tuned to CPU cache or GPU."""
    return 2**15 if device.type == "cpu" else 2**22


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Context in which networks run in a dtype narrower than their weights'."""
    if dtype in (torch.float32, torch.float64):
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def _memory_format(device: torch.device) -> torch.memory_format:
    # On a CPU, group norm is 5 to 10 times slower on channels-last tensors than on contiguous
    # ones (torch 2.13, 64 x 32 x 8 x 8), which convolutions do not make up for.
    return torch.contiguous_format if device.type == "cpu" else torch.channels_last


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
