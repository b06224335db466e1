"""Every experiment on every backend that is installed, on little data."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from backend_run import OTHERS
from conftest import ROOT, copy_project

pytestmark = pytest.mark.slow
BACKENDS = [name for name in ("tensorflow", "torch", "jax") if find_spec(name)]
EXPERIMENTS = [*sorted(file.stem for file in (ROOT / "conf/experiment").glob("*.yaml")), *OTHERS]
NATIVE = {"torch_mlp"}  # a module of torch, which no other backend runs
CASES = [(b, e) for b in BACKENDS for e in EXPERIMENTS if b == "torch" or e not in NATIVE]
SAMPLED = {"gan", "language_model"}
Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Callable[[], Told]]]:
    """For each backend what its process says of every experiment; they run side by side."""
    processes = {name: start(name, tmp_path_factory.mktemp(name)) for name in BACKENDS}
    yield {
        name: functools.cache(functools.partial(told_by, process, name))
        for name, process in processes.items()
    }
    for process in processes.values():
        process.kill()
        process.wait()


def start(backend: str, folder: Path) -> subprocess.Popen[str]:
    wanted = [e for b, e in CASES if b == backend]
    environment = {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "PYTHONPATH": "src"}
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("backend_run.py")), backend, *wanted],
        cwd=copy_project(folder / "project"),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # read with the rest, and shown where a line is missing
        text=True,
    )


def told_by(process: subprocess.Popen[str], backend: str) -> Told:
    output, _ = process.communicate(timeout=550)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    told = {one["experiment"]: one for one in lines}
    assert [e for b, e in CASES if b == backend and e not in told] == [], output
    return told


@pytest.mark.parametrize(("backend", "experiment"), CASES)
def test_every_experiment_runs_on_every_backend(
    told: dict[str, Callable[[], Told]], backend: str, experiment: str
) -> None:
    """It trains; its model is saved, loads in safe mode, and scores what was measured in training.

    Every score, figure and plot of its task can be had of it, and report and model card say what
    the verdict is.
    """
    one = told[backend]()[experiment]

    assert "error" not in one, one["error"]
    assert one["finite"]
    assert one["epochs"] >= 1
    assert {"loss", one["headline"]} <= set(one["scores"])
    assert one["undefined"] == []
    assert one["baseline"]
    assert one["plots"]
    assert one["told"] == [True, True]
    if experiment != "gan":  # which is scored by another distance than it is trained by
        assert one["measured"] == pytest.approx(one["trained"], rel=1e-4)
    assert (one["samples"] > 0) == (experiment in SAMPLED)
