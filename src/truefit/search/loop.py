"""Fills a study's slots: takes them as they come, trains side by side, prunes, and records."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.errors import UserError
from truefit.core.paths import PREPARED
from truefit.core.prepared.folder import read_facts, read_split
from truefit.core.resolved import Params, override
from truefit.search import objective
from truefit.search.board import Board
from truefit.search.claims import Claim, Claims, Filled
from truefit.search.doubts import TEST, Doubtful, Doubts, unfit
from truefit.search.recorder import Recorder
from truefit.search.slots import Slot, SlotRecord, filled
from truefit.search.window import Judge
from truefit.training.events import Epoch
from truefit.training.process.child import Ending, Job
from truefit.training.process.pool import Pool, share_of
from truefit.training.process.training import RunningTraining
from truefit.training.seeds import training_seed

if TYPE_CHECKING:
    from truefit.config.schema import Config

SHORTEST, LONGEST = 0.05, 1.0  # seconds between two looks at what others do, while waiting for it


@dataclass
class Loop:
    """A worker's part in a study, from the first slot that it takes to the study's last.

    The one that `leads` records what other workers, who are gone, have filled. `tend` is called
    now and then: whoever starts workers elsewhere looks after them in it.
    """

    config: Config
    claims: Claims
    pool: Pool[int]
    board: Board
    recorder: Recorder
    folds: np.ndarray | None = None
    leads: bool = True
    tend: Callable[[int], None] = lambda _: None
    _judges: dict[int, Judge | None] = field(default_factory=dict)
    _doubts: Doubts = field(init=False)
    _pause: float = 0.0  # between two looks; 0 while there is something to take
    _next_look: float = 0.0

    def __post_init__(self) -> None:
        """What ends before it trained is held back first."""
        self._doubts = Doubts(self.claims, self.pool, self._test, self.leads)

    def fill(self) -> str:
        """Fill slots until all are filled, here and elsewhere; says what ended the study.

        Returns `n_trials`, or `time_limit`, `gpu_hours` or `patience` where that ended it earlier.

        Raises:
            UserError: the first two trials failed alike, the data are gone, or the storage is.
            WorkerError: nothing can be trained here.
        """
        self._take_over()
        try:
            while not self._is_over():
                self._advance()
                if self._is_over():
                    break
                for number, training, event in self.pool.wait(self._patience()):
                    if number == TEST:
                        self._hear_test(event)
                    elif isinstance(event, Ending):
                        self._end(number, event)
                    else:
                        self._epoch(number, training, event)
                if self.claims.worker.sign():
                    self._look_around()
            self._keep_all(self._doubts.last())
            if self.leads:
                self._record_others()
        finally:
            self.claims.give_back()
        return self.claims.ended()

    def _is_over(self) -> bool:
        if self.claims.mine or self.claims.open or self._doubts.is_testing:
            return False
        return bool(self.claims.ended())

    def _take_over(self) -> None:
        """What there is of the study already."""
        there = self.claims.catch_up()
        for found in there:
            self.board.taken_over(found.record.slot)
        if there:
            total, name = self.config["search"]["n_trials"], self.claims.study.name
            self.board.say(f"{name}: {len(there)} of {total} slots are filled already")
        self._settle_doubts()

    def _advance(self) -> None:
        """Take slots for the free places, as far as there are any of both."""
        while time.monotonic() >= self._next_look:
            if self._pause or not self.pool.free:
                if self.claims.mine and not self.pool.free:
                    return  # its own trainings end first
                self._hear(self.claims.catch_up())
            if self._pause and not self.claims.has_one():
                break
            seen = len(self.claims.elsewhere)
            takes = bool(self.pool.free) and not self._doubts.are_open
            claim = self.claims.claim(share_of(self.pool.free[0])) if takes else None
            self._hear(self.claims.elsewhere[seen:])
            if claim is None:
                break
            self._pause = 0.0
            self._start(claim)
        else:
            return
        self._pause = min(max(SHORTEST, 2 * self._pause), LONGEST)
        self._next_look = time.monotonic() + self._pause

    def _patience(self) -> float:
        """Seconds until the next look, or until one of its own trainings has something to say."""
        return max(0.001, self._next_look - time.monotonic()) if self._pause else LONGEST

    def _look_around(self) -> None:
        """Now and then, also while every place is taken."""
        self._hear(self.claims.catch_up())
        for number in self.claims.lost():
            self.board.say(f"slot {number}: another worker has taken it over")
            self.pool.stop(number)
            self._forget(number)
        self.board.workers = self.claims.worker.all_places()
        self.tend(len(self.claims.slots))

    def _hear(self, found: list[Filled]) -> None:
        for filled_slot in found:
            self._pause = self._next_look = 0.0
            slot = filled_slot.record.slot
            if slot.slot not in self._judges:
                self.board.elsewhere(slot)
        self._settle_doubts()

    def _start(self, claim: Claim) -> None:
        number, params = claim.number, claim.params
        judge = self.claims.window.judge(number, means=self.folds is not None)
        self.pool.start(number, self._job(number, params, asks=judge is not None))
        self._judges[number] = judge
        self.recorder.begin(number, params, taken_over=claim.again)
        self.board.begin(number, params)

    def _job(self, number: int, params: Params, *, asks: bool) -> Job:
        seed = training_seed(self.config["seed"], number)
        gaps = self.config["search"]["objective"] == "penalized"
        config = override(self.config, params)
        return Job(config, PREPARED, seed, asks=asks, gaps=gaps, folds=self.folds)

    def _epoch(self, number: int, training: RunningTraining, event: Epoch) -> None:
        judge, step = self._judges[number], event.number
        value = objective.step_value(self.config["search"], event.logs)
        if judge is not None:
            training.answer(judge.prunes(step, value))
        self.recorder.epoch(number, step, event.logs)
        self.claims.study.report(self.claims.mine[number], step, value)
        self.board.epoch(number, step, event.logs)

    def _end(self, number: int, ending: Ending) -> None:
        claims, search = self.claims, self.config["search"]
        stop_if_data_are_gone(ending)
        if not ending.ready:
            raise unfit(ending, f"slot {number}")
        if number in claims.slots:  # another worker was faster
            self._forget(number)
            return
        if ending.state == "pruned":
            unit = "epoch" if self.folds is None else "fold"
            ending = replace(ending, reason=f"by the pruner after {unit} {len(ending.history)}")
        trial, judge = claims.mine[number], self._judges.pop(number)
        # Slot 0 and the leader's slots are never passed on: the leader has room for every model.
        passes = ending.bad_luck and not self.leads and number > 0
        if passes and ending.trained and claims.may_pass_on(number):
            self._pass_on(number, trial, ending.reason)
            return
        slot = filled(search, number, claims.params[number], ending)
        record = SlotRecord(slot, ending.history, judge.notes if judge else {})
        claims.settle(record)
        self._pause = self._next_look = 0.0
        if not ending.trained:
            self._doubts.hold(trial, SlotRecord(slot, ending.history), passes=passes)
            self._settle_doubts()
            return
        self._settle_doubts()
        self._advance()  # the free place first, then the database
        if number in claims.ended_here:
            self._keep(trial, record)
            self.board.end(slot)
        else:
            self.recorder.drop(number)
            self.board.drop(number)

    def _forget(self, number: int) -> None:
        del self._judges[number], self.claims.mine[number]
        self.recorder.drop(number)
        self.board.drop(number)

    def _settle_doubts(self) -> None:
        self._keep_all(self._doubts.settle())

    def _test(self, slot: Slot) -> None:
        """Train what has trained elsewhere, as far as its first epoch."""
        self.board.say(
            f"does this worker train at all? trying slot {slot.slot}, which has a result"
        )
        self.pool.start(TEST, self._job(slot.slot, slot.params, asks=False))

    def _hear_test(self, event: Epoch | Ending) -> None:
        if not isinstance(event, Ending):
            self.pool.stop(TEST)
        elif not event.trained:
            raise self._doubts.failed(event)
        self._pause = self._next_look = 0.0
        self._keep_all(self._doubts.passed())

    def _keep_all(self, found: list[Doubtful]) -> None:
        for held in found:
            slot = held.record.slot
            number = slot.slot
            is_ours = number in self.claims.ended_here
            if is_ours and held.passes and self.claims.may_pass_on(number):
                self._pass_on(number, held.trial, slot.reason)
            elif is_ours:
                self._keep(held.trial, held.record)
                self.board.end(slot)
            else:  # another worker's meanwhile
                self.recorder.drop(number)
                self.board.drop(number)

    def _pass_on(self, number: int, trial: int, reason: str) -> None:
        """Another worker tries it once more: this machine may have too little for it."""
        self.board.say(f"slot {number}: {first_line(reason)}; another worker tries it once more")
        self.recorder.drop(number)
        self.board.drop(number)
        self._pause = self._next_look = 0.0
        self._hear(self.claims.pass_on(number, trial))

    def _keep(self, trial: int, record: SlotRecord) -> None:
        search, slot = self.config["search"], record.slot
        values = objective.values(search, slot.result) if slot.result else None
        excess = objective.excess(search, slot.result) if slot.result else None
        if slot.state == "pruned" and search["objective"] == "pareto":
            values = None
        # The journal first: a slot that is filled is on record.
        self.recorder.end(slot.slot, slot, record.history)
        self.claims.study.finish(trial, record, values, excess)
        self.claims.kept(slot.slot)

    def _record_others(self) -> None:
        """The runs of workers who are gone, in case that MLflow does not have them."""
        worker = self.claims.worker
        self.claims.study.drop_twins()
        for found in self.claims.elsewhere:
            if worker.is_gone(found.owner):
                slot = found.record.slot
                self.recorder.record(slot.slot, slot, found.record.history)


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
    except (UserError, OSError, ValueError) as error:
        raise UserError(
            f"the prepared data cannot be read: {error}\nThe study keeps what has ended; "
            "`dvc checkout` or `dvc repro preprocess` brings the data back"
        ) from None
