from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from truefit.errors import UserError
from truefit.search.slots import Slot
from truefit.tracking.runs import Tracker, attempt
from truefit.tracking.store import redact, tracking_uri

pytestmark = pytest.mark.slow


def tracker() -> Tracker:
    return Tracker.open("truefit")


def test_the_store_lies_at_the_root_of_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage in a temporary work tree records into the main one, which DVC names."""
    monkeypatch.setenv("DVC_ROOT", str(project))
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")

    assert tracking_uri() == f"sqlite:///{project / 'mlflow.db'}"


def test_a_run_of_a_dead_process_is_closed(project: Path) -> None:
    """What `kill -9` left RUNNING ends as KILLED with the reason; a living one stays."""
    mine = tracker().start("mine", "train", {})
    dead = tracker().start("dead", "train", {"truefit.pid": "999999999"})
    reused = tracker().start("reused", "train", {"truefit.pid_started": "1.00"})

    after = tracker().client

    assert after.get_run(mine).info.status == "RUNNING"
    assert after.get_run(dead).info.status == after.get_run(reused).info.status == "KILLED"
    assert "is gone" in after.get_run(dead).data.tags["truefit.reason"]


def test_a_study_is_continued_in_its_run(project: Path) -> None:
    """Opening a study again gives the same run and the slots that it has on record."""
    run_id, recorded = tracker().study("study-a", {})
    slot = Slot(3, "diverged", "loss=nan", {"model.depth": 2}, None, {}, 1.5)
    tracker().trial(run_id, "t0003", slot, [], {"truefit.study": "study-a", "truefit.slot": 3})

    again, then = tracker().study("study-a", {})

    assert (again, recorded, then) == (run_id, set(), {"3"})
    trial = next(r for r in tracker()._search("") if r.info.run_name == "t0003")
    assert trial.info.status == "FAILED"
    assert trial.info.end_time - trial.info.start_time >= 1500
    assert trial.data.tags["truefit.reason"] == "loss=nan"


def test_values_that_are_no_numbers_are_left_out(project: Path) -> None:
    """NaN and infinity would ruin every chart of MLflow; the others arrive, however many."""
    open_tracker = tracker()
    run_id = open_tracker.start("many", "train", {})
    history: list[dict[str, Any]] = [
        {"epoch": n, "loss": 1 / n, "val_loss": float("inf")} for n in range(1, 1201)
    ]

    open_tracker.log(run_id, params={f"p{i}": i for i in range(250)}, history=history)

    run = open_tracker.client.get_run(run_id)
    assert len(run.data.params) == 250
    assert "val_loss" not in run.data.metrics
    assert len(open_tracker.client.get_metric_history(run_id, "loss")) == 1200


def test_eight_processes_may_make_the_database_at_once(project: Path) -> None:
    """The first use of a project by several processes does not spoil its database."""
    code = "from truefit.tracking.runs import Tracker; Tracker.open('t').start('a', 'train', {})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(8)]

    assert [process.wait() for process in processes] == [0] * 8
    assert len(Tracker.open("t")._search("")) == 8


def test_a_tracker_that_fails_is_reported_not_raised() -> None:
    """A failing send gives its first line, without the password in it."""

    def send() -> None:
        raise UserError("no route to http://me:secret@host/\nmore")

    def silent() -> None:
        raise ConnectionResetError

    assert attempt(send) == "no route to http://***@host/"
    assert "ConnectionResetError" in str(attempt(silent))
    assert attempt(lambda: None) is None


def test_a_store_that_is_none_is_explained(project: Path) -> None:
    """A file that is no database gives one message, not a traceback."""
    Path("mlflow.db").write_text("this is no database " * 100)

    with pytest.raises(UserError, match="MLflow cannot be reached at sqlite"):
        tracker()


def test_a_trial_that_was_sent_in_part_is_sent_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure after the run was made leaves no half run, and the slot does not count as sent."""
    slot = Slot(0, "complete", "", {"a": 1}, 0.5, {"gap": 0.1}, 1.0)
    history = [{"epoch": 1, "loss": 0.5}]
    tags = {"truefit.study": "study-b", "truefit.slot": 0}
    run_id, _ = tracker().study("study-b", {})
    with monkeypatch.context() as broken:
        broken.setattr(Tracker, "end", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tracker().trial(run_id, "t0000", slot, history, tags)
    _, recorded = tracker().study("study-b", {})
    tracker().trial(run_id, "t0000", slot, history, tags)

    _, then = tracker().study("study-b", {})

    assert (recorded, then) == (set(), {"0"})
    assert [r.info.run_name for r in tracker()._search("")].count("t0000") == 1


@pytest.mark.parametrize("secret", ["p", "p@ss:w/rd".replace("/", "%2F"), "a:b"])
def test_passwords_are_redacted(secret: str) -> None:
    """No part of an address' password survives."""
    assert redact(f"x postgresql://me:{secret}@host/db y") == "x postgresql://***@host/db y"
