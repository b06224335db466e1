"""A worker that cannot train fills no slot; parameters that cannot be trained do."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import run
from loops import Killed, Pool, complete, config_of, make_loop, outcome, prepare, stored

from truefit.core.errors import UserError, WorkerError
from truefit.search.board import Board
from truefit.search.doubts import TEST
from truefit.search.finalists import Contest
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study
from truefit.training.process.child import Ending, Job

NO_ROOM = Ending("crashed", "the process died of SIGABRT")
NO_LIBRARY = Ending("error", "ImportError: no libfoo", kind="ImportError foo.py:3")
BEFORE_KERAS = Ending("error", "ImportError: no keras", ready=False)


@pytest.mark.parametrize("ending", [NO_ROOM, NO_LIBRARY, BEFORE_KERAS])
def test_a_worker_that_cannot_train_leaves_a_study_as_it_was(project: Path, ending: Ending) -> None:
    """It gives its slot back and stops; the others find what they find without it."""
    prepare()
    alone = make_loop(config_of(project), Pool(complete, 1, 0), "study-alone")
    alone.fill()
    make_loop(config_of(project, n_trials=3), Pool(complete, 1, 0)).fill()
    pool = Pool(lambda _: ending, 2, 0)
    joined = make_loop(config_of(project), pool, leads=False)

    with pytest.raises(WorkerError, match=f"cannot train.*{ending.reason}"):
        joined.fill()
    joined.claims.worker.leave()

    assert {trial.state.name for trial in stored()[3:]} == {"WAITING"}
    leader = make_loop(config_of(project), Pool(complete, 1, 0))
    assert leader.fill() == "n_trials"
    assert outcome(leader) == outcome(alone)


def test_a_worker_is_tested_with_parameters_that_have_a_result(project: Path) -> None:
    """Where that slot trains, what ended before it trained is put down to its parameters."""
    prepare()
    config = config_of(project)

    def train(job: Job) -> Ending:
        return NO_ROOM if job.config["model"]["depth"] == 3 else complete(job)

    ends = []
    for workers in (1, 2, 4):
        pool = Pool(train, workers, workers)
        loop = make_loop(config, pool, f"study-{workers}")
        assert loop.fill() == "n_trials"
        ends.append(outcome(loop))
        assert TEST in pool.begun

    failed = {slot[0] for slot in ends[0] if slot[1] == "crashed"}
    assert failed == {slot[0] for slot in ends[0] if slot[3]["model.depth"] == 3} != set()
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("window", [1, 4])
def test_a_leader_without_room_fills_no_slot(project: Path, window: int) -> None:
    """Two trainings at the start that died of any lack of room stop the study, which stays open."""
    ends = [Ending("out_of_memory", "bad_alloc"), NO_ROOM]
    config = config_of(project, window=window)
    loop = make_loop(config, Pool(lambda job: ends[job.seed % 2], 1, 0))

    with pytest.raises(UserError, match="failed alike"):
        loop.fill()

    assert not any(trial.state.is_finished() for trial in stored())


def test_nothing_is_suggested_on_an_ending_in_doubt(project: Path) -> None:
    """A slot whose suggestion would know of it waits, so that the study stays the same."""
    alone = make_loop(config_of(project), Pool(complete, 1, 0), "study-alone")
    alone.fill()
    calls: list[int] = []

    def train(job: Job) -> Ending:
        calls.append(job.seed)
        return NO_ROOM if len(calls) > 5 else complete(job)

    with pytest.raises(WorkerError):
        make_loop(config_of(project), Pool(train, 1, 0)).fill()
    again = make_loop(config_of(project), Pool(complete, 2, 0))
    again.fill()

    assert outcome(again) == outcome(alone)


def test_a_worker_whose_only_slot_did_not_train_leaves_it_to_the_leader(project: Path) -> None:
    """With nothing to test it by it fills nothing; whoever leads then says what is wrong."""
    prepare()
    config = config_of(project, n_trials=1)
    joined = make_loop(config, Pool(lambda _: NO_ROOM, 1, 0), leads=False)
    with pytest.raises(WorkerError, match="SIGABRT"):
        joined.fill()
    joined.claims.worker.leave()
    assert [trial.state.name for trial in stored()] == ["WAITING"]

    leader = make_loop(config, Pool(lambda _: NO_ROOM, 1, 0))

    assert leader.fill() == "n_trials"
    assert leader.claims.slots[0].state == "crashed"


class UntilIdle(Pool):
    """A worker that ends, as by `kill -9`, once it only waits for others."""

    def wait(self, _: float = 0.0) -> Iterator[tuple[int, Any, Any]]:
        if not self.running:
            raise Killed
        yield from super().wait()


DIED = Ending("crashed", "the process died of SIGABRT", None, [{"val_loss": 9.0}], bad_luck=True)


@pytest.mark.parametrize("ending", [DIED, replace(NO_ROOM, bad_luck=True)])
@pytest.mark.parametrize("width", [1, 4])
def test_what_dies_on_a_joined_machine_is_tried_by_another(
    project: Path, ending: Ending, width: int
) -> None:
    """A worker with room for small models only changes no result, before an epoch or after one."""
    config = config_of(project, window=width)
    alone = make_loop(config, Pool(complete, 1, 0), "study-alone")
    alone.fill()
    prepare()
    leader = make_loop(config, Pool(complete, 1, 0))
    make_loop(
        {**config, "search": {**config["search"], "n_trials": 3}}, Pool(complete, 1, 0)
    ).fill()

    def train(job: Job) -> Ending:
        return ending if job.config["model"]["depth"] > 2 else complete(job)

    joined = make_loop(config, UntilIdle(train, 1, 0), leads=False)

    with contextlib.suppress(Killed):
        joined.fill()
    passed = [trial.user_attrs.get("passed") for trial in stored()]
    joined.claims.worker.leave()
    leader.fill()

    assert joined.claims.worker.id in passed
    assert outcome(leader) == outcome(alone)


def test_what_dies_on_two_machines_is_the_parameters_fault(project: Path) -> None:
    """It is tried once more and not for ever; alone a worker fills the slot at once."""
    config = config_of(project, window=4)

    def train(job: Job) -> Ending:
        return DIED if job.config["model"]["depth"] > 2 else complete(job)

    prepare()
    alone = make_loop(config, Pool(train, 1, 0), "study-alone", leads=False)
    assert alone.fill() == "n_trials"
    leader = make_loop(config, Pool(train, 1, 0))
    joined = make_loop(config, UntilIdle(train, 1, 0), leads=False)
    with contextlib.suppress(Killed):
        joined.fill()
    joined.claims.worker.leave()
    assert leader.fill() == "n_trials"

    assert "crashed" in [slot.state for slot in leader.claims.slots.values()]
    assert outcome(leader) == outcome(alone)


def test_a_finalist_that_does_not_begin_is_the_workers_fault(project: Path) -> None:
    """Its parameters have a result, so it stays open for another worker."""
    loop = make_loop(config_of(project, n_trials=2), Pool(complete, 1, 0))
    loop.fill()
    finals = Study.of(Storage.open(print), "study-test-finalists", 1)
    pool: Any = Pool(lambda _: NO_ROOM, 1, 0)
    contest = Contest(loop.config, finals, loop.claims.worker, pool, Board(2, 6, 1), loop.recorder)

    with pytest.raises(WorkerError, match="finalist 0 seed 1 ended as crashed"):
        contest.run([loop.claims.slots[0]])

    assert [trial.state.name for trial in finals.trials()] == ["WAITING"]


NO_KERAS = """\
import sys
import sys
from pathlib import Path
from truefit.training.process.child import Job
from truefit.stages.compose import resolve
from truefit.training.process.trainer import Trainer

if __name__ == "__main__":
    with Trainer("no_such_backend", "cpu") as trainer:
        ending = trainer.run(Job(resolve({}), Path("data/prepared"), 0), lambda _: None)
    print(ending.state, ending.ready, ending.trained)
"""


@pytest.mark.slow
def test_a_process_without_its_library_was_not_ready(project: Path) -> None:
    """A real child says by a field, not by its message, that it used no parameter yet."""
    Path("one.py").write_text(NO_KERAS)

    done = run(sys.executable, "one.py")

    assert done.stdout.splitlines()[-1] == "error False False", done.stderr
