"""Whatever fails between the journal and MLflow: nothing is lost, and nothing is doubled."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import ROOT
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger import differences
from mlflow import MlflowClient
from mlflow.utils.validation import _validate_metric_name, _validate_param_name
from mlflow_server import mlflow_server
from proxy import Proxy

from truefit.errors import UserError
from truefit.tracking import provenance
from truefit.tracking.journal import Journal, journals, read, take_over, waiting
from truefit.tracking.sender import Sender
from truefit.tracking.store import Patient, Store, redact, tracking_uri
from truefit.tracking.tracker import Tracker
from truefit.tracking.values import LONGEST, MOST_KEYS, Fitted
from truefit.tracking.writer import send_left

PATH = str(ROOT / "src")
DATASET = {
    "name": "digits", "digest": "0" * 32, "source": {}, "profile": {}, "context": "search",
}  # fmt: skip


def start(journal: Journal, run: str, kind: str = "train", **more: Any) -> None:
    common = {
        "kind": kind, "name": run, "project": "truefit", "tags": {"seed": 0}, "params": {"p": 1},
        "dataset": DATASET, "tries": 0, "if_missing": False,
    }  # fmt: skip
    journal.write("start", run, **{**common, **more})


def trial(journal: Journal, slot: int, state: str = "complete", run: str = "", **more: Any) -> str:
    """A whole trial of three epochs."""
    run = run or f"trial-{slot}-{time.time_ns()}"
    start(journal, run, "trial", **{"study": "study-a", "key": str(slot), **more})
    for epoch in (1, 2, 3):
        journal.write("epoch", run, step=epoch, metrics={"loss": 1 / epoch, "val_loss": 2 / epoch})
    journal.write("text", run, path="note.txt", text="hello")
    journal.write("end", run, state=state, reason="why", metrics={"value": slot / 10})
    return run


def study(journal: Journal, trials: int = 3) -> None:
    start(journal, "study-a", "study")
    for slot in range(trials):
        trial(journal, slot, "pruned" if slot == 1 else "complete")
    journal.write("end", "study-a", state="complete", reason="", metrics={"trials": trials})


def client() -> MlflowClient:
    return MlflowClient(tracking_uri())


def runs(condition: str = "") -> list[Any]:
    return list(client().search_runs(["1"], condition))


def sent() -> list[str]:
    """Send all that waits; what MLflow has otherwise than the journals."""
    assert send_left(Store.open(), print) == []
    return differences(journals(), client())


class Killed(BaseException):
    """A process that dies in the middle."""


class Deadly:
    """A client that dies at a call, before or after it is done; `failing` only fails."""

    def __init__(self, client: Any, draw: random.Random, failing: type[BaseException]) -> None:
        """Around MLflow's own."""
        self._client, self._draw, self._failing = client, draw, failing

    def __getattr__(self, name: str) -> Any:
        """The client's method."""
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            fate = self._draw.random()
            if fate < 0.08:
                raise self._failing("before")
            done = method(*arguments, **named)
            if fate > 0.92:
                raise self._failing("after")
            return done

        return call


def test_the_store_lies_at_the_root_of_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage in a temporary work tree records into the main one, which DVC names."""
    monkeypatch.setenv("DVC_ROOT", str(project))
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")

    assert tracking_uri() == f"sqlite:///{project / 'mlflow.db'}"
    assert journals() == project / ".truefit" / "journal"


@given(cut=st.integers(min_value=0), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_journal_that_was_cut_anywhere_is_read(
    project: Path, cut: int, data: st.DataObject
) -> None:
    """Whole events before the cut are read; a dead process' runs end as killed, once."""
    journal = Journal.create("truefit", "search")
    study(journal, 2)
    journal.close()
    journal.release()
    whole = [event for event, _ in read(journal.path)]
    content = journal.path.read_bytes()
    cut %= len(content)
    journal.path.write_bytes(content[:cut])

    assert take_over(journal.path)
    events = [event for event, _ in read(journal.path) if event]

    told = content[:cut].count(b"\n")
    assert events[:told] == whole[:told]
    ended = [event["run"] for event in events if event["op"] == "end"]
    assert len(ended) == len(set(ended))
    assert {event["run"] for event in events if event["op"] == "start"} == set(ended)
    assert events[-1]["op"] == "close"
    journal.path.unlink()


