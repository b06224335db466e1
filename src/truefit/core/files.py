"""Writing whole files (to a temporary name beside the target, then renamed), and locks."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from truefit.core.errors import UserError


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


def read_json(path: Path, *needs: str) -> dict[str, Any]:
    """What a stage wrote to `path`, which has the keys that are needed.

    Raises:
        UserError: it is not there, or holds something else.
    """
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        said = "it is not there"
    except (OSError, ValueError, RecursionError) as error:
        said = f"received no JSON: {error}"
    else:
        if isinstance(found, dict) and all(name in found for name in needs):
            return found
        said = f"received other JSON than a stage writes: {str(found)[:60]!r}"
    raise UserError(
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
