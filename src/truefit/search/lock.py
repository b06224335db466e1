"""Locks that keep a forgotten process from working on a study beside a new one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError


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
    return f"{name}: another process is searching it; waiting for it to end"
