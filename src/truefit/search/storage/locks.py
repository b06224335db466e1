"""Locks: one process leads a study, and one at a time takes a slot of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

LONGEST_TURN = 20.0  # seconds after which the server ends the turn of one that says nothing


@dataclass
class AdvisoryLock:
    """A lock on a PostgreSQL server, which lasts as long as the connection that took it."""

    engine: Engine
    number: int
    connection: Connection | None = None
    seen: float = 0.0

    def take(self) -> bool:
        """Whether the lock is ours now."""
        self.release()
        connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # a pool would keep the connection, and with it the lock, for later
        self.connection, self.seen = connection, time.monotonic()
        ours = connection.scalar(text("SELECT pg_try_advisory_lock(:n)"), {"n": self.number})
        return bool(ours)

    def is_held(self) -> bool:
        """Whether the connection lives; the server is asked at most once a second."""
        if self.connection is None:
            return False
        if time.monotonic() - self.seen > 1:
            try:
                self.connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                return False
            self.seen = time.monotonic()
        return True

    def release(self) -> None:
        """Close the connection, which releases the lock, also on the server."""
        if self.connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self.connection.close()
            self.connection = None


class LostTurnError(SQLAlchemyError):
    """The connection that had the turn is gone, and another process may have it."""


@contextlib.contextmanager
def server_turn(engine: Engine, number: int) -> Iterator[Callable[[], None]]:
    """One process at a time, on any machine; yields what raises where the turn is over.

    The lock is of the engine's one pooled connection, which everything in the turn uses too. It
    ends with that connection, also where the process is silent for LONGEST_TURN seconds: a machine
    that is cut off holds up nobody for long.

    Raises:
        LostTurnError: by what it yields.
    """
    engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    seconds = f"set_config('idle_session_timeout', '{LONGEST_TURN:.0f}s', false)"
    take = text(f"SELECT {seconds}, pg_advisory_lock(:n), pg_backend_pid()")
    give = text("SELECT pg_advisory_unlock(:n), set_config('idle_session_timeout', '0', false)")
    with engine.connect() as connection:
        mine = connection.execute(take, {"n": number}).one()[-1]

    def check() -> None:
        with engine.connect() as connection:
            if connection.scalar(text("SELECT pg_backend_pid()")) != mine:
                raise LostTurnError("the turn ended with its connection")

    try:
        yield check
    finally:
        with contextlib.suppress(SQLAlchemyError), engine.connect() as connection:
            connection.execute(give, {"n": number})


@contextlib.contextmanager
def file_lock(file: Path, name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock `file`, after having said so where another process must end first."""
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(waiting(name))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def waiting(name: str) -> str:
    """What a process says that has to wait for a study."""
    return (
        f"{name}: another process leads it, and this one waits for it to end; `truefit join` "
        "takes slots meanwhile"
    )
