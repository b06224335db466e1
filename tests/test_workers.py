"""Who works on a slot, who is gone, and what all workers together may use up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sections
from conftest import git, prepare_and_commit, run
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from truefit.config.schema import Search
from truefit.core.errors import UserError
from truefit.search import join
from truefit.search.budgets import HOUR, busy, exhausted
from truefit.search.slots import Slot, SlotRecord
from truefit.search.storage import workers
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study
from truefit.search.storage.trial import Begun, Trial
from truefit.search.storage.workers import Worker
from truefit.search.work import Sought
from truefit.tracking.provenance import environment_tags
from truefit.training.process import leases
from truefit.training.process.pool import places, share_of

NOW = 1_700_000_000.0


@pytest.fixture
def study(project: Path) -> Study:
    return Study.of(Storage.open(print), "study-test", 1)


def elsewhere(worker: Worker, patch: pytest.MonkeyPatch) -> None:
    """From now on `worker` is of another folder."""
    patch.setattr(workers, "_folder", lambda: "another/machine")
    worker._next_sign = 0.0
    worker.sign()
    patch.undo()


def test_workers_that_make_a_study_at_once_share_it(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that did not find it, and was too late to make it, takes the other's."""
    rdb = study.storage.rdb
    find, answers = rdb.get_study_id_from_name, iter([False, True])

    def late(name: str) -> int:
        if next(answers):
            return find(name)
        raise KeyError(name)

    monkeypatch.setattr(rdb, "get_study_id_from_name", late)

    assert Study.of(study.storage, "study-test", 1).number == study.number


def test_a_worker_of_the_same_folder_is_gone_when_its_process_is(study: Study) -> None:
    """Its lock tells at once, whatever its lease."""
    me, other = Worker.begin(study, 3600, 1), Worker.begin(study, 3600, 1)

    assert not me.is_gone(other.id)
    other.release()
    me._alive.clear()  # it looks once a second
    assert me.is_gone(other.id)
    assert me.is_gone(me.id)
    assert me.is_gone(None)


def test_a_worker_that_leaves_is_gone(study: Study) -> None:
    """It says so itself, and then counts no more among the places."""
    me = Worker.begin(study, 3600, 2)
    with Worker.begin(study, 3600, 3) as other:
        assert me.all_places() == 5
    me._read = -workers.FRESH
    me._alive.clear()

    assert me.is_gone(other.id)
    assert me.all_places() == 2