NUMBERS = st.floats() | st.integers(-10, 10)


@given(st.dictionaries(st.text(max_size=300), NUMBERS | st.text(max_size=9000), max_size=30))
def test_whatever_is_told_fits_into_mlflow(told: dict[str, Any]) -> None:
    """Names are valid and distinct, texts short, numbers finite; what is changed is named."""
    fitted = Fitted()

    points, params = fitted.points(told, 5, 1), fitted.params(told)

    numbers = {name: v for name, v in told.items() if not isinstance(v, str)}
    finite = [value for value in numbers.values() if math.isfinite(value)]
    for key, *_ in points:
        _validate_metric_name(key)
    for key in params:
        _validate_param_name(key)
    assert sorted(value for _, value, _, _ in points) == sorted(finite)
    assert len({key for key, *_ in points}) == len(finite)
    assert len(params) == len(told)
    assert all(len(text) <= LONGEST for text in params.values())
    altered = len(finite) < len(numbers) or any(
        len(redact(str(value))) > LONGEST for value in told.values()
    )
    assert not altered or "the journal has all" in fitted.note()


def test_more_keys_than_the_ui_survives_are_counted() -> None:
    """The first thousand are sent, over all epochs, and the note says how many are not."""
    fitted = Fitted()
    metrics = {f"m{number}": 1.0 for number in range(1500)}

    sizes = [len(fitted.points(metrics, 0, step)) for step in (1, 2)]

    assert sizes == [MOST_KEYS, MOST_KEYS]
    assert "500 metrics beyond the first 1000 left out" in fitted.note()


@pytest.mark.slow
@pytest.mark.parametrize("failing", [Killed, ConnectionResetError])
def test_a_sender_that_dies_at_any_call_doubles_nothing(
    project: Path, failing: type[BaseException]
) -> None:
    """However often sending ends before or after a call, MLflow has the journal exactly once."""
    journal = Journal.create("truefit", "search")
    study(journal, 5)
    for tries in (0, 1):
        trial(journal, 7, run="tried-again", tries=tries)
    journal.close()
    journal.release()
    store, draw, deaths = Store.open(), random.Random(7), 0
    store.client = Deadly(store.client, draw, failing)
    sender = Sender(journal.path, store, print)
    while True:
        deaths += 1
        try:
            if sender.step(everything=True):
                break
        except Killed:
            sender = Sender(journal.path, store, print)
    store.client = store.client._client

    assert deaths > 5
    assert send_left(store, print) == []
    assert differences(journals(), client()) == []


@pytest.mark.slow
def test_a_study_is_continued_in_its_run(project: Path) -> None:
    """A later process adds slots to the same run; what MLflow has it does not get twice."""
    first = Journal.create("truefit", "search")
    study(first, 2)
    first.close()
    first.release()
    assert sent() == []
    second = Journal.create("truefit", "search")
    start(second, "study-a", "study")
    trial(second, 0, if_missing=True)
    trial(second, 2)
    second.write("end", "study-a", state="complete", reason="", metrics={})
    second.close()
    second.release()
    assert send_left(Store.open(), print) == []

    parents = runs("tags.`truefit.kind` = 'study'")
    slots = sorted(r.data.tags["truefit.key"] for r in runs("tags.`truefit.kind` = 'trial'"))

    assert len(parents) == 1
    assert parents[0].info.status == "FINISHED"
    assert slots == ["0", "1", "2"]


