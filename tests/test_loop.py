"""A study's slots from the first to the last, with trainings that are over at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import not_none
from loops import Killed, Pool, complete, config_of, made, make_loop, outcome, prepare, stored
from optuna.trial import TrialState
from results import result_from

from truefit.core.errors import UserError
from truefit.search.board import Board
from truefit.search.budgets import busy
from truefit.search.finalists import Contest
from truefit.search.slots import Slot, SlotRecord
from truefit.search.slots import outcome as decide
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study
from truefit.search.storage.trial import Begun
from truefit.training.process.child import Ending, Job

WHEN = {"model.dropout": {"space": "interval(0, 0.5)", "when": {"model.depth": [2, 3]}}}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tpe": ({"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 3}, {}),
    "tpe with a condition": ({"_target_": "optuna.samplers.TPESampler"}, WHEN),
    "cmaes": ({"_target_": "optuna.samplers.CmaEsSampler"}, {}),
    "nsga2": ({"_target_": "optuna.samplers.NSGAIISampler", "population_size": 4}, {}),
    "qmc": ({"_target_": "optuna.samplers.QMCSampler"}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_study_survives_any_kill(
    project: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after any number of events and started again, a study has the same slots."""
    config = config_of(project)
    config["search"]["sampler"], rules = CASES[name]
    config["search"]["space"] |= rules
    expected = make_loop(config, Pool(complete, 1, 0), "study-alone")
    assert expected.fill() == "n_trials"
    # `kill -9` tidies nothing up, and may strike on either side of what is stored.
    monkeypatch.setattr(Study, "give_back", lambda *_: None)
    kills, draw = 0, random.Random(name)
    while True:
        with monkeypatch.context() as deadly:
            for method in ("begin", "take", "finish"):
                deadly.setattr(Study, method, dies(getattr(Study, method), draw))
            loop = make_loop(config, Pool(complete, 3, kills, draw.randint(12, 40)))
            try:
                loop.fill()
                break
            except Killed:
                loop.claims.worker.release()
                kills += 1

    trials = stored()

    assert kills > 2
    assert outcome(loop) == outcome(expected)
    assert [trial.number for trial in trials] == list(range(12))
    assert [trial.user_attrs["slot"] for trial in trials] == list(range(12))
    assert all(trial.state.is_finished() for trial in trials)
    assert {slot.state for slot in loop.claims.slots.values()} == {"complete", "pruned"}