def test_a_worker_elsewhere_is_gone_when_its_sign_does_not_change(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease counts from when this one has seen the sign, and again after an outage."""
    me, other = Worker.begin(study, 3600, 1), Worker.begin(study, 10, 1)
    elsewhere(other, monkeypatch)
    clock = [100.0]
    monkeypatch.setattr(workers.time, "monotonic", lambda: clock[0])  # type: ignore[attr-defined]

    assert not me.is_gone(other.id)  # seen for the first time
    clock[0] += 9
    assert not me.is_gone(other.id)
    study.storage.outages += 1
    clock[0] += 9
    assert not me.is_gone(other.id)  # nobody could have given a sign
    clock[0] += 9
    assert not me.is_gone(other.id)
    clock[0] += 2
    assert me.is_gone(other.id)


def trial(start: float, end: float | None, share: float = 0.0) -> Trial:
    """A filled slot, or one under way."""
    seconds = (end or 0) - start
    kept: dict[str, Any] = {"slot": 0, "begun": {"gpus": share, "at": NOW + start}}
    if end is None:
        return Trial.read(0, TrialState.RUNNING, kept, None)
    record = SlotRecord(Slot(0, "complete", "", {}, 1.0, None, seconds), [])
    ended = datetime.fromtimestamp(NOW + end)  # noqa: DTZ006
    return Trial.read(0, TrialState.COMPLETE, {**kept, "record": record.to_json()}, ended)


def test_budgets_count_what_all_workers_use() -> None:
    """Wall-clock time counts once for trials side by side; hours of GPUs add up by share."""
    side_by_side = [trial(0, HOUR, 1.0), trial(0, HOUR, 0.5), trial(HOUR, None, 1.0)]

    def ended(**limits: float) -> str:
        search = sections.search(**{"time_limit": None, "gpu_hours": None, **limits})
        return exhausted(search, side_by_side, NOW + 1.5 * HOUR)

    assert ended() == ""
    assert ended(time_limit=1.6 * HOUR) == ""
    assert ended(time_limit=1.4 * HOUR) == "time_limit"
    assert ended(gpu_hours=2.1) == ""
    assert ended(gpu_hours=1.9) == "gpu_hours"


def test_a_trial_that_is_taken_over_counts_from_then() -> None:
    """A night in which nobody worked on it is no time of the study."""
    night = trial(-12 * HOUR, None)
    taken = replace(night, begun=Begun(1.0, at=NOW - 60))
    search = sections.search(time_limit=HOUR, gpu_hours=1.0)

    assert exhausted(search, [night], NOW) == "time_limit"
    assert exhausted(search, [taken], NOW) == ""


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted).map(tuple)))
def test_busy_time_is_the_union_of_its_spans(spans: list[tuple[int, int]]) -> None:
    """Every second in which at least one trial was under way counts once."""
    seconds = {second for start, end in spans for second in range(start, end)}

    assert busy([(float(a), float(b)) for a, b in spans]) == len(seconds)


@pytest.fixture
def lending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A book of leases of one's own."""
    monkeypatch.setattr(leases, "_folder", lambda: tmp_path)


def search_with(trials_per_gpu: int = 1) -> Search:
    return sections.search(window=8, workers="auto", trials_per_gpu=trials_per_gpu)


@pytest.mark.usefixtures("lending")
def test_trainings_of_one_gpu_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two on each of the GPUs that the user, Ray or SLURM has left visible, half of each."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")

    found = places(search_with(trials_per_gpu=2), sections.runtime(threads=1), gpus=2)

    assert [place["CUDA_VISIBLE_DEVICES"] for place in found] == ["3", "5", "3", "5"]
    assert {share_of(place) for place in found} == {0.5}
    assert {place["XLA_PYTHON_CLIENT_MEM_FRACTION"] for place in found} == {"0.45"}


@pytest.mark.usefixtures("lending")
def test_a_share_of_a_gpu_is_divided_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that Ray has given half a GPU puts two trainings on it, a quarter each."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("TRUEFIT_GPU_SHARE", "0.5")

    found = places(search_with(trials_per_gpu=2), sections.runtime(threads=1), gpus=1)

    assert [share_of(place) for place in found] == [0.25, 0.25]


BORROW = """\
import sys, time
from pathlib import Path
from truefit.training.process import leases
leases._folder = lambda: Path(sys.argv[1])
print(",".join(leases.borrow(sys.argv[2].split(","), float(sys.argv[3]), print)), flush=True)
time.sleep(600)
"""


