"""Writing whole files (to a temporary name beside the target, then renamed), and locks."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from truefit.core.errors import UserError

T = TypeVar("T")


@contextlib.contextmanager
def replacing(path: Path, *, by_many: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder; what is written there then replaces `path`.

    `path` holds the whole of it, or what it held before, also after `kill -9`. An error removes the
    temporary file. It keeps the suffix of `path`, which Keras reads the format from.

    Args:
        path: its folder is made where it is missing.
        by_many: whether processes may write `path` at the same time. Each then has a temporary name
            of its own, and the file of one that was killed stays. Else the next one overwrites it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8) if by_many else 'building'}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to report
            temporary.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """`path` holds all of `text`, or what it held before; who may read it is the umask's to say."""
    with replacing(path, by_many=True) as temporary, temporary.open("xb") as file:
        file.write(text.encode())


def write_json(path: Path, value: object) -> None:
    """As `write_text`, sorted and indented; NaN and infinity are refused (they are not JSON)."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path, *needs: str) -> Any:  # which record it is, its reader says
    """What a stage wrote to `path`, which has the keys that are needed.

    Raises:
        UserError: it is not there, or holds something else.
    """
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise _not_written(path, "it is not there") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _not_written(path, f"received no JSON: {error}") from None
    if not isinstance(found, dict) or not all(name in found for name in needs):
        raise _other_json(path, found)
    return found


def read_record(path: Path, read: Callable[[Any], T], *needs: str) -> T:
    """The record that `read` makes of what a stage wrote to `path`.

    Raises:
        UserError: as `read_json`, or no such record can be made of it.
    """
    found = read_json(path, *needs)
    try:
        return read(found)
    except (LookupError, TypeError, AttributeError, ValueError):
        raise _other_json(path, found) from None


def _other_json(path: Path, found: object) -> UserError:
    return _not_written(path, f"received other JSON than a stage writes: {str(found)[:60]!r}")


def _not_written(path: Path, said: str) -> UserError:
    return UserError(
        f"{path}: expected what its stage writes, {said}; `dvc checkout` brings it back, or `dvc "
        "repro` makes it again"
    )


def is_held(lock: Path) -> bool:
    """Whether a living process holds the lock; a file that is not there is held by none."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - a served model holds no locks

    if not lock.exists():
        return False
    mine = FileLock(lock)
    try:
        mine.acquire(timeout=0)
    except Timeout:
        return True
    mine.release()
    return False
