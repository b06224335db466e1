"""An exception of a user's own function is one message: whose it is, where, and what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import copy_project, run

from truefit.core.own_code import VARIABLE, WAY_OUT, own_fault
from truefit.datasets.prepare import read_source

pytestmark = pytest.mark.slow
OWN = """\
import pandas as pd


def data():
    frame = pd.DataFrame({"a": [1, 2, 3]})
    return {"x": frame[["b"]], "y": frame["a"]}


def model(input_shape, num_outputs):
    return wide(input_shape)


def wide(shape):
    raise RuntimeError(f"no layer\\nfor {shape}")


def task(facts):
    return facts["no such fact"]


def augmentation(facts, seed):
    def augment(x, y):
        if len(x) > 2:  # the first two rows only show their shape
            raise IndexError("no such row")
        return x, y

    return augment
"""
CASES = {
    "data": ("preprocess", """own.data (own.py, line 6) raises KeyError: "None of [Index(['b']"""),
    "model": ("train", "own.model (own.py, line 14) raises RuntimeError: no layer for (8, 8, 1)"),
    "task": ("train", "own.task (own.py, line 18) raises KeyError: 'no such fact'"),
    "augmentation": (
        "train", "own.augmentation.augment (own.py, line 24) raises IndexError: no such row",
    ),
}  # fmt: skip
MORE = {
    "task": "target: classes\n",
    "data": "normalize: true\nsplit: {validation: 0.2, test: 0.2, stratify: auto}\n",
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an own package of faulty functions, and prepared data."""
    folder = copy_project(tmp_path_factory.mktemp("own") / "project")
    (folder / "own.py").write_text(OWN)
    for place in CASES:
        more = MORE.get(place, "")
        (folder / f"conf/{place}/own.yaml").write_text(f"_target_: own.{place}\n{more}")
    for stage in ("compose", "preprocess"):
        done = run_stage(folder, stage)
        assert done.returncode == 0, done.stderr
    (folder / "outputs/search").mkdir(parents=True)
    (folder / "outputs/search/best.yaml").write_text("{}\n")
    return folder


def run_stage(folder: Path, stage: str, **given: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'src'}:{folder}"
    command = (sys.executable, f"pipelines/{stage}.py")
    return run(*command, cwd=folder, PYTHONPATH=path, TRUEFIT_OFFLINE="1", **given)


def choose(folder: Path, place: str) -> None:
    """params.yaml with the own function in one place."""
    chosen = {"packages": ["own"], "search": {"n_trials": 0}, "path": "data/raw"}
    below = {} if place in ("data", "model") else {"set": {place: "own"}}
    top = {place: "own"} if place in ("data", "model") else {}
    (folder / "params.yaml").write_text(yaml.safe_dump({**chosen, **top, **below}))
    composed = run_stage(folder, "compose")
    assert composed.returncode == 0, composed.stderr


@pytest.mark.parametrize("place", CASES)
def test_an_exception_of_an_own_function_is_one_message(prepared: Path, place: str) -> None:
    """With its file and line and its own text; the whole traceback is there where it is asked."""
    stage, expected = CASES[place]
    choose(prepared, place)

    done = run_stage(prepared, stage)

    said = done.stderr.partition("error: ")[2].strip().splitlines()
    assert done.returncode == 1
    assert f"your function {expected}" in said[0]
    assert said[1:] == [WAY_OUT]
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("place", ["data", "augmentation"])
def test_the_whole_traceback_is_there_where_it_is_asked_for(prepared: Path, place: str) -> None:
    """By a variable; it leads through the user's file."""
    choose(prepared, place)

    done = run_stage(prepared, CASES[place][0], **{VARIABLE: "1"})

    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert 'own.py", line' in done.stderr


def test_what_truefit_raises_is_not_put_down_to_the_user() -> None:
    """Also if a function of the user's has called it, and where nobody has raised anything."""
    data = {"_target_": "truefit.datasets.frames.csv", "path": "no such file", "target": "y"}
    with pytest.raises(Exception, match="no such file") as raised:
        read_source(data, 0)  # type: ignore[arg-type] # a part of what a configuration has

    assert own_fault(raised.value, ["test_own_code"]) == ""
    assert own_fault(None, ["own"]) == own_fault(ValueError(), ["own"]) == ""
