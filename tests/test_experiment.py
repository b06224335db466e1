"""Two `dvc exp run` in one folder: the second is refused, and the first ends as if alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, git, run

from truefit.stages.experiment import LOCK, STASH, alone

STAGE = """\
from truefit.stages.run import run

run("stages.{name}.work")
"""
# A stage's libraries take seconds to import.
IMPORTS = """\
import time
from pathlib import Path

until = time.monotonic() + 60
while not Path("{name}.go").exists() and time.monotonic() < until:
    time.sleep(0.05)


def work() -> None:
    Path("{name}.out").write_text(Path("params.yaml").read_text())
"""
PIPELINE = """\
stages:
  one:
    cmd: PYTHONPATH={path}:. {python} one.py
    params: [p]
    outs: [one.out]
  two:
    cmd: PYTHONPATH={path}:. {python} two.py
    params: [p]
    deps: [one.out]
    outs: [two.out]
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two stages, of which each has its libraries when there is a file for it."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    for name, value in (("user.name", "tester"), ("user.email", "tester@example.com")):
        git("config", name, value)
    assert run("dvc", "init", "-q").returncode == 0
    Path("params.yaml").write_text("p: 1\n")
    Path("stages").mkdir()
    for name in ("one", "two"):
        Path(f"{name}.py").write_text(STAGE.format(name=name))
        Path(f"stages/{name}.py").write_text(IMPORTS.format(name=name))
    Path("dvc.yaml").write_text(PIPELINE.format(path=ROOT / "src", python=sys.executable))
    git("add", "-A")
    git("commit", "-qm", "start")
    return tmp_path


def held() -> list[dict[str, object]]:
    """Who keeps a second experiment out."""
    if not Path(LOCK).exists():
        return []
    found: list[dict[str, object]] = (
        json.loads(Path(LOCK).read_text() or "{}").get("read", {}).get(STASH, [])
    )
    return found


@pytest.mark.slow
def test_a_second_experiment_is_refused_before_it_changes_anything(experiment: Path) -> None:
    """Also while a stage only imports; the first is saved, and the second says what to do."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    refused = []
    first = subprocess.Popen(
        ["dvc", "exp", "run", "-S", "p=2"], env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        for name in ("one", "two"):
            until = time.monotonic() + 60
            while f"{name}.py" not in command_of_holder():
                assert time.monotonic() < until
                time.sleep(0.05)
            refused.append(run("dvc", "exp", "run", "-S", "p=3"))
            Path(f"{name}.go").touch()
    finally:
        for name in ("one", "two"):
            Path(f"{name}.go").touch()
        said, _ = first.communicate(timeout=60)

    assert all(second.returncode for second in refused)
    assert all("an experiment runs in this folder" in second.stderr for second in refused)
    assert all("dvc exp run --queue" in second.stderr for second in refused)
    assert first.returncode == 0, said
    assert {Path(f"{name}.out").read_text() for name in ("one", "two")} == {"p: 2\n"}
    assert held() == []


def command_of_holder() -> list[str]:
    """What runs in the process that keeps a second experiment out."""
    try:
        return psutil.Process(int(str(held()[0]["pid"]))).cmdline()
    except (IndexError, psutil.NoSuchProcess):
        return []


def test_what_is_no_experiment_of_this_folder_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dvc repro`, and the stages of temporary and queued experiments, leave the file alone."""
    (tmp_path / ".dvc/tmp/exps").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / LOCK).write_text("{}")
    monkeypatch.chdir(tmp_path)
    with alone():
        assert held() == []
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    with alone():
        assert [one["pid"] for one in held()] == [os.getpid()]
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path / "elsewhere")
    with alone():
        assert json.loads((tmp_path / LOCK).read_text()) == {"write": {}, "read": {}}
