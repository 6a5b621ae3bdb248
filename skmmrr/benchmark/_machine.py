"""What a row of results says of the machine, and what it measures there."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from skmmrr.core.devices import resolve_device

_PACKAGES = ("skmmrr", "torch", "scikit-learn", "numpy", "pyod")


@cache
def versions() -> str:
    """Of the packages that figures depend on."""
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


@cache
def machine() -> str:
    """Kind of processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def device_of(estimator: Any) -> str:
    """Name of the device that a detector runs on."""
    device = resolve_device(getattr(estimator, "device", "cpu") or "cpu", type(estimator).__name__)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


class PeakMemory:
    """Highest resident memory of the process in MB; None where the system does not tell."""

    megabytes: float | None = None


@contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Measure the highest resident memory of this process within the block, on Linux."""
    peak, status, reset = PeakMemory(), Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        reset.write_text("5")  # starts the high-water mark anew
    except OSError:
        yield peak
        return
    yield peak
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    peak.megabytes = int(line.split()[1]) / 1024
