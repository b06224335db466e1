"""A study's trials in Optuna's storage: one for each slot or finalist, and who works on it.

Slots begin in their order, so that a trial's number is its slot's. A process that was killed
leaves trials RUNNING; another worker goes on with the very same trials.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from truefit.config import Tree
from truefit.search.storage import Storage

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}  # others have failed
OWNER, SHARE, DOUBT = "owner", "gpus", "doubt"  # attributes of a trial that is under way
T = TypeVar("T")


@dataclass(frozen=True)
class Study:
    """One study's trials and attributes."""

    storage: Storage
    name: str
    number: int

    @classmethod
    def of(cls, storage: Storage, name: str, objectives: int) -> Study:
        """The study of that name, made if it is not there."""
        directions = [StudyDirection.MINIMIZE] * objectives

        def find_or_make() -> int:
            with contextlib.suppress(KeyError):
                return storage.rdb.get_study_id_from_name(name)
            return storage.rdb.create_new_study(directions, name)

        return cls(storage, name, storage.call(find_or_make))

    def trials(self) -> list[FrozenTrial]:
        """All of them, in the order in which they began."""
        return self.storage.call(self.read)

    def read(self) -> list[FrozenTrial]:
        """As `trials`, but with the database away it raises: for use in a turn."""
        return self.storage.cached.get_all_trials(self.number, deepcopy=False)

    def in_turn(self, action: Callable[[Callable[[], object]], T]) -> T:
        """See `Storage.in_turn`: in it, and only in it, trials begin and change hands."""
        return self.storage.in_turn(self.name, action)

    def attributes(self) -> Tree:
        """The study's user attributes."""
        return self.storage.call(lambda: self.storage.rdb.get_study_user_attrs(self.number))

    def attribute(self, key: str) -> Any:
        """A user attribute of the study, or `None`."""
        return self.attributes().get(key)

    def describe(self, attributes: Tree) -> None:
        """Set user attributes of the study, in their order."""
        rdb = self.storage.rdb
        for key, value in attributes.items():
            self.storage.call(lambda k=key, v=value: rdb.set_study_user_attr(self.number, k, v))  # type: ignore[misc]

    def begin(self, key: Tree, params: Tree, distributions: Tree) -> int:
        """A RUNNING trial with `key` among its user attributes, in a turn; returns its id."""
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=distributions,
            user_attrs=key,
        )
        return self.storage.rdb.create_new_trial(self.number, trial)

    def take(self, trial: FrozenTrial, owner: Tree) -> int | None:
        """Go on with a trial that nobody works on any more, in a turn; returns its id.

        `None` where it has ended just now: its owner was slow, and not gone.
        """
        rdb, number = self.storage.rdb, trial._trial_id  # noqa: SLF001 - the storage's own handle
        if DOUBT in trial.user_attrs:
            owner = {**owner, DOUBT: None}
        try:
            for key, value in owner.items():
                rdb.set_trial_user_attr(number, key, value)
            rdb.set_trial_state_values(number, TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return None
        return number

    def give_back(self, trials: Iterable[int], owner: str) -> None:
        """Trials of ours that do not train any more wait for whoever goes on with them."""
        rdb = self.storage.rdb
        # With the database away they stay RUNNING until the others see that we are gone.
        away = (StorageInternalError, SQLAlchemyError)
        with contextlib.suppress(*away, UpdateFinishedTrialError):
            for number in trials:
                trial = rdb.get_trial(number)
                if trial.user_attrs.get(OWNER) == owner and not trial.state.is_finished():
                    rdb.set_trial_state_values(number, TrialState.WAITING)

    def report(self, trial: int, step: int, value: float) -> None:
        """The objective after an epoch."""
        self._update(lambda: self.storage.rdb.set_trial_intermediate_value(trial, step, value))

    def doubt(self, trial: int, reason: str) -> None:
        """Tell the other workers of an exception that may be no fault of the parameters."""
        self._update(lambda: self.storage.rdb.set_trial_user_attr(trial, DOUBT, reason))

    def finish(
        self,
        trial: int,
        state: str,
        values: list[float] | None,
        attributes: Tree,
        excess: float | None,
    ) -> None:
        """Fill the slot: its attributes first, its state last and at once."""
        rdb = self.storage.rdb
        for key, value in attributes.items():
            self._update(lambda k=key, v=value: rdb.set_trial_user_attr(trial, k, v))  # type: ignore[misc]
        if excess is not None:
            made = optuna.trial.create_trial(
                state=TrialState.FAIL, constraints={"gap": excess}
            ).system_attrs
            for key, value in made.items():
                self._update(lambda k=key, v=value: rdb.set_trial_system_attr(trial, k, v))  # type: ignore[misc]
        final = STATES.get(state, TrialState.FAIL)
        self._update(lambda: rdb.set_trial_state_values(trial, final, values))

    def drop_twins(self, kind: str) -> None:
        """Fail open trials whose place another one has filled.

        Where an answer of the database was lost, Optuna may have begun a trial twice.
        """
        trials, rdb = self.trials(), self.storage.rdb
        kept = by_place(trials, kind)
        for trial in trials:
            counts = kept.get(_place(trial, kind))
            if counts is not trial and counts and not trial.state.is_finished():
                number = trial._trial_id  # noqa: SLF001 - the storage's own handle
                self._update(lambda n=number: rdb.set_trial_state_values(n, TrialState.FAIL))  # type: ignore[misc]

    def _update(self, action: Callable[[], object]) -> None:
        # A finished trial is not changed again: an earlier try has arrived without its answer, or
        # another worker was faster.
        with contextlib.suppress(UpdateFinishedTrialError):
            self.storage.call(action)


def by_place(trials: list[FrozenTrial], kind: str) -> dict[Any, FrozenTrial]:
    """The trial of each slot or finalist: the one that has filled it, or else the first begun.

    `kind` is the attribute that names the place: `slot`, or `finalist` (a slot and a repeat).
    """
    found: dict[Any, FrozenTrial] = {}
    for trial in trials:
        ended, place = trial.state.is_finished(), _place(trial, kind)
        if ended and "record" not in trial.user_attrs:
            continue  # a twin, see `drop_twins`
        if ended or place not in found:
            found[place] = trial
    return found


def _place(trial: FrozenTrial, kind: str) -> Any:
    place = trial.user_attrs[kind]
    return tuple(place) if isinstance(place, list) else place
