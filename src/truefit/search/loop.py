"""Fills a study's slots: suggests in order, trains side by side, prunes, and records."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from truefit.child import Ending, Job
from truefit.config import Tree, override
from truefit.datasets.prepared import read_facts, read_split
from truefit.errors import UserError
from truefit.paths import PREPARED
from truefit.search import objective
from truefit.search.board import Board
from truefit.search.pool import Pool
from truefit.search.recorder import Recorder
from truefit.search.slots import Slot, derive_seed, filled, outcome, pack, unpack
from truefit.search.storage import Study
from truefit.search.window import Judge, Window
from truefit.search.winner import candidates
from truefit.trainer import Training


@dataclass
class Running:
    """A slot whose training is under way."""

    params: Tree
    trial: int
    judge: Judge | None


@dataclass
class Loop:
    """One study from its first open slot to its last; `fill` once.

    `fixed` are the parameters of the first slots: as configured, then those of a warm start.
    `remembers` says that the sampler needs nothing but the trials.
    """

    config: Tree
    study: Study
    window: Window
    fixed: list[Tree]
    remembers: bool
    pool: Pool[Any]
    board: Board
    recorder: Recorder
    folds: np.ndarray | None = None
    slots: dict[int, Slot] = field(default_factory=dict)
    _stored: dict[int, FrozenTrial] = field(default_factory=dict)
    _running: dict[int, Running] = field(default_factory=dict)
    _doubtful: dict[int, tuple[int, Slot, list[Tree]]] = field(default_factory=dict)
    _started: bool = False
    _spent: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def fill(self) -> str:
        """Fill every slot that is open; says what ended the study.

        Returns `n_trials`, or `time_limit` or `patience` where that budget ended it earlier.

        Raises:
            UserError: the first two trials failed alike, the data are gone, or the storage is.
        """
        self._stored = by_slot(self.study.trials())
        spent = self.study.attribute("spent") or 0.0
        self._spent = max(spent, busy_seconds(self._stored.values()))
        n_trials = self.config["search"]["n_trials"]
        there = sum(t.state.is_finished() and k < n_trials for k, t in self._stored.items())
        if there:
            self.board.say(f"{self.study.name}: {there} of {n_trials} slots are filled already")
        try:
            while True:
                ended = self._advance()
                if not self._running:
                    break
                for number, training, event in self.pool.wait():
                    if isinstance(event, Ending):
                        self._end(number, event)
                    else:
                        self._epoch(number, training, event)
            self._keep_doubtful()
            later = {t._trial_id for t in self._stored.values() if not t.state.is_finished()}  # noqa: SLF001
            self.study.drop_twins(later)
            self.study.describe({"spent": self._spent + time.monotonic() - self._began})
        finally:
            self.study.suspend()
        return ended

    def _advance(self) -> str:
        """Take stored slots over and start others, as far as window, places and budgets allow."""
        n_trials, window = self.config["search"]["n_trials"], self.window
        while window.next_slot < n_trials:
            if not window.is_ready:
                return ""
            if self._has_no_patience(window.next_slot):
                return "patience"
            stored = self._stored.get(window.next_slot)
            if stored is not None and stored.state.is_finished():
                self._take_over(window.next_slot, stored)
                continue
            if not self.pool.free:
                return ""
            if self._is_over_time():
                return "time_limit"
            self._start(window.next_slot, stored)
        return "n_trials"

    def _take_over(self, number: int, stored: FrozenTrial) -> None:
        slot, history, notes = unpack(stored.user_attrs)
        self._suggest(number, stored.params)
        self.window.settle(number, outcome(self.config["search"], slot, history, notes))
        self.slots[number] = slot
        self.board.taken_over(slot)
        del self._stored[number]
        self.recorder.record(number, slot, history)

    def _suggest(self, number: int, stored: Tree | None) -> Tree:
        """Parameters for the slot; those in the storage are the ones that count."""
        fixed = self.fixed[number] if number < len(self.fixed) else None
        if fixed is None and stored is not None and self.remembers:
            fixed = stored
        if fixed is not None:
            self.window.put(fixed)
            return fixed
        params = self.window.suggest()
        if stored is not None and params != stored:
            raise UserError(
                f"{self.study.name}: slot {number} is suggested as {params} here and was "
                f"{stored}: this machine computes otherwise. Go on where the study began, or "
                "change `seed` for a study of its own"
            )
        return params

    def _start(self, number: int, stored: FrozenTrial | None) -> None:
        params = self._suggest(number, stored.params if stored else None)
        judge = self.window.judge(number, means=self.folds is not None)
        seed = derive_seed(self.config["seed"], number)
        gaps = self.config["search"]["objective"] == "penalized"
        config = override(self.config, params)
        # First the training, whose core is idle, then the database.
        asks = judge is not None
        job = Job(config, PREPARED, seed, asks=asks, gaps=gaps, folds=self.folds)
        self.pool.start(number, job)
        if stored is None:
            distributions = self.window.distributions(params)
            trial = self.study.begin({"slot": number}, params, distributions)
        else:
            trial = stored._trial_id  # noqa: SLF001 - the storage's own handle
            self.study.resume(trial)
        self._running[number] = Running(params, trial, judge)
        self.recorder.begin(number, params)
        self.board.begin(number, params)

    def _epoch(self, number: int, training: Training, event: Tree) -> None:
        running, step = self._running[number], event["epoch"]
        value = objective.step_value(self.config["search"], event["logs"])
        if running.judge is not None:
            training.answer(running.judge.prunes(step, value))
        self.recorder.epoch(number, step, event["logs"])
        self.study.report(running.trial, step, value)
        self.board.epoch(number, step, event["logs"])

    def _end(self, number: int, ending: Ending) -> None:
        running, search = self._running[number], self.config["search"]
        stop_if_data_are_gone(ending)
        if ending.state == "pruned":
            unit = "epoch" if self.folds is None else "fold"
            ending = replace(ending, reason=f"by the pruner after {unit} {len(ending.history)}")
        slot = filled(search, number, running.params, ending)
        notes = running.judge.notes if running.judge else {}
        self.window.settle(number, outcome(search, slot, ending.history, notes))
        self.slots[number] = slot
        if ending.state == "error" and not self._started:  # may be no fault of the parameters
            self._doubtful[number] = (running.trial, slot, ending.history)
            self._settle_doubts()
        else:
            self._settle_doubts()
            self._advance()  # the free place first, then the database
            self._keep(running.trial, slot, ending.history, notes)
        del self._running[number]
        self.board.end(slot)

    def _settle_doubts(self) -> None:
        """Two alike exceptions at the start are no bad luck; the slots stay open for a next try.

        Raises:
            UserError: with the exception and, where it is no clear message itself, its traceback.
        """
        if self._started or not {0, 1} <= self.slots.keys():
            return
        first, second = self.slots[0], self.slots[1]
        alike = _kind(first.reason) == _kind(second.reason)
        if alike and first.state == second.state == "error":
            raise UserError(f"the first two trials failed alike: {first.reason}")
        self._started = True
        self._keep_doubtful()

    def _keep_doubtful(self) -> None:
        for trial, slot, history in self._doubtful.values():
            self._keep(trial, slot, history, {})
        self._doubtful.clear()

    def _keep(self, trial: int, slot: Slot, history: list[Tree], notes: Tree) -> None:
        search = self.config["search"]
        values = objective.values(search, slot.result) if slot.result else None
        excess = objective.excess(search, slot.result) if slot.result else None
        if slot.state == "pruned" and search["objective"] == "pareto":
            values = None
        # The journal first: a slot that is filled is on record.
        self.recorder.end(slot.slot, slot, history)
        self.study.finish(trial, slot.state, values, pack(slot, history, notes), excess)

    def _has_no_patience(self, number: int) -> bool:
        """Whether the results that slot `number` may use show no progress for too long."""
        patience, last = self.config["search"]["patience"], number - self.config["search"]["window"]
        if patience is None:
            return False
        done = candidates(self.slots[k] for k in range(last + 1))
        if not done:
            return False
        best = min(done, key=lambda candidate: (candidate.value, candidate.slot))
        return bool(last - best.slot >= patience)

    def _is_over_time(self) -> bool:
        limit: float | None = self.config["search"]["time_limit"]
        if limit is None:
            return False
        return self._spent + time.monotonic() - self._began > limit


def busy_seconds(trials: Any) -> float:
    """How long at least one of the finished trials was under way."""
    spans = []
    for trial in trials:
        if trial.datetime_complete is not None:
            end = trial.datetime_complete.timestamp()
            spans.append((end - unpack(trial.user_attrs)[0].seconds, end))
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def by_slot(trials: list[FrozenTrial]) -> dict[int, FrozenTrial]:
    """The trial of each slot: the one that has filled it, or else the first that began."""
    found: dict[int, FrozenTrial] = {}
    for trial in trials:
        ended, slot = trial.state.is_finished(), trial.user_attrs["slot"]
        if ended and "record" not in trial.user_attrs:
            continue  # a twin, see `drop_twins`
        if ended or slot not in found:
            found[slot] = trial
    return found


def _kind(reason: str) -> str:
    """An exception's type and the last line of code that it came through."""
    places = [line for line in reason.splitlines() if line.lstrip().startswith("File ")]
    return first_line(reason).partition(":")[0] + (places[-1] if places else "")


def first_line(text: str) -> str:
    """What a reason says before its traceback."""
    return text.partition("\n")[0]


def stop_if_data_are_gone(ending: Ending) -> None:
    """An exception of a training that cannot read its data fills no slot.

    Raises:
        UserError: a prepared file cannot be read.
    """
    if ending.state != "error":
        return
    try:
        read_facts(PREPARED)
        for name in ("train", "validation"):
            read_split(PREPARED, name)
    except (OSError, ValueError) as error:
        raise UserError(
            f"the prepared data cannot be read: {error}\nThe study keeps what has ended; "
            "`dvc checkout` or `dvc repro preprocess` brings the data back"
        ) from None
