"""A study's trials in Optuna's storage: one for each slot or finalist, and who works on it.

Slots begin in their order, so that a trial's number is its slot's. A process that was killed
leaves trials RUNNING; another worker goes on with the very same trials.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import (
    DuplicatedStudyError,
    StorageInternalError,
    UpdateFinishedTrialError,
)
from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import SQLAlchemyError

from truefit.core.endings import counts
from truefit.search.slots import SlotRecord
from truefit.search.storage.rdb import Storage
from truefit.search.storage.trial import (
    DOUBT,
    OWNER,
    PASSED,
    READ,
    RECORD,
    Attributes,
    Begun,
    Finalist,
    StartFailure,
    Trial,
    owned,
    place_of,
)

TRIALS: Table = TrialModel.__table__
ATTRIBUTES: Table = TrialUserAttributeModel.__table__
MANY = 500  # trials that are looked for one by one
T = TypeVar("T")


@dataclass(frozen=True)
class Study:
    """One study's trials and attributes."""

    storage: Storage
    name: str
    number: int
    _known: dict[int, Trial] = field(default_factory=dict)  # by their ids, which ascend
    _stale: set[int] = field(default_factory=set)  # to be read again, whatever their state

    @classmethod
    def of(cls, storage: Storage, name: str, objectives: int) -> Study:
        """The study of that name, made if it is not there."""
        directions = [StudyDirection.MINIMIZE] * objectives

        def find_or_make() -> int:
            with contextlib.suppress(KeyError):
                return storage.rdb.get_study_id_from_name(name)
            with contextlib.suppress(DuplicatedStudyError):  # another worker was first
                return storage.rdb.create_new_study(directions, name)
            return storage.rdb.get_study_id_from_name(name)

        return cls(storage, name, storage.call(find_or_make))

    def trials(self) -> list[Trial]:
        """All of them, in the order in which they began."""
        return self.storage.call(lambda: self.read(whole=True))

    def whole(self, action: Callable[[optuna.Study], T]) -> T:
        """What `action` makes of the study as Optuna itself loads it."""
        load = optuna.load_study
        return self.storage.call(
            lambda: action(load(study_name=self.name, storage=self.storage.rdb))
        )

    def read(self, *, whole: bool = False) -> list[Trial]:
        """As `trials`, but with the database away it raises: for use in a turn.

        Only trials that are new, or in another state than when they were last read, are read,
        unless the `whole` of those under way is wanted: their owners may have changed too. Many
        workers read often, so it asks for the columns that count, and not by Optuna's objects.
        """
        known = self._known
        unsure = {number for number, trial in known.items() if not trial.state.is_finished()}
        first = min(unsure | self._stale, default=max(known, default=-1) + 1)
        trial = TRIALS.c
        query = select(trial.trial_id, trial.state, trial.datetime_complete).where(
            trial.study_id == self.number, trial.trial_id >= first
        )
        with self.storage.rdb.engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
            changed = {
                row[0]: row
                for row in rows
                if row[0] not in known
                or row[0] in self._stale
                or known[row[0]].state != row[1]
                or (whole and not row[1].is_finished())
            }
            attributes = self._attributes(connection, changed)
        for number, (_, state, ended) in changed.items():
            known[number] = Trial.read(number, state, attributes[number], ended)
        self._stale.clear()
        return [known[number] for number in sorted(known)]

    def look_again(self, trials: Iterable[int]) -> None:
        """Read them the next time, whatever their state."""
        self._stale.update(trials)

    def _attributes(self, connection: Connection, wanted: Iterable[int]) -> dict[int, Attributes]:
        found: dict[int, Attributes] = {number: {} for number in wanted}
        if not found:
            return found
        attribute = ATTRIBUTES.c
        one_by_one = attribute.trial_id.in_(list(found))
        query = select(attribute.trial_id, attribute.key, attribute.value_json).where(
            one_by_one if len(found) < MANY else attribute.trial_id >= min(found),
            attribute.key.in_(READ),
        )
        for number, key, value in connection.execute(query):
            if number in found:
                found[number][key] = json.loads(value)
        return found

    def in_turn(self, action: Callable[[Callable[[], object]], T]) -> T:
        """See `Storage.in_turn`: in it, and only in it, trials begin and change hands."""
        return self.storage.in_turn(self.name, action)

    def attributes(self) -> Mapping[str, Any]:
        """The study's user attributes."""
        return self.storage.call(lambda: self.storage.rdb.get_study_user_attrs(self.number))

    def describe(self, attributes: Attributes) -> None:
        """Set user attributes of the study, in their order."""
        rdb = self.storage.rdb
        for key, value in attributes.items():
            self.storage.call(lambda k=key, v=value: rdb.set_study_user_attr(self.number, k, v))  # type: ignore[misc]

    def begin(
        self,
        place: int | Finalist,
        worker: str,
        begun: Begun,
        distributions: dict[str, BaseDistribution],
    ) -> Trial:
        """A RUNNING trial for a slot or a finalist (`place`), in a turn.

        Optuna's own tools see the parameters that have a distribution.
        """
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params={key: begun.params[key] for key in distributions},
            distributions=distributions,
            user_attrs={**place_of(place), **owned(worker, begun)},
        )
        number = self.storage.rdb.create_new_trial(self.number, trial)
        self._known[number] = Trial(number, trial.state, place, worker, begun)
        return self._known[number]

    def take(self, trial: Trial, worker: str, begun: Begun) -> bool:
        """Take over a trial whose owner is gone, in a turn.

        Returns whether it did: not if it has just finished, or another worker took it.
        """
        rdb = self.storage.rdb
        now = rdb.get_trial(trial.id)
        if now.user_attrs.get(OWNER) != trial.owner:
            self._stale.add(trial.id)
            return False
        cleared = {DOUBT: None} if trial.doubt else {}
        self._stale.add(trial.id)
        try:
            for key, value in {**owned(worker, begun), **cleared}.items():
                rdb.set_trial_user_attr(trial.id, key, value)
            rdb.set_trial_state_values(trial.id, TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False
        return True

    def give_back(self, owner: str, trials: Iterable[int] | None = None) -> None:
        """Trials of the owner that do not train any more wait for whoever goes on with them.

        Without `trials` all that it has by the storage: an owner whom a signal ends in its turn may
        have begun one that it does not know of.
        """
        rdb = self.storage.rdb
        # With the database away they stay RUNNING until the others see that we are gone.
        away = (StorageInternalError, SQLAlchemyError)
        with contextlib.suppress(*away):
            wanted = None if trials is None else set(trials)
            for trial in self.read(whole=True):
                is_meant = wanted is None or trial.id in wanted
                if is_meant and trial.owner == owner and not trial.state.is_finished():
                    with contextlib.suppress(UpdateFinishedTrialError):
                        rdb.set_trial_state_values(trial.id, TrialState.WAITING)

    def pass_on(self, trial: int, worker: str) -> None:
        """A trial that died in this worker waits for one more try, in another one."""
        rdb = self.storage.rdb
        now = self.storage.call(lambda: rdb.get_trial(trial))
        if now.user_attrs.get(OWNER) != worker:
            return  # another worker has taken it over meanwhile
        self._update(lambda: rdb.set_trial_user_attr(trial, PASSED, worker))
        self._update(lambda: rdb.set_trial_state_values(trial, TrialState.WAITING))

    def report(self, trial: int, step: int, value: float) -> None:
        """The objective after an epoch."""
        self._update(lambda: self.storage.rdb.set_trial_intermediate_value(trial, step, value))

    def doubt(self, trial: int, fault: StartFailure) -> None:
        """Tell the other workers of an ending that may be no fault of the parameters."""
        self._update(lambda: self.storage.rdb.set_trial_user_attr(trial, DOUBT, asdict(fault)))

    def finish(
        self,
        trial: int,
        record: SlotRecord,
        values: list[float] | None,
        excess: float | None,
    ) -> None:
        """Fill the slot: its record first, its state last and at once."""
        rdb = self.storage.rdb
        self._update(lambda: rdb.set_trial_user_attr(trial, RECORD, record.to_json()))
        if excess is not None:
            made = optuna.trial.create_trial(
                state=TrialState.FAIL, constraints={"gap": excess}
            ).system_attrs
            for key, value in made.items():
                self._update(lambda k=key, v=value: rdb.set_trial_system_attr(trial, k, v))  # type: ignore[misc]
        final = _final(record.slot.state, has_values=values is not None)
        if not self._update(lambda: rdb.set_trial_state_values(trial, final, values)):
            self._stale.add(trial)
        elif known := self._known.get(trial):  # it needs not be read again
            now = datetime.now()  # noqa: DTZ005 - as Optuna has it
            self._known[trial] = replace(known, state=final, record=record, ended=now)

    def drop_twins(self) -> None:
        """Fail open trials whose place another one has filled.

        Where an answer of the database was lost, Optuna may have begun a trial twice.
        """
        trials, rdb = self.trials(), self.storage.rdb
        kept = _kept(trials)
        for trial in trials:
            counts = kept.get(trial.place)
            if counts is not trial and counts and not trial.state.is_finished():
                self._update(lambda n=trial.id: rdb.set_trial_state_values(n, TrialState.FAIL))  # type: ignore[misc]

    def _update(self, action: Callable[[], object]) -> bool:
        """Whether the trial was still open; it is not, where another worker was faster.

        Or an earlier try has arrived, and its answer has not.
        """
        try:
            self.storage.call(action)
        except UpdateFinishedTrialError:
            return False
        return True


def _final(state: str, *, has_values: bool) -> TrialState:
    """Optuna's state of an ending class."""
    if counts(state, has_result=has_values):
        return TrialState.COMPLETE
    return TrialState.PRUNED if state == "pruned" else TrialState.FAIL


def by_slot(trials: list[Trial]) -> dict[int, Trial]:
    """The trial of each slot: the one that has filled it, or else the first begun."""
    return {place: one for place, one in _kept(trials).items() if isinstance(place, int)}


def by_finalist(trials: list[Trial]) -> dict[Finalist, Trial]:
    """As `by_slot`, of each finalist."""
    return {place: one for place, one in _kept(trials).items() if isinstance(place, tuple)}


def _kept(trials: list[Trial]) -> dict[int | Finalist | None, Trial]:
    found: dict[int | Finalist | None, Trial] = {}
    for trial in trials:
        ended = trial.state.is_finished()
        if ended and trial.record is None:
            continue  # a twin, see `drop_twins`
        if ended or trial.place not in found:
            found[trial.place] = trial
    return found
