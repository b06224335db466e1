"""What a training takes of the machine is measured of its own processes and GPUs."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from truefit.tracking import usage
from truefit.tracking.usage import Gpus, Meter, own_usage, visible_gpus

BUSY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "memory = b'x' * 50_000_000\\nwhile True: pass"])
child.wait()
"""


def test_a_process_knows_what_it_took() -> None:
    """The peak is at least what is resident now, and work shows in the CPU seconds."""
    before = own_usage()
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass

    after = own_usage()

    assert after["cpu_seconds"] - before["cpu_seconds"] >= 0.19
    assert after["peak_memory_mb"] * usage.MB >= 0.9 * psutil.Process().memory_info().rss


def test_a_sample_is_of_the_process_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grandchild that works and holds memory is seen; before it is time there is no sample."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    meter = Meter(process.pid, Gpus(""))
    try:
        assert meter.sample() is None
        monkeypatch.setattr(usage, "SAMPLE", 0.0)
        time.sleep(2)
        sample = meter.sample()
    finally:
        for member in psutil.Process(process.pid).children():
            member.kill()
        process.wait()

    assert sample is not None
    assert sample["system/cpu_utilization_percentage"] > 20
    assert sample["system/memory_usage_megabytes"] > 50
    assert meter.totals() == {}


def test_a_machine_without_driver_has_no_gpu_figures() -> None:
    """Neither a missing library nor a missing driver is a fault."""
    gpus = Gpus("0,1")

    assert gpus.sample() == {}
    assert gpus.joules() is None


def test_gpus_are_the_training_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures come from the GPUs that it was given; what a driver does not tell is left out."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    meter = Meter(1, Gpus("1,GPU-abc"))

    sample, totals = meter.gpus.sample(), meter.totals()

    assert sample["system/gpu_1_utilization_percentage"] == 50
    assert sample["system/gpu_GPU-abc_memory_usage_megabytes"] == 100
    assert not any("power" in name or "gpu_0" in name for name in sample)
    assert totals["gpu_energy_joules"] == pytest.approx(2 * 1.0)
    assert totals["gpu_seconds"] >= 0


def nvml() -> Any:
    """A driver with three GPUs, which does not tell their power."""
    told = {"joules": 0}

    def energy(_: str) -> int:
        told["joules"] += 500
        return told["joules"]

    def unknown(_: str) -> None:
        raise NVMLError

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda number: f"gpu {number}",
        nvmlDeviceGetHandleByUUID=lambda name: name,
        nvmlDeviceGetUtilizationRates=lambda _: SimpleNamespace(gpu=50),
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=100 * usage.MB),
        nvmlDeviceGetTotalEnergyConsumption=energy,
        nvmlDeviceGetPowerUsage=unknown,
    )


class NVMLError(Exception):
    """Not supported."""


def test_a_training_s_gpus_are_those_of_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment wins over the stage's, and a training on the CPU has none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")

    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1"}, "auto") == "1"
    assert visible_gpus({}, "auto") == "0,1"
    assert visible_gpus({}, "cpu") == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus({}, "auto") == ""