@pytest.mark.slow
def test_the_successor_of_a_killed_search_ends_the_study(project: Path) -> None:
    """A study whose first process was killed is FINISHED once the second has ended it."""
    dead = Journal.create("truefit", "search")
    start(dead, "study-a", "study")
    dead._file.close()
    dead._lock.release()  # as `kill -9` does
    time.sleep(0.01)
    successor = Journal.create("truefit", "search")
    start(successor, "study-a", "study")
    time.sleep(0.01)

    assert send_left(Store.open(), print) == []
    ended = runs()[0].info
    trial(successor, 0)
    successor.write("end", "study-a", state="complete", reason="", metrics={"trials": 1})
    successor.close()
    successor.release()

    assert ended.status == "KILLED"
    assert sent() == []
    assert {run.info.status for run in runs()} == {"FINISHED"}


@pytest.mark.slow
def test_a_long_trial_of_a_killed_search_is_one_run(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows while it trains, ends as KILLED, and gives way to the trial that fills its slot."""
    monkeypatch.setattr("truefit.tracking.sender.PATIENCE", -1.0)
    dead = Journal.create("truefit", "search")
    start(dead, "study-a", "study")
    start(dead, "long", "trial", study="study-a", key="0")
    dead.write("epoch", "long", step=1, metrics={"loss": 1.0})
    Sender(dead.path, Store.open(), print).step()
    during = [r.info.status for r in runs("tags.`truefit.kind` = 'trial'")]
    dead._file.close()
    dead._lock.release()  # as `kill -9` does
    assert send_left(Store.open(), print) == []
    after = [r.info.status for r in runs("tags.`truefit.kind` = 'trial'")]
    time.sleep(0.01)
    successor = Journal.create("truefit", "search")
    start(successor, "study-a", "study")
    trial(successor, 0)
    successor.write("end", "study-a", state="complete", reason="", metrics={})
    successor.close()
    successor.release()

    assert (during, after) == (["RUNNING"], ["KILLED"])
    assert sent() == []
    assert [r.info.status for r in runs("tags.`truefit.kind` = 'trial'")] == ["FINISHED"]


@pytest.mark.slow
def test_an_older_journal_that_comes_late_changes_nothing(project: Path) -> None:
    """A killed process' journal, sent after its successor's, neither ends nor replaces a run."""
    old = Journal.create("truefit", "search")
    start(old, "study-a", "study")
    start(old, "old", "trial", study="study-a", key="0")
    old._file.close()
    old._lock.release()  # as `kill -9` does
    late = old.path.rename(journals() / "late")
    new = Journal.create("truefit", "search")
    study(new, 1)
    new.close()
    new.release()
    assert send_left(Store.open(), print) == []
    before = {r.data.tags["truefit.run"]: r.info.status for r in runs()}
    late.rename(old.path)

    assert send_left(Store.open(), print) == []

    assert {r.data.tags["truefit.run"]: r.info.status for r in runs()} == before
    assert set(before.values()) == {"FINISHED"}


@pytest.mark.slow
def test_a_killed_stage_is_ended_by_its_writer(project: Path) -> None:
    """After `kill -9` the run ends as KILLED with the reason; a trial that waits is no run."""
    stage = begun_stage()
    stage.kill()
    stage.communicate()
    wait_until(lambda: not waiting())

    found = {run.data.tags["truefit.kind"]: run for run in runs()}

    assert set(found) == {"study", "train"}
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
    tracker.start("trial", "t0000", study="study-b", key="0")
    run = tracker.start("train", "mlp digits")
    while tracker.id(run) is None:
        time.sleep(0.1)
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
def test_a_bad_network_loses_and_doubles_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy that drops, cuts, delays and refuses, a server ends up with all, once."""
    with mlflow_server(project) as port, bad_network(port) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.url)
        with Tracker("truefit", "search") as tracker:
            study(tracker._journal, 12)
        while send_left(Store.open(), print):
            time.sleep(0.2)
        met, proxy._fates = set(proxy.met), {}

        found = differences(journals(), MlflowClient(f"http://127.0.0.1:{port}"))

    assert found == []
    assert {"dropped", "answer lost", "500", "500 afterwards", "cut"} <= met


@contextmanager
def bad_network(port: int) -> Iterator[Proxy]:
    proxy = Proxy(port, seed=3)
    try:
        yield proxy
    finally:
        proxy.close()


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
    assert "is away" in said
    assert "secret" not in said
    assert "sent 1 of 1 journals" in done.stdout
    assert len(client().get_metric_history(runs()[0].info.run_id, "loss")) == 1000


