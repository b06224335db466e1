"""Only what MLflow gives back is called sent, and what it has lost is sent again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import run
from ledger import differences
from mlflow import MlflowClient
from telling import start, study

from truefit.core.errors import UserError
from truefit.tracking.events import End
from truefit.tracking.journal import Journal, attachments, journals, read, sent
from truefit.tracking.tracker import Tracker

pytestmark = pytest.mark.slow


def remove_database() -> None:
    for name in ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm"):
        Path(name).unlink(missing_ok=True)


def wait_for(happened: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.1)


def fresh() -> MlflowClient:
    """A client of the file that lies there now, not of one that this process has open."""
    copy = Path(f"copy-{time.time_ns()}.db")
    for ending in ("", "-wal", "-shm"):
        if Path(f"mlflow.db{ending}").exists():
            run("cp", f"mlflow.db{ending}", f"{copy}{ending}")  # see conftest.copy_tree
    return MlflowClient(f"sqlite:///{copy}")


def test_a_database_that_is_removed_under_a_study_has_all_of_it_in_the_end(project: Path) -> None:
    """The id that is printed is of a run that is there, and nothing of the journal is missing."""
    said: list[str] = []
    with Tracker("truefit", "search", said.append) as tracker:
        first = tracker.start("study", "study-a")
        wait_for(lambda: tracker.id(first))
        old = tracker.id(first)
        remove_database()
        tracker.epoch(first, 1, {"loss": 0.5})
        tracker.text(first, "note.txt", "hello")
        time.sleep(1)
        tracker.end(first, "complete", metrics={"value": 1.0})

    assert not tracker.unsent
    assert tracker.id(first) != old
    assert fresh().get_run(str(tracker.id(first))).info.status == "FINISHED"
    assert differences(journals(), fresh()) == []
    assert len([line for line in said if "was removed or replaced" in line]) == 1


def test_what_mlflow_has_lost_is_named_and_sent_again(project: Path) -> None:
    """`truefit sync` does not call it there, and with --all everything is there once."""
    journal = Journal.create("truefit", "search")
    study(journal, 2)
    journal.close()
    journal.release()
    first = run("truefit", "sync")
    nothing = run("truefit", "sync")
    remove_database()

    lost = run("truefit", "sync")
    told = run("truefit", "sync", "--json")
    again = run("truefit", "sync", "--all")
    twice = run("truefit", "sync", "--all")

    assert (first.returncode, nothing.stdout) == (0, "MLflow has everything\n")
    assert (lost.returncode, lost.stdout) == (1, "nothing waits to be sent\n")
    assert "lacks 1 of 1 runs that were sent" in lost.stderr
    assert "`truefit sync --all`" in lost.stderr
    assert json.loads(told.stdout)["lost"] == 1
    assert (again.returncode, twice.returncode) == (0, 0), again.stderr + twice.stderr
    assert again.stdout == twice.stdout == "sent 1 of 1 journals\n"
    assert differences(journals(), fresh()) == []


def test_files_that_are_still_here_are_sent_again(project: Path) -> None:
    """Plots and texts of outputs/, a model of mlartifacts/; one line names what is nowhere."""
    outputs = Path("outputs/train")
    model, plots = Path("elsewhere/model"), outputs / "plots"
    for folder in (plots, model / "data"):
        folder.mkdir(parents=True)
    (outputs / "history.csv").write_text("epoch\n1\n")
    (plots / "loss.png").write_bytes(b"a picture")
    (model / "MLmodel").write_text("flavors: {}\nmodel_uuid: x\n")
    (model / "data/model.keras").write_bytes(b"weights")
    with Tracker("truefit", "train", print) as tracker:
        trained = tracker.start("train", "trained")
        tracker.file(trained, outputs / "history.csv")
        tracker.file(trained, plots, "plots")
        tracker.model(trained, model)
        tracker.card(trained, outputs / "history.csv")
        tracker.end(trained, "complete")
    shutil.rmtree("elsewhere")
    assert not list(journals().glob("*.files"))
    remove_database()

    again = run("truefit", "sync", "--all")
    files = run_files(fresh())
    model_files = [path.name for path in Path("mlartifacts").rglob("model.keras")]
    remove_database()
    shutil.rmtree("mlartifacts")
    (outputs / "history.csv").write_text("epoch\n2\n")
    edited = run("truefit", "sync", "--all")

    assert again.returncode == edited.returncode == 0, again.stderr + edited.stderr
    assert files == ["history.csv", "plots"]
    assert model_files == ["model.keras", "model.keras"]  # the lost database's, and the new one's
    assert "left out" not in again.stdout + again.stderr
    assert run_files(fresh()) == ["plots"]
    said = [line for line in (edited.stdout + edited.stderr).splitlines() if "left out" in line]
    assert len(said) == 1
    assert "3 files or folders are left out" in said[0]
    assert "history.csv of trained, model of trained" in said[0]


def run_files(client: MlflowClient) -> list[str]:
    """The files of the only run."""
    (made,) = client.search_runs(["1"])
    return sorted(file.path for file in client.list_artifacts(made.info.run_id))


def test_a_journal_that_is_removed_ends_its_run(project: Path) -> None:
    """No run stays RUNNING, and the stage ends with one message that says why."""
    tracker = Tracker("truefit", "search", print)

    def stage() -> None:
        with tracker:
            run_name = tracker.start("study", "study-a")
            wait_for(lambda: tracker.id(run_name))
            shutil.rmtree(".truefit")
            tracker.epoch(run_name, 1, {"loss": 0.5})

    with pytest.raises(UserError, match=r"was removed while its stage ran"):
        stage()

    found = fresh().get_run(str(tracker.id(next(iter(tracker.ids)))))
    assert found.info.status == "KILLED"
    assert "was removed while its stage ran" in found.data.tags["truefit.reason"]


BROKEN = [
    {"op": "epoch", "run": "study-a", "step": 1, "metrics": {"loss": 1.0}},  # no time
    {"op": "end", "run": "nobody"},
    {"op": "start"},
    {"op": "start", "run": "old"},
    {"op": "start", "run": "odd", "kind": 3, "tags": []},
    {"op": "text", "run": "study-a", "t": 1},
    {"op": "model", "run": "study-a", "t": 1, "kept": "1/gone"},
    {"op": "card", "run": "study-a", "t": "now", "kept": "1/gone"},
    {"op": "epoch", "run": "study-a", "t": None, "step": "first", "metrics": {}},
    {"op": "of another version", "run": "study-a"},
    {"op": "start", "run": "trial", "study": "study-a"},
    [], 3, None, "op",
]  # fmt: skip


def test_a_broken_event_stops_no_other(project: Path) -> None:
    """Whatever line a journal has, the rest is sent, and sending ends."""
    journal = Journal.create("truefit", "search")
    start(journal, "study-a", "study")
    lines = [json.dumps(event) for event in BROKEN] + ["{", "[" * 100_000, "\xff"]
    with journal.path.open("ab") as file:
        file.write("\n".join([*lines, ""]).encode("latin-1"))
    journal.write(End(run="study-a", state="complete", metrics={}))
    journal.close()
    journal.release()
    journal.path.with_suffix(".acks").write_text('3\n{"run": "x"}\nno\n[]\n')

    done = run("truefit", "sync")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "sent 1 of 1 journals" in done.stdout
    assert "Traceback" not in done.stderr
    found = {run.info.run_name: run for run in fresh().search_runs(["1"])}
    assert found["study-a"].info.status == "FINISHED"
    assert found["study-a"].data.metrics["loss"] == 1.0
    assert not attachments(journal.path).exists()
    assert [path.name for path in sent()] == [journal.path.name]


def test_a_database_that_may_not_be_written_is_no_traceback(project: Path) -> None:
    """One line says so, the journal stays, and it is sent once it may be written."""
    journal = Journal.create("truefit", "search")
    study(journal, 1)
    journal.close()
    journal.release()
    MlflowClient(f"sqlite:///{project / 'mlflow.db'}").search_experiments()
    read_only = f"sqlite:///file:{project / 'mlflow.db'}?mode=ro&uri=true"

    refused = run("truefit", "sync", MLFLOW_TRACKING_URI=read_only)
    done = run("truefit", "sync")

    said = refused.stdout + refused.stderr
    assert refused.returncode == 1
    assert "Traceback" not in said
    assert said.count("attempt to write a readonly database") == 1
    assert "Expected a file that you may write" in said
    assert len(said.splitlines()) <= 4
    assert (done.returncode, done.stdout) == (0, "sent 1 of 1 journals\n")


def test_a_disk_that_takes_no_more_is_one_sentence(project: Path) -> None:
    """MLflow's file may not grow: the line says why, the journal stays, and nothing is lost."""
    for trials in (1, 400):
        journal = Journal.create("truefit", "search")
        study(journal, trials)
        journal.close()
        journal.release()
        if trials == 1:
            assert run("truefit", "sync").returncode == 0
    kib = Path("mlflow.db").stat().st_size // 1024 + 8

    full = run("bash", "-c", f"ulimit -f {kib} && truefit sync")
    done = run("truefit", "sync")

    said = full.stdout + full.stderr
    assert full.returncode == 1
    assert said.count("cannot be used: disk I/O error. The disk takes no more") == 1
    assert "the journal keeps everything" in said
    assert "Traceback" not in said
    assert (done.returncode, done.stdout) == (0, "sent 1 of 1 journals\n")
    assert differences(journals(), fresh()) == []


def test_a_clock_that_is_put_back_makes_no_run_negative(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run's end is its beginning and what it lasted, whatever the clock says meanwhile."""
    now = time.time_ns()
    wall = [now]
    monkeypatch.setattr("truefit.tracking.journal.time.time_ns", lambda: wall[0])
    journal = Journal.create("truefit", "train")
    start(journal, "trained", t=journal.now())
    wall[0] = now - 3600 * 10**9
    time.sleep(0.2)
    journal.write(End(run="trained", state="complete", metrics={}))
    journal.close()
    journal.release()

    told = {event.op: event.t for event, _ in read(journal.path) if event}
    assert 200 <= told["end"] - told["start"] < 10_000
    assert abs(told["start"] - now // 10**6) < 10_000
