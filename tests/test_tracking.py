"""Stages, their writers and the store, as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from telling import client, runs, sent, study

from truefit.core.errors import UserError
from truefit.tracking.journal import Journal, waiting
from truefit.tracking.store import Store
from truefit.tracking.tracker import Tracker
from truefit.tracking.writer import send_left

PATH = str(ROOT / "src")


@pytest.mark.slow
def test_a_killed_stage_is_ended_by_its_writer(project: Path) -> None:
    """After `kill -9` every run that MLflow has ends as KILLED, with the reason."""
    stage = begun_stage()
    stage.kill()
    stage.communicate()
    wait_until(lambda: not waiting())

    found = {run.data.tags["truefit.kind"]: run for run in runs()}

    assert set(found) - {"trial"} == {"study", "train"}  # a trial is sent if it lasts 10 s
    assert {run.info.status for run in found.values()} == {"KILLED"}
    assert f"process {stage.pid} is gone" in found["train"].data.tags["truefit.reason"]


@pytest.mark.slow
def test_ctrl_c_ends_the_runs_as_killed(project: Path) -> None:
    """SIGINT gives KILLED and its reason, and leaves no process and no journal."""
    stage = begun_stage()
    stage.send_signal(signal.SIGINT)
    stage.communicate(timeout=60)

    train = runs("tags.`truefit.kind` = 'train'")[0]

    assert train.info.status == "KILLED"
    assert train.data.tags["truefit.reason"] == "stopped by Ctrl-C or SIGTERM"
    assert waiting() == []


def begun_stage() -> subprocess.Popen[bytes]:
    """A stage whose runs MLflow has."""
    command = [sys.executable, "-c", STAGE]
    environment = {**os.environ, "PYTHONPATH": PATH}
    pipe = subprocess.PIPE
    stage = subprocess.Popen(command, env=environment, stdout=pipe, stderr=subprocess.DEVNULL)
    assert stage.stdout is not None
    stage.stdout.readline()
    return stage


STAGE = """\
import time
from truefit.tracking.tracker import Tracker
with Tracker("truefit", "train") as tracker:
    tracker.start("study", "study-b", run="study-b")
    run = tracker.start("train", "mlp digits")
    while tracker.id(run) is None:
        time.sleep(0.1)
    tracker.start("trial", "t0000", study="study-b", key="0")
    print("there", flush=True)
    time.sleep(100)
"""


@pytest.mark.slow
def test_a_fault_of_the_stage_is_on_record(project: Path) -> None:
    """An exception ends the run as FAILED with its first line, and the traceback is a file."""

    def fail() -> None:
        with Tracker("truefit", "train") as tracker:
            tracker.start("train", "mlp digits")
            raise ZeroDivisionError("of all things")

    with pytest.raises(ZeroDivisionError):
        fail()

    run = runs()[0]
    assert run.info.status == "FAILED"
    assert run.data.tags["truefit.reason"] == "ZeroDivisionError: of all things"
    assert [f.path for f in client().list_artifacts(run.info.run_id)] == ["traceback.txt"]


@pytest.mark.slow
def test_eight_stages_may_make_the_database_at_once(project: Path) -> None:
    """The first use of a project by several stages does not spoil its database."""
    code = "from truefit.tracking.tracker import Tracker\nwith Tracker('t', 'train') as t:\n"
    code += "    t.end(t.start('train', 'a'), 'complete')\nassert not t.unsent"
    environment = {**os.environ, "PYTHONPATH": PATH}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(8)]

    assert [process.wait() for process in processes] == [0] * 8
    assert [run.info.status for run in runs()] == ["FINISHED"] * 8


@pytest.mark.slow
def test_a_tracker_that_is_away_costs_a_stage_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without MLflow a stage ends well and says so; `truefit sync` sends what has waited."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    with Tracker("truefit", "train") as tracker:
        began = time.monotonic()
        run = tracker.start("train", "mlp digits")
        for epoch in range(1000):
            tracker.epoch(run, epoch, {"loss": 0.5})
        took = time.monotonic() - began
        tracker.end(run, "complete")
    said = capsys.readouterr().out
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "truefit"), "sync"],
        env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert took < 1
    assert tracker.unsent
    assert tracker.id(run) is None
    assert "cannot be reached" in said
    assert "secret" not in said
    assert "sent 1 of 1 journals" in done.stdout
    assert len(client().get_metric_history(runs()[0].info.run_id, "loss")) == 1000


@pytest.mark.slow
def test_a_deleted_experiment_is_explained_and_waited_for(project: Path) -> None:
    """The message has the command that brings it back; then everything is sent."""
    Store.open().experiment("truefit")
    client().delete_experiment("1")
    journal = Journal.create("truefit", "search")
    study(journal, 1)
    journal.close()
    journal.release()
    said: list[str] = []

    assert send_left(Store.open(), said.append) == [journal.path]
    client().restore_experiment("1")

    assert "mlflow experiments restore -x 1" in said[0]
    assert sent() == []


@pytest.mark.slow
def test_a_store_that_is_none_is_explained(project: Path) -> None:
    """A file that is no database gives one message, not a traceback."""
    Path("mlflow.db").write_text("this is no database " * 100)

    with pytest.raises(UserError, match="MLflow at sqlite"):
        Store.open()


def wait_until(condition: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, json.dumps([str(path) for path in waiting()])
        time.sleep(0.1)
