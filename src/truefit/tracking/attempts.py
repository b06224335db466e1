"""How many wrong passwords a server takes before it makes people wait."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator

ALLOWED = 10  # wrong passwords at once, by all processes of a server together
EVERY = 30.0  # seconds after which one more is allowed
REMEMBERED = 10_000  # of the newest that were counted, and of sign-ins; older ones are forgotten
BUSY = 10.0  # seconds to wait for another process that counts
TABLES = """
CREATE TABLE IF NOT EXISTS wrong (who TEXT UNIQUE, counted REAL, since REAL);
CREATE TABLE IF NOT EXISTS known (who TEXT UNIQUE);
"""
FORGET = "DELETE FROM {0} WHERE rowid <= (SELECT max(rowid) FROM {0}) - ?"


class Attempts:
    """A bucket of wrong passwords for each account, and one for each address.

    An address from which an account has signed in has a bucket of its own for it, so that
    strangers who guess cannot lock out who works there. All processes of a server count in one
    file, so a process that ends and begins again forgets nothing.
    """

    def __init__(self, file: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """Go on with what is in the file.

        Args:
            file: of SQLite, in a folder of the server's own; empty for this process alone.
            clock: seconds that only grow, the same for all processes of a machine.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._kept = sqlite3.connect(
            file or ":memory:", BUSY, isolation_level=None, check_same_thread=False
        )
        self._kept.execute("PRAGMA synchronous = OFF")  # nothing of it outlives the machine
        self._kept.executescript(TABLES)

    def wait(self, account: str, address: str) -> float:
        """Seconds until this account may be tried from this address; 0 where it may now."""
        with self._lock:
            over = max(self._now(key) for key in self._keys(account, address)) - ALLOWED + 1
        return max(0.0, over) * EVERY

    def wrong(self, account: str, address: str) -> None:
        """Count a wrong password."""
        with self._alone() as kept:
            for key in self._keys(account, address):
                counted = (key, self._now(key) + 1, self._clock())
                kept.execute("INSERT OR REPLACE INTO wrong VALUES (?, ?, ?)", counted)
            kept.execute(FORGET.format("wrong"), [REMEMBERED])

    def right(self, account: str, address: str) -> None:
        """Remember that the account has signed in from there."""
        with self._alone() as kept:
            kept.execute("INSERT OR REPLACE INTO known VALUES (?)", [_key(account, address)])
            kept.execute(FORGET.format("known"), [REMEMBERED])

    @contextlib.contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._kept.execute("BEGIN IMMEDIATE")  # no other process counts meanwhile
            with self._kept:
                yield self._kept

    def _keys(self, account: str, address: str) -> list[str]:
        pair = _key(account, address)
        if self._kept.execute("SELECT 1 FROM known WHERE who = ?", [pair]).fetchone():
            return [pair]
        return [_key("account", "", account), _key("at", "", address)]

    def _now(self, key: str) -> float:
        asked = self._kept.execute("SELECT counted, since FROM wrong WHERE who = ?", [key])
        counted, since = asked.fetchone() or (0.0, 0.0)
        return float(max(0.0, counted - (self._clock() - since) / EVERY))


def _key(*parts: str) -> str:
    return json.dumps(parts)
