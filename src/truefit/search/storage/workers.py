"""Who works on a study: each worker's sign of life, and how the others see that one is gone.

A worker of the same project folder is gone when the lock that it held is free, which shows at
once. One elsewhere is gone when its sign has not changed for its lease, by the clock of the one
that looks; an outage of the storage, in which nobody can give a sign, does not count.
"""

from __future__ import annotations

import contextlib
import platform
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from filelock import FileLock
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from truefit.core.files import is_held
from truefit.core.paths import state_folder
from truefit.search.storage.study import Study

SIGNS = 6  # in each lease
PREFIX = "worker/"  # of attributes of the study
FRESH = 1.0  # seconds for which signs are not read again


@dataclass(frozen=True)
class Sign:
    """A worker's sign of life, as an attribute of the study.

    `sign` counts; `lease` is in seconds; `folder` is the same for all that share their locks.
    """

    sign: int
    lease: float
    places: int
    left: bool
    folder: str


@dataclass
class Worker:
    """This process as a worker of a study; `places` trainings run side by side in it."""

    study: Study
    lease: float
    places: int
    id: str
    _lock: FileLock
    _signs: int = 0
    _next_sign: float = 0.0
    _others: dict[str, Sign] = field(default_factory=dict)
    _read: float = -FRESH
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)  # sign, and since when
    _alive: dict[str, float] = field(default_factory=dict)  # when each was last seen to be
    _outages: int = 0

    @classmethod
    def begin(cls, study: Study, lease: float, places: int) -> Worker:
        """A worker whom the others see from now on."""
        folder, name = _locks(), f"{platform.node()}-{uuid.uuid4().hex[:8]}"
        for left in folder.glob(f"{platform.node()}-*.lock"):
            if not is_held(left):
                left.unlink(missing_ok=True)
        lock = FileLock(folder / f"{name}.lock")
        lock.acquire()
        worker = cls(study, lease, places, name, lock)
        worker.sign()
        return worker

    def sign(self) -> bool:
        """Give a sign of life if one is due; whether it was."""
        if time.monotonic() < self._next_sign:
            return False
        self._signs += 1
        self.study.describe({f"{PREFIX}{self.id}": self._sign(left=False)})
        self._next_sign = time.monotonic() + self.lease / SIGNS
        return True

    def leave(self) -> None:
        """Say that this worker ends; the lock says the same to those who share the folder.

        Once: with the storage away the others see it later, by its sign.
        """
        rdb, name = self.study.storage.rdb, f"{PREFIX}{self.id}"
        self.release()
        with contextlib.suppress(StorageInternalError, SQLAlchemyError):
            rdb.set_study_user_attr(self.study.number, name, self._sign(left=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def release(self) -> None:
        """As the end of the process would."""
        self._lock.release()

    def is_gone(self, owner: str | None) -> bool:
        """Whether a trial's owner does not work on it any more.

        Includes itself: it may have begun a trial and died before it knew.
        """
        if owner in (None, self.id):
            return True
        if time.monotonic() - self._alive.get(str(owner), -FRESH) < FRESH:
            return False
        gone = self._looks_gone(str(owner))
        if not gone:
            self._alive[str(owner)] = time.monotonic()
        return gone

    def _looks_gone(self, owner: str) -> bool:
        sign = self._sign_of(owner)
        if sign is None or sign.left:
            return True
        if sign.folder == _folder():
            return not is_held(_locks() / f"{owner}.lock")
        count, since = self._seen.get(owner, (None, 0.0))
        if count != sign.sign:
            self._seen[owner] = (sign.sign, time.monotonic())
            return False
        return time.monotonic() - since > sign.lease

    def all_places(self) -> int:
        """How many trainings all workers together have room for."""
        found = self._signs_of_all()
        alive = [sign.places for name, sign in found.items() if not self.is_gone(name)]
        return self.places + sum(alive)

    def has_company(self) -> bool:
        """Whether another living worker has room for trainings."""
        return self.all_places() > self.places

    def _sign_of(self, owner: str) -> Sign | None:
        if owner not in self._signs_of_all():
            self._read = -FRESH  # it may have come since
        return self._signs_of_all().get(owner)

    def _signs_of_all(self) -> dict[str, Sign]:
        storage = self.study.storage
        if time.monotonic() - self._read > FRESH:
            self._others = {
                key.removeprefix(PREFIX): Sign(**value)
                for key, value in self.study.attributes().items()
                if key.startswith(PREFIX)
            }
            self._read = time.monotonic()
        if self._outages != storage.outages:
            self._outages = storage.outages
            self._seen.clear()
        return self._others

    def _sign(self, *, left: bool) -> dict[str, object]:
        return vars(Sign(self._signs, self.lease, self.places, left, _folder()))


def _locks() -> Path:
    folder = state_folder() / "workers"
    folder.mkdir(exist_ok=True)
    return folder


def _folder() -> str:
    """The same for all processes that share the locks, and for no others."""
    found = state_folder().stat()
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux
        machine = platform.node()
    return f"{machine}/{found.st_dev}/{found.st_ino}"
