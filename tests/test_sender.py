"""Sending a journal: everything once, whoever dies and however bad the network is."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from filelock import FileLock
from ledger import differences
from mlflow import MlflowClient
from mlflow_server import mlflow_server
from proxy import Proxy
from telling import client, runs, sent, start, study, trial

from truefit.tracking.events import End, Epoch, Log, View
from truefit.tracking.journal import Journal, journals
from truefit.tracking.sender import Sender
from truefit.tracking.store import Patient, Store
from truefit.tracking.tracker import Tracker
from truefit.tracking.writer import send_left


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
    real = store.client
    deadly: Any = Deadly(real, draw, failing)
    store.client = deadly
    sender = Sender(journal.path, store, print)
    while True:
        deaths += 1
        try:
            if sender.step(everything=True):
                break
        except Killed:
            sender = Sender(journal.path, store, print)
    store.client = real

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
    second.write(End(run="study-a", state="complete", metrics={}))
    second.close()
    second.release()
    assert send_left(Store.open(), print) == []

    parents = runs("tags.`truefit.kind` = 'study'")
    slots = sorted(r.data.tags["truefit.key"] for r in runs("tags.`truefit.kind` = 'trial'"))

    assert len(parents) == 1
    assert parents[0].info.status == "FINISHED"
    assert slots == ["0", "1", "2"]


@pytest.mark.slow
def test_the_winner_alone_is_marked(project: Path) -> None:
    """MLflow marks the trial that won; where a longer study has another winner, that one alone."""
    marked = []
    for slots, winner in ((2, 1), (3, 2)):
        journal = Journal.create("truefit", "search")
        start(journal, "study-a", "study")
        for slot in range(slots):
            trial(journal, slot, if_missing=True)
        journal.write(View(run="study-a", columns=[], winner=winner))
        journal.write(End(run="study-a", state="complete", metrics={}))
        journal.close()
        journal.release()
        assert sent() == []
        trials = runs("tags.`truefit.kind` = 'trial'")
        marked.append(
            {r.data.tags["truefit.key"]: r.data.tags.get("truefit.winner") for r in trials}
        )

    assert marked == [{"0": None, "1": "true"}, {"0": None, "1": None, "2": "true"}]


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
    successor.write(End(run="study-a", state="complete", metrics={"trials": 1}))
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
    dead.write(Epoch(run="long", step=1, metrics={"loss": 1.0}))
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
    successor.write(End(run="study-a", state="complete", metrics={}))
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
def test_what_mlflow_refuses_does_not_keep_the_rest_waiting(project: Path) -> None:
    """A run that somebody deleted is named, and what comes after it is sent."""
    said: list[str] = []
    journal = Journal.create("truefit", "search")
    journal.write(Log(run="no-such-run", metrics={"test_accuracy": 1}, tags={}))
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
    training.write(End(run="trained", state="complete", metrics={}))
    scores.write(Log(run="trained", metrics={"test_accuracy": 0.9}, tags={}))
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
        journal.write(End(run=run, state="complete", metrics={}))
        journal.close()
        journal.release()

    assert sent() == []
    assert len(runs("tags.`truefit.kind` = 'trial'")) == 2


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
