"""GPUs of a machine are lent by shares, so that processes of all its projects fit on them.

Each process writes down what it has in a file of its own, in a folder that all users share, while
it holds the folder's lock; what a process that is gone has left there does not count.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import psutil
from filelock import FileLock

from truefit.core.files import write_text

FULL = 1.0 + 1e-6  # shares of a third add up to about one
CLOCK = 60.0  # seconds by which a clock may be set
PAUSE = 2.0  # seconds between two tries while every GPU is lent


def borrow(wanted: list[str], share: float, say: Callable[[str], None]) -> list[str]:
    """GPUs of `wanted`, one for each training, as far as they have that share left; at least one.

    It waits while there is none, and says so. What is lent comes back when the process ends.
    """
    said = False
    while not (lent := _borrow(wanted, share)):
        if not said:
            say(f"GPU {', '.join(sorted(set(wanted)))}: lent to other trainings; waiting")
            said = True
        time.sleep(PAUSE)
    return lent


def _borrow(wanted: list[str], share: float) -> list[str]:
    folder = _folder()
    with FileLock(folder / "lock", mode=0o666):
        used = _used(folder)
        lent = []
        for gpu in wanted:
            if used[gpu] + share <= FULL:
                used[gpu] += share
                lent.append(gpu)
        if lent:
            own = {"pid": os.getpid(), "began": _began(os.getpid()), "gpus": lent, "share": share}
            write_text(folder / f"{os.getpid()}.json", json.dumps(own))
    return lent


def _used(folder: Path) -> defaultdict[str, float]:
    """What living processes other than this one have of each GPU."""
    used: defaultdict[str, float] = defaultdict(float)
    for file in folder.glob("*.json"):
        try:
            lease = json.loads(file.read_text()) if file.is_file() else {}
            gone = lease["pid"] == os.getpid() or not _is_it(lease["pid"], lease["began"])
        except (OSError, ValueError, LookupError, TypeError):
            continue  # nobody's of us: the folder is open to all
        if gone:
            with contextlib.suppress(OSError):
                file.unlink()
            continue
        for gpu in lease["gpus"]:
            used[gpu] += lease["share"]
    return used


def _is_it(pid: int, began: float | None) -> bool:
    """Whether a process is the one that began then; the clock may have been set since."""
    now = _began(pid)
    return now is not None and began is not None and abs(now - began) < CLOCK


def _began(pid: int) -> float | None:
    """When a process began, which tells it from a later one of the same number."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / "truefit-gpus"
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):  # another user was faster
            folder.chmod(0o777)  # other users lend from the same GPUs
    return folder
