"""Every experiment on every backend that is installed, on little data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, copy_project, run

pytestmark = pytest.mark.slow
BACKENDS = [name for name in ("tensorflow", "torch", "jax") if find_spec(name)]
EXPERIMENTS = sorted(file.stem for file in (ROOT / "conf/experiment").glob("*.yaml"))
NATIVE = {"torch_mlp"}  # a module of torch, which no other backend runs
SAMPLED = {"gan", "language_model"}
Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """What a process of each backend says of every experiment; it runs once."""
    known: dict[str, Told] = {}

    def ask(backend: str) -> Told:
        if backend not in known:
            folder = copy_project(tmp_path_factory.mktemp(backend) / "project")
            wanted = [e for e in EXPERIMENTS if backend == "torch" or e not in NATIVE]
            script = str(Path(__file__).with_name("backend_run.py"))
            command = (sys.executable, script, backend, *wanted)
            done = run(*command, cwd=folder, KERAS_BACKEND=backend, JAX_PLATFORMS="cpu")
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            assert len(lines) == len(wanted), done.stdout + done.stderr
            known[backend] = {one["experiment"]: one for one in map(json.loads, lines)}
        return known[backend]

    return ask


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs_on_every_backend(
    told: Callable[[str], Told], backend: str, experiment: str
) -> None:
    """It trains, its model is saved, loads in safe mode, predicts, and has the task's scores."""
    if experiment in NATIVE and backend != "torch":
        pytest.skip("a native torch module runs on Keras' torch backend alone")
    one = told(backend)[experiment]

    assert "error" not in one, one["error"]
    assert one["finite"]
    assert one["epochs"] >= 1
    assert one["same"]
    assert {"loss", one["headline"]} <= set(one["scores"])
    assert (one["samples"] > 0) == (experiment in SAMPLED)
