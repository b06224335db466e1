"""A study in Optuna's storage (SQLite, PostgreSQL): what was tried, for us and Optuna's tools.

One trial for each slot, begun in the order of slots, so that its number is the slot's. A process
that was killed leaves trials RUNNING; the next one goes on with the very same trials.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from truefit.config import Tree
from truefit.errors import UserError
from truefit.paths import state_folder, studies_url
from truefit.search.lock import AdvisoryLock, file_lock, waiting
from truefit.tracking.store import first_line, redact

OUTAGE = 60.0  # seconds that the database may be away
Say = Callable[[str], None]
T = TypeVar("T")
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}  # others have failed


@dataclass
class Storage:
    """Optuna's storage at one address, whose calls outlast an outage of the database."""

    url: str
    rdb: optuna.storages.RDBStorage
    say: Say
    held: AdvisoryLock | None = None

    @classmethod
    def open(cls, say: Say) -> Storage:
        """The storage at `TRUEFIT_STORAGE`, or the project's own file.

        Raises:
            UserError: it cannot be opened.
        """
        url = studies_url()
        # A host that does not answer is an outage, not something to wait for without end.
        patience = {"connect_timeout": 10, "tcp_user_timeout": 15000}
        options: Tree = {}
        if url.startswith(("postgresql:", "postgresql+psycopg")):
            options = {"pool_pre_ping": True, "connect_args": patience}
        try:
            with FileLock(state_folder() / "studies.lock"):  # two at once would both make tables
                rdb = optuna.storages.RDBStorage(url, engine_kwargs=options)
        except (SQLAlchemyError, StorageInternalError, ImportError, ValueError) as error:
            raise UserError(
                f"the study's storage {redact(url)} cannot be opened: {first_line(error)}\n"
                "Mend TRUEFIT_STORAGE (an SQLAlchemy URL), or unset it to use the project's file"
            ) from None
        return cls(url, rdb, say)

    def try_out(self, name: str) -> None:
        """Write a study with a trial, read it back, and remove it.

        Raises:
            UserError: it cannot be written, or reads otherwise than it was written.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            number = self.rdb.create_new_study([StudyDirection.MINIMIZE], name)
            trial = self.rdb.create_new_trial(number)
            self.rdb.set_trial_state_values(trial, TrialState.COMPLETE, [1.0])
            values = [found.values for found in self.rdb.get_all_trials(number)]
            self.rdb.delete_study(number)
        except (SQLAlchemyError, StorageInternalError) as error:
            said = first_line(error.__cause__ or error)
            raise UserError(f"the study's storage {redact(self.url)} fails: {said}") from None
        if values != [[1.0]]:
            raise UserError(f"the study's storage {redact(self.url)} gives back {values}")

    def studies(self) -> list[FrozenStudy]:
        """Every study, in the order of their making."""
        return sorted(self.call(self.rdb.get_all_studies), key=lambda s: s._study_id)  # noqa: SLF001

    def study(self, name: str, objectives: int) -> Study:
        """The study of that name, made if it is not there."""
        directions = [StudyDirection.MINIMIZE] * objectives

        def find_or_make() -> int:
            with contextlib.suppress(KeyError):
                return self.rdb.get_study_id_from_name(name)
            return self.rdb.create_new_study(directions, name)

        return Study(self, name, self.call(find_or_make))

    def call(self, action: Callable[[], T]) -> T:
        """What `action` returns, tried again for up to OUTAGE seconds while the database is away.

        Raises:
            UserError: it stays away, or another process has taken the lock meanwhile.
        """
        began, pause = time.monotonic(), 0.0
        while True:
            try:
                self._keep_lock(began)
                done = action()
            except (StorageInternalError, OperationalError, InterfaceError) as error:
                if time.monotonic() - began > OUTAGE:
                    raise UserError(
                        f"the study's storage {redact(self.url)} is away for {OUTAGE:g} s: "
                        f"{first_line(error.__cause__ or error)}\n"
                        "What has ended is kept; `dvc repro` goes on from there"
                    ) from None
                if not pause:
                    self.say(f"the study's storage is away: {first_line(error)}; trying again")
                pause = min(2 * pause + 0.1, 5.0)
                time.sleep(pause)
                continue
            if pause:
                self.say("the study's storage is back")
            return done

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held by the process that works on a study; a second one waits and says so.

        A file beside an SQLite database or in the project; on PostgreSQL also an advisory lock,
        which other machines see.
        """
        with file_lock(self._lock_file(name), name, self.say):
            if not self.url.startswith("postgresql"):
                yield
                return
            lock = AdvisoryLock(self.rdb.engine, crc32(name.encode()))
            if not self.call(lock.take):
                self.say(waiting(name))
                while not self.call(lock.take):
                    time.sleep(1)
            self.held = lock
            try:
                yield
            finally:
                self.held = None
                lock.release()

    def _keep_lock(self, began: float) -> None:
        """The server drops a lock with its connection: look after it, and take it again."""
        if self.held is None or self.held.is_held():
            return
        # After a network failure the server may keep the old connection for a while.
        while not self.held.take():
            if time.monotonic() - began > OUTAGE:
                raise UserError(
                    "another process took the study over while the storage was away; it goes on "
                    "there, and `dvc repro` waits for it"
                )
            time.sleep(1)

    def _lock_file(self, name: str) -> Path:
        database = make_url(self.url).database
        if self.url.startswith("sqlite") and database:
            return Path(database).with_name(f"{name}.lock")
        return state_folder() / f"{name}.lock"