@pytest.mark.parametrize("method", ["begin", "take"])
def test_a_slot_that_a_signal_met_as_it_was_taken_goes_back(
    project: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored, and not known to its worker yet: it waits for another one, and is not RUNNING."""
    config = config_of(project)
    leader = make_loop(config, Pool(complete, 1, 0))
    leader.claims.catch_up()
    assert leader.claims.claim(0.0) is not None
    if method == "take":
        leader.claims.give_back()
    real = getattr(Study, method)

    def signalled(*arguments: Any) -> Any:
        real(*arguments)
        raise Killed

    with monkeypatch.context() as deadly:
        deadly.setattr(Study, method, signalled)
        helper = make_loop(config, Pool(complete, 1, 0))
        with pytest.raises(Killed):
            helper.fill()

    owned = [t for t in stored() if t.user_attrs["owner"] == helper.claims.worker.id]
    assert [trial.state for trial in owned] == [TrialState.WAITING]


def dies(method: Callable[..., Any], draw: random.Random) -> Callable[..., Any]:
    """`method`, sometimes killed before or after it has done its work."""

    def call(*arguments: Any) -> Any:
        fate = draw.random()
        if fate < 0.04:
            raise Killed
        done = method(*arguments)
        if fate > 0.96:
            raise Killed
        return done

    return call


def test_a_trial_that_began_twice_is_closed(project: Path) -> None:
    """Where the database's answer was lost, the slot's second trial does not stay RUNNING."""
    loop = make_loop(config_of(project, n_trials=3), Pool(complete, 1, 0))
    claims = loop.claims
    for _ in range(2):
        params = claims.fixed[0]
        begun, distributions = Begun(params=params), claims.window.distributions(params)
        claims.study.begin(0, claims.worker.id, begun, distributions)

    assert loop.fill() == "n_trials"
    assert sorted(claims.slots) == [0, 1, 2]
    assert [t.state.name for t in stored() if "record" not in t.user_attrs] == ["FAIL"]
    assert all(trial.state.is_finished() for trial in stored())
    again = make_loop(config_of(project, n_trials=3), Pool(complete, 0, 0))
    assert again.fill() == "n_trials"


def test_finalists_without_data_are_not_settled(project: Path) -> None:
    """Data that are gone stop the finals too, and leave every finalist open."""
    config = config_of(project, n_trials=2)
    loop = make_loop(config, Pool(complete, 1, 0))
    loop.fill()
    finals = Study.of(Storage.open(print), "study-test-finalists", 1)
    worker, board, slot = loop.claims.worker, Board(2, 6, 1), loop.claims.slots[0]
    gone: Any = Pool(lambda _: Ending("error", "no such file"), 1, 0)

    with pytest.raises(UserError, match="prepared data cannot be read"):
        Contest(config, finals, worker, gone, board, loop.recorder).run([slot])

    assert [trial.state.name for trial in finals.trials()] == ["WAITING"]


def test_what_another_worker_has_stored_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that ends here after its slot was taken over elsewhere is nobody's result."""
    config = config_of(project, n_trials=6)
    pool = Pool(complete, 1, 0)
    late, other = make_loop(config, pool), make_loop(config, Pool(complete, 1, 0))
    late._start(not_none(late.claims.claim(0.0)))
    monkeypatch.setattr(other.claims.worker, "is_gone", lambda _: True)
    other._start(not_none(other.claims.claim(0.0)))
    job = pool.running[0][0]
    other._end(0, made(job, "complete", [{"loss": 1.0, "val_loss": 2.0}]))

    late._end(0, made(job, "complete", [{"loss": 1.0, "val_loss": 9.0}]))

    assert late.claims.slots[0].value == 2.0
    assert late.claims.ended_here == {}
    assert {t.user_attrs["record"]["slot"]["value"] for t in stored()[:1]} == {2.0}


def test_a_longer_study_keeps_its_first_slots(project: Path) -> None:
    """Raising n_trials adds slots and trains none of the earlier ones again."""
    short = make_loop(config_of(project, n_trials=6), Pool(complete, 2, 0))
    short.fill()
    pool = Pool(complete, 2, 1)
    long = make_loop(config_of(project, n_trials=10), pool)
    long.fill()

    assert outcome(long)[:6] == outcome(short)
    assert len(pool.begun) == 4


def test_a_shorter_study_shows_its_first_slots(project: Path) -> None:
    """Lowering n_trials trains nothing and counts the first slots alone."""
    make_loop(config_of(project), Pool(complete, 2, 0)).fill()

    short = make_loop(config_of(project, n_trials=5), Pool(complete, 0, 0))

    assert short.fill() == "n_trials"
    assert len(short.claims.slots) == 5


def test_two_alike_exceptions_at_the_start_stop_the_study(project: Path) -> None:
    """The message has the traceback, and both slots stay open."""
    prepare()
    reason = "KeyError: 'no such layer'\nTraceback ..."
    loop = make_loop(config_of(project), Pool(lambda _: Ending("error", reason), 2, 0))

    with pytest.raises(UserError, match=r"failed alike.*: KeyError.*\nTraceback"):
        loop.fill()

    assert not any(trial.state.is_finished() for trial in stored())


@pytest.mark.parametrize("window", [1, 4])
def test_one_exception_at_the_start_is_a_slot_like_any_other(project: Path, window: int) -> None:
    """Where only the configured values fail, the study goes on and says so of slot 0."""
    prepare()

    def train(job: Job) -> Ending:
        configured = job.config["optimizer"]["learning_rate"] == 1e-3
        return Ending("error", "KeyError: 'x'") if configured else complete(job)

    loop = make_loop(config_of(project, window=window), Pool(train, 1, 0))

    assert loop.fill() == "n_trials"
    assert [trial.state.name for trial in stored()][:2] == ["FAIL", "COMPLETE"]
    assert loop.claims.slots[0].reason == "KeyError: 'x'"


def test_data_that_are_gone_stop_the_study(project: Path) -> None:
    """An exception of a training that cannot read its data costs no slot."""
    gone = "[Errno 2] No such file or directory: 'data/prepared/train/x.npy'"
    loop = make_loop(config_of(project), Pool(lambda _: Ending("error", gone), 1, 0))

    with pytest.raises(UserError, match=r"prepared data cannot be read.*\n.*dvc checkout"):
        loop.fill()

    assert not any(trial.state.is_finished() for trial in stored())


def test_no_progress_ends_a_study_at_the_same_slot_for_any_workers(project: Path) -> None:
    """`patience` counts the slots that the next suggestion knows."""
    ends = []
    for workers in (1, 2, 4):
        config = config_of(project, n_trials=40, patience=6)
        loop = make_loop(config, Pool(complete, workers, workers), f"study-{workers}")
        assert loop.fill() == "patience"
        ends.append(outcome(loop))

    known = ends[0][: len(ends[0]) - 3]
    best = min((s for s in known if s[1] == "complete"), key=lambda s: s[4])

    assert ends[0] == ends[1] == ends[2]
    assert len(ends[0]) < 40
    assert len(known) - 1 - best[0] >= 6


def test_what_a_time_limit_left_is_a_result(project: Path) -> None:
    """Optuna has its value, and the sampler learns from it; without a result it has failed."""
    prepare()

    def train(job: Job) -> Ending:
        if job.config["model"]["depth"] == 2:
            return Ending("timed_out", "did not answer", None, [], 1.0)
        return made(job, "timed_out")

    loop = make_loop(config_of(project, window=1), Pool(train, 1, 0))
    loop.fill()

    slots = [slot for slot in loop.claims.slots.values() if slot.state == "timed_out"]
    trials = stored()
    assert {slot.can_win for slot in slots} == {True, False}
    for slot in slots:
        trial = trials[slot.slot]
        told = decide(loop.config["search"], SlotRecord(slot, []))
        assert trial.values == (None if slot.value is None else [slot.value])
        assert trial.state == (TrialState.COMPLETE if slot.can_win else TrialState.FAIL)
        assert told.state == (TrialState.COMPLETE if slot.can_win else TrialState.PRUNED)


def test_a_time_limit_counts_what_earlier_runs_have_spent(project: Path) -> None:
    """A study that has used up its time starts no further trial; its slots are kept."""
    make_loop(config_of(project, n_trials=4), Pool(complete, 1, 0)).fill()  # 1.5 s each

    config = config_of(project, n_trials=40, time_limit=1.0)
    loop = make_loop(config, Pool(complete, 1, 0))

    assert loop.fill() == "time_limit"
    assert len(loop.claims.slots) == 4


def test_busy_seconds_count_overlaps_once() -> None:
    """Trials side by side are not added up, pauses do not count."""
    assert busy([(28, 30), (5, 10), (7, 12)]) == pytest.approx(9)
    assert busy([]) == 0


def test_a_warm_start_tries_the_best_of_an_earlier_study_first(project: Path) -> None:
    """After the configured values come the earlier study's best that the new space holds."""
    earlier = make_loop(config_of(project), Pool(complete, 2, 0), "study-earlier")
    earlier.fill()
    config = config_of(project, warm_start="study-earlier")
    config["search"]["space"]["model.depth"] = "int(interval(2, 4))"

    loop = make_loop(config, Pool(complete, 2, 0))
    loop.fill()

    done = sorted((s for s in earlier.claims.slots.values() if s.can_win), key=by_value)
    tried: list[dict[str, Any]] = [{**slot.params} for slot in done]
    fitting = [params for params in tried if params["model.depth"] >= 2][:3]
    assert fitting
    assert [loop.claims.slots[i].params for i in range(1, 1 + len(fitting))] == fitting


def test_a_warm_start_from_nowhere_is_refused(project: Path) -> None:
    """The message names the studies that there are."""
    make_loop(config_of(project), Pool(complete, 2, 0), "study-earlier").fill()

    with pytest.raises(UserError, match=r"no study 'study-earlyer'.*`study-earlier`"):
        make_loop(config_of(project, warm_start="study-earlyer"), Pool(complete, 2, 0))


def test_a_machine_that_suggests_otherwise_is_found_out(project: Path) -> None:
    """Where suggestions are made again on resuming, a different one stops the study."""
    sampler = {"_target_": "optuna.samplers.QMCSampler"}
    config = config_of(project, n_trials=6)
    config["search"]["sampler"] = sampler
    make_loop(config, Pool(complete, 1, 0)).fill()
    config["search"]["sampler"] = {**sampler, "qmc_type": "halton"}

    with pytest.raises(UserError, match=r"is suggested as.*change `seed`"):
        make_loop(config, Pool(complete, 1, 0)).fill()


@pytest.mark.parametrize(("gap", "counted"), [(0.01, 0.01), (-0.01, 0.0)])
def test_penalized_studies_minimise_loss_and_gap(project: Path, gap: float, counted: float) -> None:
    """The value is loss + gap_weight * gap; below zero, fitting worse, is no merit."""
    config = config_of(project, objective="penalized", gap_weight=2.0, n_trials=2)
    config["pruner"] = {"_target_": "optuna.pruners.NopPruner"}

    def train(job: Job) -> Ending:
        ending = complete(job)
        for logs in ending.history:
            logs["gap"] = gap
        return replace(ending, result=replace(result_from(ending), gap=gap))

    loop = make_loop(config, Pool(train, 1, 0))
    loop.fill()

    slot = loop.claims.slots[1]
    assert slot.value == pytest.approx(not_none(slot.result).best_val_loss + 2 * counted)


def by_value(slot: Slot) -> float:
    assert slot.value is not None
    return slot.value
