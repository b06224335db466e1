"""Optuna's storage (SQLite, PostgreSQL): where studies are kept, for us and Optuna's tools."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import optuna
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from truefit.core.errors import UserError
from truefit.core.paths import sqlite_file, state_folder, studies_url
from truefit.core.resolved import Tree
from truefit.search.storage.locks import (
    AdvisoryLock,
    LostTurnError,
    file_lock,
    server_turn,
    waiting,
)
from truefit.tracking.database import mark
from truefit.tracking.faults import first_line
from truefit.tracking.redaction import redact
from truefit.tracking.remedy import is_damaged, remedy
from truefit.tracking.store import tracking_uri

OUTAGE = 60.0  # seconds that the database may be away
OLDEST = (14,)  # PostgreSQL that ends a session which says nothing
LONG_WAIT = 2.0  # seconds for a turn
AGAIN = "`dvc repro` begins its studies again"
REMOVED = f"Somebody removed the file while it was in use: {AGAIN}"
OTHERWISE = "See to the file, or unset TRUEFIT_STORAGE to use the project's own; then `dvc repro`"
Say = Callable[[str], None]
T = TypeVar("T")
# A host that does not answer is an outage, not something to wait for without end (libpq).
PATIENCE = {
    "connect_timeout": 10,
    "tcp_user_timeout": 15000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


@dataclass
class Storage:
    """Optuna's storage at one address, whose calls outlast an outage of the database."""

    url: str
    rdb: optuna.storages.RDBStorage
    say: Say
    mark: tuple[int, int] | None = None  # which file the database is, if it is one
    held: AdvisoryLock | None = None
    outages: int = 0

    @classmethod
    def open(cls, say: Say) -> Storage:
        """The storage at `TRUEFIT_STORAGE`, or the project's own file.

        Raises:
            UserError: it cannot be opened.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it speaks of each trial
        url = studies_url()
        options: Tree = {}
        if not url.startswith(("sqlite:", "postgresql:", "postgresql+psycopg:")):
            raise UserError(
                f"TRUEFIT_STORAGE: expected sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@"
                f"HOST/DATABASE, received {redact(url)}"
            )
        if _database(url) == _database(tracking_uri()):
            raise UserError(
                f"TRUEFIT_STORAGE: expected another database than MLflow's, received {redact(url)}:"
                " both keep the version of their tables at the same place in it. Name another one, "
                "or unset TRUEFIT_STORAGE"
            )
        if url.startswith("postgresql"):
            if url.partition("?")[0].count("@") > 1:
                raise UserError(
                    "TRUEFIT_STORAGE: expected one @ in the address; write those of the password "
                    "as %40 (and / as %2F, : as %3A, % as %25)"
                )
            # One connection a worker.
            options = {"pool_pre_ping": True, "connect_args": PATIENCE, "pool_size": 1}
        try:
            with FileLock(state_folder() / "studies.lock"):  # two at once would both make tables
                rdb = _make(url, options)
        except ImportError as error:
            raise UserError(
                f"the study's storage {redact(url)} needs {error.name}: `pip install "
                "'truefit[team]'`"
            ) from None
        except (SQLAlchemyError, StorageInternalError, ValueError) as error:
            raise UserError(_refusal(url, error, "cannot be opened")) from None
        except RuntimeError as error:  # its tables are of another version of Optuna
            place = redact(url)
            said = first_line(error).replace("$ ", "").replace("$STORAGE_URL", shlex.quote(place))
            raise UserError(
                f"the study's storage {place} cannot be opened: {said}\n"
                "Keep a copy of it before you do that"
            ) from None
        version: Any = rdb.engine.dialect.server_version_info
        if url.startswith("postgresql") and version < OLDEST:
            raise UserError(
                f"the study's storage {redact(url)}: expected PostgreSQL {OLDEST[0]} or later, "
                f"received {version[0]}"
            )
        return cls(url, rdb, say, mark(url))

    def try_out(self, name: str) -> None:
        """Write a study with a trial, read it back, and remove it.

        Raises:
            UserError: it cannot be written, or reads otherwise than it was written.
        """
        try:
            number = self.rdb.create_new_study([StudyDirection.MINIMIZE], name)
            trial = self.rdb.create_new_trial(number)
            self.rdb.set_trial_state_values(trial, TrialState.COMPLETE, [1.0])
            values = [found.values for found in self.rdb.get_all_trials(number)]
            self.rdb.delete_study(number)
        except (SQLAlchemyError, StorageInternalError) as error:
            raise UserError(self._refusal(error, "fails")) from None
        if values != [[1.0]]:
            raise UserError(f"the study's storage {redact(self.url)} gives back {values}")

    def studies(self) -> list[FrozenStudy]:
        """Every study, in the order of their making."""
        return sorted(self.call(self.rdb.get_all_studies), key=lambda s: s._study_id)  # noqa: SLF001

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
            except FileNotFoundError as error:  # of the folder of its locks
                raise UserError(self._refusal(error, "cannot be used")) from None
            except (StorageInternalError, DatabaseError, InterfaceError, LostTurnError) as error:
                why = first_line(error.__cause__ or error)
                if is_damaged(error) or mark(self.url) != self.mark:
                    raise UserError(self._refusal(error, "cannot be used")) from None
                if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
                    raise
                if time.monotonic() - began > OUTAGE:
                    since = f"fails for {OUTAGE:g} s, what has ended is kept"
                    raise UserError(self._refusal(error, since)) from None
                if not pause:
                    self.say(f"the study's storage cannot be reached: {why}; trying again")
                pause = min(2 * pause + 0.1, 5.0)
                time.sleep(pause)
                continue
            if pause:
                self.outages += 1
                self.say("the study's storage is back")
            return done

    def in_turn(self, name: str, action: Callable[[Callable[[], object]], T]) -> T:
        """What `action` returns, done while no other process is in a turn of the same name.

        It gets a function that raises where its turn is over already, as after an outage; the
        whole of it is tried again then, so it calls the database directly and starts by reading.
        """

        def turn() -> T:
            began = time.monotonic()
            with self._turn(name) as is_ours:
                if time.monotonic() - began > LONG_WAIT:
                    self.outages += 1  # the others have waited too, and could give no sign
                return action(is_ours)

        return self.call(turn)

    @contextlib.contextmanager
    def _turn(self, name: str) -> Iterator[Callable[[], object]]:
        if self.url.startswith("postgresql"):
            with server_turn(self.rdb.engine, crc32(f"{name}/turn".encode())) as is_ours:
                yield is_ours
        else:
            with FileLock(self._lock_file(f"{name}.turn")):
                yield lambda: None

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held by the process that leads a study; a second one waits and says so.

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

    def _refusal(self, error: Exception, what: str) -> str:
        return _refusal(self.url, error, what, removed=mark(self.url) != self.mark)

    def _lock_file(self, name: str) -> Path:
        database = sqlite_file(self.url)
        return database.with_name(f"{name}.lock") if database else state_folder() / f"{name}.lock"


def _refusal(url: str, error: Exception, what: str, *, removed: bool = False) -> str:
    why, file = first_line(error.__cause__ or error), sqlite_file(url)
    if file is None:
        way = (
            "Start the database, or correct TRUEFIT_STORAGE (an SQLAlchemy address); `dvc repro` "
            "goes on from there, on the other machines `truefit join`"
        )
    else:
        way = REMOVED if removed else remedy(file, error, AGAIN) or OTHERWISE
    return f"the study's storage {redact(url)} {what}: {why}\n{way}"


def _database(address: str) -> tuple[str, str | None, int | None, str | None] | None:
    """Which database an address names, by whatever driver and account; `None` if it names none."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return None
    return url.get_backend_name(), url.host, url.port, url.database


def _make(url: str, options: Tree) -> optuna.storages.RDBStorage:
    """Optuna's storage; a second try opens it where another machine makes the tables just now."""
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except (IntegrityError, ProgrammingError):
        time.sleep(2)
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
