"""What a training takes of the machine: of its process tree and its own GPUs, not of the host."""

from __future__ import annotations

import importlib
import os
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any, TypedDict

import psutil

SAMPLE = 10.0  # seconds between two samples: a shorter training has none, and pays nothing
MB = 2**20


class Usage(TypedDict):
    """What a process took: a part of its training's result."""

    peak_memory_mb: float  # resident, of 2**20 bytes
    cpu_seconds: float


class GpuUsage(TypedDict, total=False):
    """What a training took of its GPUs: a part of its result; empty without a GPU."""

    gpu_seconds: float  # of all its GPUs together
    gpu_energy_joules: float  # where the driver tells


def own_usage() -> Usage:
    """What this process took so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "peak_memory_mb": used.ru_maxrss * unit / MB,
        "cpu_seconds": used.ru_utime + used.ru_stime,
    }


class Gpus:
    """NVIDIA's management library for the GPUs of one training; without it, no GPU.

    It tells of whole GPUs: where trainings share one, each sees the work of all.
    """

    def __init__(self, names: str) -> None:
        """`names` as in CUDA_VISIBLE_DEVICES: numbers or UUIDs; empty for none."""
        self.handles: dict[str, object] = {}  # of the library's own making
        if not names:
            return
        try:
            # An extra, `gpu`, which has no types.
            self._nvml = importlib.import_module("pynvml")
            self._nvml.nvmlInit()
            self.handles = {name: self._handle(name) for name in names.split(",")}
        except Exception:  # noqa: BLE001 - no library, no driver, no such GPU: no figures
            return

    def joules(self) -> float | None:
        """Energy since the driver was loaded, where it tells."""
        used = [self._ask("TotalEnergyConsumption", handle) for handle in self.handles.values()]
        known = [value / 1000 for value in used if value is not None]
        return sum(known) if known else None

    def sample(self) -> dict[str, float]:
        """Utilisation, memory and power of each GPU, where the driver tells."""
        found: dict[str, float] = {}
        for name, handle in self.handles.items():
            utilization = self._ask("UtilizationRates", handle)
            memory, power = self._ask("MemoryInfo", handle), self._ask("PowerUsage", handle)
            values = {
                "utilization_percentage": utilization and utilization.gpu,
                "memory_usage_megabytes": memory and memory.used / MB,
                "power_usage_watts": power and power / 1000,
            }
            found |= {f"system/gpu_{name}_{k}": v for k, v in values.items() if v is not None}
        return found

    def _handle(self, name: str) -> object:
        if name.isdigit():
            return self._nvml.nvmlDeviceGetHandleByIndex(int(name))
        return self._nvml.nvmlDeviceGetHandleByUUID(name)

    def _ask(self, what: str, handle: object) -> Any:  # a number or a structure
        try:
            return getattr(self._nvml, f"nvmlDeviceGet{what}")(handle)
        except self._nvml.NVMLError:  # this GPU does not tell
            return None


@dataclass
class Meter:
    """Samples of one training's process tree and GPUs."""

    pid: int
    gpus: Gpus
    began: float = field(default_factory=time.monotonic)
    _sampled: float = 0.0
    _cpu: float = 0.0
    _joules: float | None = None

    def __post_init__(self) -> None:
        """From now on."""
        self._sampled = self.began
        self._joules = self.gpus.joules()

    def sample(self) -> dict[str, float] | None:
        """`system/...` values, named as MLflow's own, if it is time; `None` otherwise."""
        now = time.monotonic()
        if now - self._sampled < SAMPLE:
            return None
        cpu, memory = _tree(self.pid)
        share = max(0.0, cpu - self._cpu) / (now - self._sampled)  # what ended took its own
        self._sampled, self._cpu = now, cpu
        return {
            "system/cpu_utilization_percentage": 100 * share,
            "system/memory_usage_megabytes": memory / MB,
            **self.gpus.sample(),
        }

    def totals(self) -> GpuUsage:
        """What the GPUs were used since the beginning."""
        if not self.gpus.handles:
            return {}
        found: GpuUsage = {"gpu_seconds": len(self.gpus.handles) * (time.monotonic() - self.began)}
        now = self.gpus.joules()
        if now is not None and self._joules is not None:
            found["gpu_energy_joules"] = now - self._joules
        return found


def visible_gpus(environment: dict[str, str], device: str) -> str:
    """The GPUs that a training was given, as in CUDA_VISIBLE_DEVICES."""
    if device == "cpu":
        return ""
    names = environment.get("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
    return "" if names == "-1" else names


def _tree(pid: int) -> tuple[float, float]:
    """CPU seconds and resident bytes of a process and all below it."""
    cpu = memory = 0.0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:  # it has just ended
        return cpu, memory
    for member in family:
        try:
            times = member.cpu_times()
            cpu += times.user + times.system
            memory += member.memory_info().rss
        except psutil.Error:
            continue
    return cpu, memory
