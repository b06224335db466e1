"""Two `dvc exp run` in one folder: the second is refused, and the first ends as if alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, git, run

from truefit.stages.experiment import LOCK, STASH, alone

STAGE = """\
import time
from pathlib import Path
from truefit.stages.run import run


def work() -> None:
    until = time.monotonic() + 60
    while not Path("go").exists() and time.monotonic() < until:
        time.sleep(0.05)
    Path("out").write_text(Path("params.yaml").read_text())


run(work)
"""
PIPELINE = """\
stages:
  one:
    cmd: PYTHONPATH={path} {python} stage.py
    params: [p]
    outs: [out]
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one stage, which ends when there is a file `go`."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    for name, value in (("user.name", "tester"), ("user.email", "tester@example.com")):
        git("config", name, value)
    assert run("dvc", "init", "-q").returncode == 0
    Path("params.yaml").write_text("p: 1\n")
    Path("stage.py").write_text(STAGE)
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
    """The first one keeps its choice and is saved; the second says what to do instead."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    first = subprocess.Popen(
        ["dvc", "exp", "run", "-S", "p=2"], env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not held():
            assert time.monotonic() < until
            time.sleep(0.05)
        second = run("dvc", "exp", "run", "-S", "p=3")
        between = Path("params.yaml").read_text()
    finally:
        Path("go").touch()
        said, _ = first.communicate(timeout=60)

    assert second.returncode != 0
    assert "an experiment runs in this folder" in second.stderr
    assert "dvc exp run --queue" in second.stderr
    assert first.returncode == 0, said
    assert between == Path("out").read_text() == "p: 2\n"
    assert held() == []


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
