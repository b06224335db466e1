"""How many wrong passwords a server takes before it makes people wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

ALLOWED = 10  # wrong passwords at once, by all processes of a server together
EVERY = 30.0  # seconds after which one more is allowed
REMEMBERED = 10_000  # accounts and addresses; the oldest are forgotten
Key = tuple[str, ...]


class Attempts:
    """A bucket of wrong passwords for each account, and one for each address.

    An address from which an account has signed in has a bucket of its own for it, so that
    strangers who guess cannot lock out who works there. Each process has its own buckets: it gets
    its share of what is allowed, at least 3.
    """

    def __init__(self, processes: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with empty buckets.

        Args:
            processes: of this server, each of which has its own.
            clock: seconds that only grow.
        """
        self._allowed = max(3.0, ALLOWED / processes)
        self._every = EVERY * processes
        self._clock = clock
        self._wrong: dict[Key, tuple[float, float]] = {}  # how many, and when that was so
        self._known: dict[Key, None] = {}
        self._lock = threading.Lock()

    def wait(self, account: str, address: str) -> float:
        """Seconds until this account may be tried from this address; 0 where it may now."""
        with self._lock:
            over = max(self._now(key) for key in self._keys(account, address)) - self._allowed + 1
        return max(0.0, over) * self._every

    def wrong(self, account: str, address: str) -> None:
        """Count a wrong password."""
        with self._lock:
            for key in self._keys(account, address):
                counted = self._now(key) + 1
                self._wrong.pop(key, None)  # it becomes the newest
                self._wrong[key] = counted, self._clock()
            while len(self._wrong) > REMEMBERED:
                self._wrong.pop(next(iter(self._wrong)))

    def right(self, account: str, address: str) -> None:
        """Remember that the account has signed in from there."""
        with self._lock:
            self._known[account, address] = None
            while len(self._known) > REMEMBERED:
                self._known.pop(next(iter(self._known)))

    def _keys(self, account: str, address: str) -> list[Key]:
        pair = (account, address)
        return [pair] if pair in self._known else [("account", "", account), ("at", "", address)]

    def _now(self, key: Key) -> float:
        counted, when = self._wrong.get(key, (0.0, 0.0))
        return max(0.0, counted - (self._clock() - when) / self._every)
