"""Writing whole files (to a temporary name beside the target, then renamed), and locks."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from filelock import FileLock, Timeout


def write_text(path: Path, text: str) -> None:
    """`path` holds all of `text`, or what it held before; who may read it is the umask's to say."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(text.encode())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    """As `write_text`, sorted and indented; NaN and infinity are refused (they are not JSON)."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def is_held(lock: Path) -> bool:
    """Whether a living process holds the lock; a file that is not there is held by none."""
    if not lock.exists():
        return False
    mine = FileLock(lock)
    try:
        mine.acquire(timeout=0)
    except Timeout:
        return True
    mine.release()
    return False