def borrower(folder: Path, gpus: str, share: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BORROW, str(folder), gpus, str(share)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("lending")
def test_what_is_no_share_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the variable and what it may be."""
    for share in ("0", "1.5", "half"):
        monkeypatch.setenv("TRUEFIT_GPU_SHARE", share)
        with pytest.raises(UserError, match=f"TRUEFIT_GPU_SHARE: expected .* received '{share}'"):
            places(search_with(), sections.runtime(threads=1), gpus=1)


def test_an_engine_says_how_many_cores_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has been given fewer cores than its node has takes no more."""
    monkeypatch.setenv("TRUEFIT_CORES", "1")

    assert places(search_with(), sections.runtime(threads=1), gpus=0) == [{}]


@pytest.mark.usefixtures("lending")
def test_gpus_that_an_engine_gives_are_in_no_book(monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM counts every job's GPUs from 0, so that the same name is another GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert len(places(search_with(), sections.runtime(threads=1), gpus=1)) == 1
    monkeypatch.setattr(leases, "_used", lambda _: {"0": 1.0})
    monkeypatch.setenv("SLURM_JOB_ID", "7")

    assert len(places(search_with(), sections.runtime(threads=1), gpus=1)) == 1


def test_the_book_of_leases_bears_what_others_leave_there(tmp_path: Path) -> None:
    """A torn file, or one that is no lease, keeps nobody from a GPU."""
    (tmp_path / "torn.json").write_text('{"pid": 1, "beg')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "folder.json").mkdir()

    assert leases._used(tmp_path) == {}


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_gpu_is_lent_to_no_more_than_fit(tmp_path: Path) -> None:
    """A process gets what is left, waits where nothing is, and goes on when another is killed."""
    first, half = borrower(tmp_path, "0,1", 1.0), None
    try:
        assert said(first) == "0,1"
        half = borrower(tmp_path, "0,0", 0.5)
        assert said(half) == "GPU 0: lent to other trainings; waiting"
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert said(half) == "0,0"
    finally:
        for process in filter(None, (first, half)):
            process.kill()
            process.communicate()


@pytest.fixture
def led(project: Path) -> Study:
    """A study that another process leads, of this very project."""
    Path("params.yaml").write_text("path: data/raw\nset: {}\n")
    prepare_and_commit()
    environment_tags.cache_clear()  # an earlier test may have asked outside of git
    sought = Sought.here()
    study = Study.of(Storage.open(print), sought.study, 1)
    commit = git("rev-parse", "HEAD").strip()
    known = {"project": "truefit", "identity": sought.identity, "commit": commit}
    study.describe({**known, "rules": sought.rules, "record": "", "led": time.time()})
    return study


def joined(**environment: str) -> str:
    """What `truefit join` refuses with."""
    done = run("truefit", "join", **environment)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


@pytest.mark.slow
def test_join_names_what_differs(led: Study) -> None:
    """Another commit, other data, another configuration: each with its way out."""
    assert join.find(led.storage, Sought.here())[0].name == led.name
    Path("README.md").write_text("another commit")
    git("add", "-A")
    git("commit", "-qm", "later")
    assert "  - commit: " in joined()
    git("reset", "-q", "--hard", "HEAD~1")

    Path("params.yaml").write_text(
        "path: data/raw\nset: {search: {window: 3, n_trials: 9}, seed: 5}\n"
    )
    assert "resolved.yaml is older than params.yaml" in joined()
    for stage in ("compose", "preprocess"):
        run(sys.executable, f"pipelines/{stage}.py")
    message = joined()

    assert f"{led.name}, which is under way, is not of what is here" in message
    assert "  - data\n" in message
    assert "  - search.n_trials: 20 -> 9\n" in message
    assert "  - search.window: 4 -> 3\n" in message
    assert "  - seed: 0 -> 5\n" in message
    assert "git checkout" in message


@pytest.mark.slow
def test_join_needs_data_and_a_study(led: Study) -> None:
    """Without either it says which command brings it."""
    known = {**os.environ, "TRUEFIT_STORAGE": "sqlite:///empty.db"}
    assert "no study of 'truefit' is under way" in joined(**known)
    led.describe({"led": None})  # as when its leader has ended
    resolved = Path("resolved.yaml").read_text()
    other = re.sub(r"content_digest:.*\n", "", resolved).replace("seed: 0", "seed: 9", 1)
    Path("resolved.yaml").write_text(other)
    assert "no study of 'truefit' is under way" in joined()
    Path("resolved.yaml").write_text(resolved)
    Path("data/prepared/dataset.json").unlink()
    assert "`dvc pull` or `dvc repro preprocess`" in joined()


def test_a_storage_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the two that are known, and no password."""
    monkeypatch.setenv("TRUEFIT_STORAGE", "mysql://ada:secret@db/studies")

    with pytest.raises(
        UserError, match=r"expected sqlite.* or postgresql.*mysql://\*\*\*@"
    ) as error:
        Storage.open(print)

    assert "secret" not in str(error.value)
