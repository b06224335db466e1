"""What a killed DVC leaves behind that keeps the next `dvc repro` from running, and its removal.

DVC writes some files in place, so that `kill -9` can leave them empty or torn, and it takes a
process for living as long as its number is taken: by a zombie, which nobody has reaped, or by
another program. A killed `dvc exp run` also leaves git's lock on its index, which names no process.
`python -m truefit.stages.leftovers` clears them and is quick; nothing of a living DVC or git is
touched. What is known is DVC 3.67: `dvc/rwlock.py`, `dvc/utils/serialize/_common.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypedDict

import psutil
import yaml

from truefit.core.files import write_text
from truefit.core.paths import project_root

LOCKS = (".dvc/tmp/rwlock", ".dvc/tmp/exps/rwlock")
EXPERIMENTS = ".dvc/tmp/exps/run/*/*.run"
TRIES, PAUSE = 20, 0.05  # DVC edits a lock file in milliseconds
# Seconds in which git's lock may be of a process that is not seen here: of one that just begins,
# and where nobody asked to clear it, of one on another machine whose editor is open.
YOUNG, UNASKED = 5.0, 3600.0
CLOCK = 2.0  # seconds by which the kernel's and the files' clocks differ


class Holder(TypedDict):
    """A process that reads or writes a path, as DVC's lock file has it."""

    pid: int
    cmd: str


Entries = dict[str, dict[str, list[Holder]]]  # by mode, then by path


@dataclass(frozen=True)
class Leftover:
    """A file that stops DVC, why, and what removes that; `clear` says whether it did."""

    file: Path
    why: str
    clear: Callable[[], bool]

    def line(self, root: Path) -> str:
        """Return the file, as seen from `root` where it lies below it, and why it stops DVC."""
        below = self.file.is_relative_to(root)
        return f"{self.file.relative_to(root) if below else self.file} {self.why}"


def leftovers(root: Path, young: float = YOUNG) -> Iterator[Leftover]:
    """Yield what stops the next DVC in the project at `root`, with nothing changed yet.

    Git's lock counts once it is older than `young` seconds.
    """
    for lock in (root / name for name in LOCKS):
        if not lock.exists():
            continue
        if _entries(lock) is None:
            why = "is empty or torn, as DVC was killed while it wrote it"
        elif blocking := _blocking(lock):
            why = f"names {blocking} processes that have ended"
        else:
            continue
        if _entries(lock) is not None or not is_running(root):
            yield Leftover(lock, why, lambda lock=lock: _guarded(lock, root))  # type: ignore[misc]
    torn = [file for file in root.glob(EXPERIMENTS) if _json(file) is None]
    lock = root / "dvc.lock"
    if lock.exists() and not _is_whole(lock):
        torn.append(lock)
    if torn and not is_running(root):
        why = "is torn, as DVC was killed while it wrote it; DVC writes a new one"
        yield from (Leftover(file, why, lambda file=file: _remove(file)) for file in torn)  # type: ignore[misc]
    if (found := _index_lock(root)) and _is_abandoned(*found, young):
        index, top = found
        why = "was left by a git or DVC that was killed, as none works here"
        yield Leftover(index, why, lambda: _is_abandoned(index, top, young) and _remove(index))


def clear(root: Path, say: Callable[[str], None], young: float = YOUNG) -> int:
    """Remove what stops the next DVC (see `leftovers`), and return how many files that were."""
    cleared = 0
    for left in leftovers(root, young):
        if left.clear():
            cleared += 1
            say(f"{left.line(root)}: cleared")
    return cleared


def is_running(root: Path) -> bool:
    """Whether a living DVC works in the project at `root` or below it."""
    return any(_is_dvc(command) for command in _commands(root))


def _commands(root: Path) -> Iterator[list[str]]:
    """The command lines of the living processes that work in a folder or below it."""
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        known = process.info
        if known["status"] in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD) or not known["cmdline"]:
            continue
        folder = Path(known["cwd"] or root)  # another user's may be anywhere
        if folder == root or root in folder.parents:
            yield known["cmdline"]


def _is_dvc(command: list[str]) -> bool:
    if "daemon" in command:  # looks for news of DVC, and works on no file here
        return False
    words = [Path(word) for word in command]
    return any(word.name == "dvc" or word.parts[-2:] == ("dvc", "__main__.py") for word in words)