@dataclass(frozen=True)
class Study:
    """One study's trials by slot."""

    storage: Storage
    name: str
    number: int

    def trials(self) -> list[FrozenTrial]:
        """All of them, in the order in which they began."""
        return self.storage.call(lambda: self.storage.rdb.get_all_trials(self.number, False))

    def drop_twins(self, mine: set[int]) -> None:
        """Fail open trials that are not among `mine`.

        Where an answer of the database was lost, Optuna may have begun a trial twice.
        """
        states = (TrialState.RUNNING, TrialState.WAITING)
        rdb = self.storage.rdb
        found = self.storage.call(lambda: rdb.get_all_trials(self.number, False, states))
        for trial in {trial._trial_id for trial in found} - mine:  # noqa: SLF001 - its handle
            self._update(lambda t=trial: rdb.set_trial_state_values(t, TrialState.FAIL))  # type: ignore[misc]

    def attribute(self, key: str) -> Any:
        """A user attribute of the study, or `None`."""
        stored = self.storage.call(lambda: self.storage.rdb.get_study_user_attrs(self.number))
        return stored.get(key)

    def describe(self, attributes: Tree) -> None:
        """Set user attributes of the study, in their order."""
        rdb = self.storage.rdb
        for key, value in attributes.items():
            self.storage.call(lambda k=key, v=value: rdb.set_study_user_attr(self.number, k, v))  # type: ignore[misc]

    def begin(self, key: Tree, params: Tree, distributions: Tree) -> int:
        """A RUNNING trial with `key` among its user attributes; returns its id."""
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=distributions,
            user_attrs=key,
        )
        tries = 0

        def create() -> int:
            nonlocal tries
            tries += 1
            if tries > 1:  # the first try may have arrived although its answer did not
                for stored in self.storage.rdb.get_all_trials(self.number, False):
                    if key.items() <= stored.user_attrs.items():
                        return stored._trial_id  # noqa: SLF001 - the storage's own handle
            return self.storage.rdb.create_new_trial(self.number, trial)

        return self.storage.call(create)

    def resume(self, trial: int) -> None:
        """Go on with a trial that was left RUNNING or WAITING."""
        self._update(lambda: self.storage.rdb.set_trial_state_values(trial, TrialState.RUNNING))

    def suspend(self) -> None:
        """Trials that are RUNNING wait until the study goes on; call it when nothing trains."""
        rdb = self.storage.rdb
        # With the database away they stay RUNNING, which does no harm.
        with contextlib.suppress(StorageInternalError, SQLAlchemyError):
            for trial in rdb.get_all_trials(self.number, False, (TrialState.RUNNING,)):
                rdb.set_trial_state_values(trial._trial_id, TrialState.WAITING)  # noqa: SLF001

    def report(self, trial: int, step: int, value: float) -> None:
        """The objective after an epoch."""
        self._update(lambda: self.storage.rdb.set_trial_intermediate_value(trial, step, value))

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

    def _update(self, action: Callable[[], object]) -> None:
        # A finished trial is not changed again: an earlier try has arrived without its answer.
        with contextlib.suppress(UpdateFinishedTrialError):
            self.storage.call(action)
