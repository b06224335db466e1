"""The journal: what a stage has to tell MLflow, one JSON line an event, on disk before all else.

A stage appends and never waits; `sender` reads behind it. One file for each process, so that
nobody else ever writes to it while its process lives, which holding its lock shows.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from truefit.core.errors import UserError
from truefit.core.inputs import sha256
from truefit.core.paths import state_folder
from truefit.tracking import events
from truefit.tracking.events import Event, as_line, parse

DESCRIPTION = "MLmodel"  # of a model; it names MLflow's run


def journals() -> Path:
    """`<root>/.truefit/journal`: what MLflow has not confirmed; below `sent/`, what it has."""
    folder = state_folder() / "journal"
    (folder / "sent").mkdir(parents=True, exist_ok=True)
    return folder


def waiting() -> list[Path]:
    """Journals that are not sent to their end, the oldest first."""
    return sorted(journals().glob("*.jsonl"))


@dataclass(frozen=True)
class Copy:
    """A copy beside the journal: its path there, and its files' SHA-256 by their paths."""

    kept: str
    files: dict[str, str]


def digests(kept: Path) -> dict[str, str]:
    """SHA-256 of a file, or of each file of a folder, by its path from where that lies.

    Without MLflow's description of a model, which each sending writes anew.
    """
    files = [file for file in sorted(kept.rglob("*")) if file.is_file()] or [kept]
    return {
        file.relative_to(kept.parent).as_posix(): sha256(file)
        for file in files
        if file.name != DESCRIPTION and file.is_file()
    }


@dataclass
class Journal:
    """An open journal; closed by `close`, or by the end of its process."""

    path: Path
    _file: BinaryIO
    _lock: FileLock
    _kept: int = 0
    _torn: bool = False
    _began: tuple[int, int] = field(default_factory=lambda: (time.time_ns(), ticks()))

    @classmethod
    def create(cls, project: str, stage: str) -> Journal:
        """A new journal of this process; its first event says whose it is."""
        name = (
            f"{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09d}-{stage}-{os.getpid()}"
        )
        path = journals() / f"{name}.jsonl"
        lock = lock_of(path)
        lock.acquire(timeout=0)
        journal = cls(path, path.open("ab", buffering=0), lock)
        journal.write(events.Open(project=project, stage=stage, pid=os.getpid()))
        return journal

    def now(self) -> int:
        """Milliseconds since 1970 by a clock that is never put back while the process lives."""
        wall, first = self._began
        return (wall + ticks() - first) // 10**6

    def write(self, event: Event) -> None:
        """Append one event: in the hands of the operating system when this returns.

        Raises:
            UserError: somebody has removed the journal.
            OSError: the disk has no room for it.
        """
        if not os.fstat(self._file.fileno()).st_nlink:
            raise UserError(
                f"{self.path} was removed while its stage ran: expected .truefit to stay until the "
                "stage ends. Studies and what MLflow had not received went with it; `dvc repro` "
                "begins again"
            )
        line = as_line(event if event.t else replace(event, t=self.now()))
        start = b"\n" if self._torn else b""  # a line that the disk had no room for ends here
        self._torn = True
        self._torn = (self._file.write(start + line) or 0) < len(start + line)
        if self._torn:
            raise OSError(errno.ENOSPC, "no room for the journal", str(self.path))

    def keep(self, source: Path) -> Copy:
        """Copy a file or folder, which stays beside the journal until it is sent."""
        self._kept += 1
        target = attachments(self.path) / str(self._kept) / source.name
        target.parent.mkdir(parents=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        return Copy(f"{self._kept}/{source.name}", digests(target))

    def close(self) -> None:
        """No more events will come; it stays this process' own until `release`."""
        try:
            self.write(events.Close())
        finally:
            self._file.close()

    def release(self) -> None:
        """Others may send it, and end what it left open."""
        self._file.close()
        self._lock.release()


def ticks() -> int:
    """Nanoseconds of a clock that only grows, over a suspension too where the system tells."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return time.monotonic_ns()


def attachments(journal: Path) -> Path:
    """The folder of a journal's files."""
    return journal.with_suffix(".files")


def lock_of(journal: Path) -> FileLock:
    """Held by the process that writes the journal."""
    return FileLock(journal.with_suffix(".lock"))


def read(journal: Path, offset: int = 0) -> Iterator[tuple[Event | None, int]]:
    """Events from `offset` on, each with the offset behind it.

    A last line without its end is left for later; one that is no event, because its process was
    killed or the machine went down while it was written, is `None`. One that does not say when it
    was has the time of the one before.
    """
    with journal.open("rb") as file:
        file.seek(offset)
        t = int(os.fstat(file.fileno()).st_mtime * 1000)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            if line.strip():
                event = parse(line, t)
                t = event.t if event else t
                yield event, offset


def is_closed(journal: Path) -> bool:
    """Whether its stage has told all."""
    with journal.open("rb") as file:
        file.seek(max(0, journal.stat().st_size - 200))
        lines = file.read().splitlines(keepends=True)
    last = parse(lines[-1], 0) if lines and lines[-1].endswith(b"\n") else None
    return isinstance(last, events.Close)


def take_over(journal: Path) -> bool:
    """End what a dead process left open in its journal; whether that process is dead.

    Its runs end as `killed`, with the reason.
    """
    lock = lock_of(journal)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        _end_last_line(journal)
        owner, seen, runs = _open_runs(journal)
        if owner is not None:
            with journal.open("ab", buffering=0) as file:
                dead = Journal(journal, file, lock)
                reason = f"process {owner} is gone without having ended the run"
                for run in runs:  # when it was last alive: others may have gone on since
                    dead.write(events.End(run=run, t=seen, state="killed", reason=reason))
                dead.write(events.Close())
    finally:
        lock.release()
    return True


def _end_last_line(journal: Path) -> None:
    """A torn last line ends here; it may lack nothing but its end."""
    with journal.open("rb+") as file:
        file.seek(max(0, journal.stat().st_size - 1))
        if file.read() != b"\n":
            file.write(b"\n")


def _open_runs(journal: Path) -> tuple[int | None, int, list[str]]:
    """Who left the journal open, if somebody did; its last sign of life; runs without an end."""
    runs: dict[str, None] = {}
    owner: int | None = 0
    seen = 0
    for event, _ in read(journal):
        seen = event.t if event else seen
        match event:
            case events.Open(pid=pid):
                owner = pid
            case events.Start(run=run):
                runs[run] = None
            case events.End(run=run):
                runs.pop(run, None)
            case events.Close():
                owner = None
    return owner, seen, list(runs)


def put_away(journal: Path) -> None:
    """What is sent to its end is kept as a record, without the copies of files."""
    shutil.rmtree(attachments(journal), ignore_errors=True)
    journal.rename(journal.parent / "sent" / journal.name)
    for ending in (".acks", ".lock", ".sending"):
        journal.with_suffix(ending).unlink(missing_ok=True)


def sent() -> list[Path]:
    """Journals that were sent to their end, the oldest first."""
    return sorted((journals() / "sent").glob("*.jsonl"))


def put_back(journal: Path) -> Path:
    """What was sent is to be sent once more; MLflow is asked for each run before it is made."""
    again = journals() / journal.name
    again.with_suffix(".acks").touch()
    return journal.rename(again)