def _is_git(command: list[str]) -> bool:
    watches = "fsmonitor--daemon" in command  # all day, and writes no index
    return Path(command[0]).name.startswith("git") and not watches


def _index_lock(root: Path) -> tuple[Path, Path] | None:
    """Git's lock on its index and the top of its work tree; `None` outside of git."""
    asked = ["git", "rev-parse", "--git-path", "index.lock", "--show-toplevel"]
    try:
        done = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    if done.returncode:
        return None
    lock, top = done.stdout.splitlines()
    return (root / lock).resolve(), Path(top)


def _is_abandoned(lock: Path, top: Path, young: float) -> bool:
    """Whether git's lock is there for `young` seconds and no git or DVC lives that may hold it."""
    try:
        age = time.time() - lock.stat().st_mtime
    except FileNotFoundError:
        return False
    return age > young and not any(_is_git(one) or _is_dvc(one) for one in _commands(top))


def _lives(pid: int, written: float) -> bool:
    """Whether the process that wrote its number into a file, last `written` then, still lives."""
    try:
        process = psutil.Process(pid)
        ended = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return not ended and process.create_time() <= written + CLOCK
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _json(file: Path) -> Any:
    """What a file holds; `None` where it is empty or torn."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, FileNotFoundError):
        return None


def _entries(lock: Path) -> Entries | None:
    """Who reads and writes which path; `None` where the file is not as DVC writes it."""
    found = _json(lock)
    try:
        return {
            mode: {
                path: [{"pid": int(one["pid"]), "cmd": str(one["cmd"])} for one in _list(infos)]
                for path, infos in found.get(mode, {}).items()
            }
            for mode in ("write", "read")
        }
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _list(infos: object) -> list[Any]:
    return infos if isinstance(infos, list) else [infos]


def _blocking(lock: Path) -> int:
    """How many processes DVC would take for living that are not; it sees the others itself."""
    written = lock.stat().st_mtime
    modes = (_entries(lock) or {}).values()
    named = {one["pid"] for paths in modes for infos in paths.values() for one in infos}
    return sum(psutil.pid_exists(pid) and not _lives(pid, written) for pid in named)


def _guarded(lock: Path, root: Path) -> bool:
    """Clear a lock file while no DVC edits it."""
    with _guard(lock) as is_ours:
        if not is_ours:
            return False
        entries = _entries(lock)
        if entries is None:
            return not is_running(root) and _remove(lock)
        written = lock.stat().st_mtime
        for paths in entries.values():
            for path, infos in list(paths.items()):
                paths[path] = [one for one in infos if _lives(one["pid"], written)]
        _write(lock, entries)
    return True


def edit(lock: Path, change: Callable[[Entries], None]) -> None:
    """Change DVC's lock file as DVC does; one that is torn, or is being edited, stays as it is."""
    with _guard(lock, tries=TRIES) as is_ours:
        entries = _entries(lock) if is_ours else None
        if entries is not None:
            change(entries)
            _write(lock, entries)


@contextlib.contextmanager
def _guard(lock: Path, tries: int = 1) -> Iterator[bool]:
    """Hold the lock that guards a lock file while it is edited; yields whether it was free."""
    with lock.with_name(f"{lock.name}.lock").open("a") as guard:
        is_ours = _take(guard)
        while not is_ours and tries > 1:
            time.sleep(PAUSE)
            tries, is_ours = tries - 1, _take(guard)
        yield is_ours


def _take(guard: TextIO) -> bool:
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write(lock: Path, entries: Entries) -> None:
    writers = {path: infos[0] for path, infos in entries["write"].items() if infos}
    readers = {path: infos for path, infos in entries["read"].items() if infos}
    write_text(lock, json.dumps({"write": writers, "read": readers}))


def _remove(file: Path) -> bool:
    file.unlink(missing_ok=True)
    return True


def _is_whole(lock: Path) -> bool:
    """Whether dvc.lock is what DVC takes."""
    try:
        found = yaml.safe_load(lock.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError):
        return False
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # noqa: PLC0415 - DVC, a third of a second
    from voluptuous import Invalid  # noqa: PLC0415

    try:
        COMPILED_LOCKFILE_SCHEMA(found or {})
    except Invalid:
        return False
    return True


if __name__ == "__main__":
    clear(project_root(), print, UNASKED)