@pytest.mark.slow
def test_what_mlflow_refuses_does_not_keep_the_rest_waiting(project: Path) -> None:
    """A run that somebody deleted is named, and what comes after it is sent."""
    said: list[str] = []
    journal = Journal.create("truefit", "search")
    journal.write("log", "no-such-run", metrics={"test_accuracy": 1}, tags={}, step=0)
    study(journal, 1)
    journal.close()
    journal.release()

    left = send_left(Store.open(), said.append)

    assert left == []
    assert len(said) == 1
    assert "MLflow refuses no-such-run: it has no such run" in said[0]
    assert len(runs()) == 2


@pytest.mark.slow
def test_what_adds_to_a_run_waits_for_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are not refused while the journal with their training is not sent."""
    training, scores = Journal.create("truefit", "train"), Journal.create("truefit", "evaluate")
    start(training, "trained")
    training.write("end", "trained", state="complete", reason="", metrics={})
    scores.write("log", "trained", metrics={"test_accuracy": 0.9}, tags={}, step=0)
    for journal in (training, scores):
        journal.close()
        journal.release()
    aside = training.path.with_suffix(".sending")
    with FileLock(aside):  # another process is at it
        assert send_left(Store.open(), print) == [scores.path]

    assert sent() == []
    assert runs()[0].data.metrics["test_accuracy"] == 0.9


@pytest.mark.slow
def test_two_alike_studies_keep_their_own_runs(project: Path) -> None:
    """A colleague's study of the same name on the same server takes no run away."""
    for run in ("study-a-1", "study-a-2"):
        journal = Journal.create("truefit", "search")
        start(journal, run, "study", tags={"truefit.study": "study-a"})
        trial(journal, 0, study=run)
        journal.write("end", run, state="complete", reason="", metrics={})
        journal.close()
        journal.release()

    assert sent() == []
    assert len(runs("tags.`truefit.kind` = 'trial'")) == 2


@pytest.mark.slow
def test_new_code_is_an_uncommitted_change(repository: Path) -> None:
    """A model that git does not know yet makes the work tree dirty, and its code is on record."""
    for cached in (provenance.uncommitted, provenance.environment_tags):
        cached.cache_clear()
    assert provenance.environment_tags()["git.dirty"] == "false"
    Path("src/truefit/models/wide.py").write_text("WIDE = 1\n")
    Path("notes.csv").write_bytes("h\xe4".encode("latin-1"))
    for cached in (provenance.uncommitted, provenance.environment_tags):
        cached.cache_clear()

    tags, changes = provenance.environment_tags(), provenance.uncommitted()

    provenance.uncommitted.cache_clear()
    provenance.environment_tags.cache_clear()
    assert tags["git.dirty"] == "true"
    assert "+WIDE = 1" in changes
    assert "notes.csv" not in changes


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


def test_a_lost_packet_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is tried again, but one that makes a run is not: that would make two."""

    class Flaky:
        calls: ClassVar[list[str]] = []

        def get_run(self) -> str:
            self.calls.append("get")
            if len(self.calls) < 3:
                raise ConnectionResetError
            return "run"

        def create_run(self) -> None:
            self.calls.append("create")
            raise ConnectionResetError

    monkeypatch.setattr("truefit.tracking.store.time.sleep", lambda _: None)
    patient = Patient(Flaky())

    assert patient.get_run() == "run"
    with pytest.raises(ConnectionResetError):
        patient.create_run()
    assert Flaky.calls == ["get", "get", "get", "create"]


@pytest.mark.parametrize("secret", ["p", "p@ss:w/rd".replace("/", "%2F"), "a:b"])
def test_passwords_are_redacted(secret: str) -> None:
    """No part of an address' password survives."""
    assert redact(f"x postgresql://me:{secret}@host/db y") == "x postgresql://***@host/db y"


def wait_until(condition: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, json.dumps([str(path) for path in waiting()])
        time.sleep(0.1)
