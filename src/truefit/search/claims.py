"""A study's slots as one worker sees them, and how it takes one: in a turn, one worker at a time.

A suggestion is a function of the slots before it, so every worker keeps a window of its own that
follows the storage, and all of them suggest the same. What they have to agree on is only whose a
slot is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from truefit.core.errors import UserError
from truefit.core.resolved import Params
from truefit.search.budgets import exhausted, has_no_patience
from truefit.search.slots import Slot, SlotRecord, outcome
from truefit.search.storage.study import Study, by_slot
from truefit.search.storage.trial import Begun, StartFailure, Trial
from truefit.search.storage.workers import Worker
from truefit.search.window import Window

if TYPE_CHECKING:
    from truefit.config.schema import Search


@dataclass(frozen=True)
class Claim:
    """A slot that is this worker's now; `again` says that another attempt came before."""

    number: int
    trial: int
    params: Params
    again: bool


@dataclass(frozen=True)
class Filled:
    """A slot that another worker, or an earlier process, has filled."""

    record: SlotRecord
    owner: str | None


@dataclass
class Claims:
    """Follows a study, and takes slots of it.

    `fixed` are the parameters of the first slots: as configured, then those of a warm start.
    `remembers` says that the sampler needs nothing but the trials.
    """

    search: Search
    study: Study
    worker: Worker
    window: Window
    fixed: list[Params]
    remembers: bool
    slots: dict[int, Slot] = field(default_factory=dict)  # every filled one
    mine: dict[int, int] = field(default_factory=dict)  # under way here, with their trials
    ended_here: dict[int, int] = field(default_factory=dict)  # and not kept yet, as `mine`
    open: dict[int, Trial] = field(default_factory=dict)  # begun and not filled
    params: dict[int, Params] = field(default_factory=dict)
    elsewhere: list[Filled] = field(default_factory=list)  # in the order in which they were seen
    _stored: dict[int, Trial] = field(default_factory=dict)
    _ahead: int | None = None  # suggested, and perhaps not begun

    def catch_up(self) -> list[Filled]:
        """Follow the storage; what others have filled since the last time."""
        return self.study.storage.call(lambda: self._catch_up(whole=True))

    def claim(self, share: float) -> Claim | None:
        """The first slot that nobody works on, or the next one, or `None` where there is none now.

        `share` of a GPU is what its training takes.
        """
        claim = self.study.in_turn(lambda is_ours: self._claim(share, is_ours))
        if claim:  # not before its turn has ended: a turn may be tried again
            self.mine[claim.number] = claim.trial
        return claim

    def has_one(self) -> bool:
        """Whether, when last seen, there was a slot to take."""
        if any(self._is_free(number, trial) for number, trial in self.open.items()):
            return True
        return self.window.is_ready and not self.ended()

    def ended(self) -> str:
        """Why no further slot begins: `n_trials`, or the budget that is used up; else nothing."""
        if self.window.next_slot >= self.search["n_trials"]:
            return "n_trials"
        if not self.window.is_ready:
            return ""
        if has_no_patience(self.search, self.window.next_slot, self.slots):
            return "patience"
        return exhausted(self.search, self._stored.values(), time.time())

    def settle(self, record: SlotRecord) -> None:
        """A training of this worker has ended; its slot is filled once it is `kept`."""
        slot = record.slot
        self.window.settle(slot.slot, outcome(self.search, record))
        self.slots[slot.slot] = slot
        self.ended_here[slot.slot] = self.mine.pop(slot.slot)

    def kept(self, number: int) -> None:
        """The storage has the slot."""
        del self.ended_here[number]

    def lost(self) -> list[int]:
        """Slots under way here that another worker has taken over, when last seen.

        It could not see this one for longer than its lease; what it does counts.
        """
        return [
            number
            for number in self.mine
            if number in self.slots or self._stored[number].owner != self.worker.id
        ]

    def doubt(self, number: int) -> StartFailure | None:
        """How a slot under way elsewhere has ended, if its worker is not sure whose fault it is."""
        trial = self.open.get(number)
        if trial is None or trial.state != TrialState.RUNNING:
            return None
        return trial.doubt

    def may_pass_on(self, number: int) -> bool:
        """Whether another worker lives that could try the slot, and none has passed it on yet.

        Only once some slot has a result: before that, the first endings tell whose fault they are.
        """
        trial = self._stored.get(number)  # there is none where it has begun since the last look
        is_first = trial is None or trial.passed is None
        trains = any(slot.result for slot in self.slots.values())
        return is_first and trains and self.worker.has_company()

    def pass_on(self, number: int, trial: int) -> list[Filled]:
        """Leave a slot that has died here to another worker; what others have filled meanwhile."""
        self.study.pass_on(trial, self.worker.id)
        self.mine.pop(number, None)
        if self.ended_here.pop(number, None) is not None:  # settled, and not used by a suggestion
            del self.slots[number]
            self.window.forget(number)
        return self.catch_up()

    def give_back(self) -> None:
        """Slots that are not filled and do not train any more are free for others."""
        self.study.give_back(self.worker.id)

    def _catch_up(self, *, whole: bool = False) -> list[Filled]:
        self.study.look_again(self.ended_here.values())
        self._stored = by_slot(self.study.read(whole=whole))
        self._give_up_what_others_have()
        self.open, found = {}, []
        for number in range(self.search["n_trials"]):
            trial = self._stored.get(number)
            if trial is None or not self._follow(number, trial):
                break
            if number in self.slots and number not in self.mine:
                continue
            if not trial.state.is_finished() or trial.record is None:
                self.open[number] = trial
                continue
            self.window.settle(number, outcome(self.search, trial.record))
            self.slots[number] = trial.record.slot
            found.append(Filled(trial.record, trial.owner))
        self.elsewhere += found
        return found

    def _give_up_what_others_have(self) -> None:
        """A slot that has ended here, when another worker had taken it over: that one counts."""
        for number in list(self.ended_here):
            if self._stored[number].owner != self.worker.id:
                del self.ended_here[number], self.slots[number]
                self.window.forget(number)

    def _follow(self, number: int, trial: Trial) -> bool:
        """Bring the window behind a slot that has begun; whether that is possible yet."""
        if number == self._ahead:
            self._ahead = None
            self._compare(number, trial.params)
        if number == self.window.next_slot:
            if not self.window.is_ready:
                return False
            self.params[number] = self._suggest(number, trial.params)
        return True

    def _claim(self, share: float, is_ours: Callable[[], object]) -> Claim | None:
        self._catch_up()
        for number, trial in self.open.items():
            if self._is_free(number, trial):
                is_ours()
                begun = Begun(share, self.params[number], time.time())
                if self.study.take(trial, self.worker.id, begun):
                    return Claim(number, trial.id, self.params[number], again=True)
        if self._ahead is None:
            if not self.window.is_ready or self.ended():
                return None
            number = self.window.next_slot
            self.params[number] = self._suggest(number, None)
            self._ahead = number
        number, params = self._ahead, self.params[self._ahead]
        is_ours()
        begun, distributions = Begun(share, params, time.time()), self.window.distributions(params)
        trial = self.study.begin(number, self.worker.id, begun, distributions)
        self._ahead = None
        return Claim(number, trial.id, params, again=False)

    def _is_free(self, number: int, trial: Trial) -> bool:
        if number in self.mine:
            return False
        if trial.passed == self.worker.id and self.worker.has_company():
            return False
        waits = trial.state == TrialState.WAITING
        return waits or self.worker.is_gone(trial.owner)

    def _suggest(self, number: int, stored: Params | None) -> Params:
        """Parameters for the slot; those in the storage are the ones that count."""
        fixed = self.fixed[number] if number < len(self.fixed) else None
        if fixed is None and stored is not None and self.remembers:
            fixed = stored
        if fixed is not None:
            self.window.put(fixed)
            return fixed
        self.params[number] = self.window.suggest()
        if stored is not None:
            self._compare(number, stored)
        return self.params[number]

    def _compare(self, number: int, stored: Params) -> None:
        if self.params[number] != stored:
            raise UserError(
                f"{self.study.name}: slot {number} is suggested as {self.params[number]} here and "
                f"was {stored}: this machine computes otherwise. Go on where the study began, or "
                "change `seed` for a study of its own"
            )
