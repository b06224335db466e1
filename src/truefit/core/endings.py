"""How a training can end, and which endings leave a result that counts."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Literal, get_args

State = Literal["complete", "pruned", "diverged", "out_of_memory", "crashed", "timed_out", "error"]
STATES: tuple[State, ...] = get_args(State)  # each of which fills a slot
# Endings of a process that died, or had no room: it did not come to an end of its own.
NO_ROOM = ("crashed", "out_of_memory")
# Endings whose result counts: a training that its time limit ended has what it had reached by then.
COUNTED = ("complete", "timed_out")


def counts(state: str, *, has_result: bool) -> bool:
    """Whether a training's result can be compared, chosen and evaluated."""
    return has_result and state in COUNTED


def cause(code: int | None, oom_kills_before: int) -> tuple[State, str]:
    """Why a process with that exit code ended without a word, as its class and in words."""
    if code == -signal.SIGKILL:
        if oom_kills() > oom_kills_before:
            return "out_of_memory", "the kernel killed the process: memory ran out"
        return "crashed", "the process was killed (SIGKILL)"
    if code is not None and code < 0:
        return "crashed", f"the process died of {signal.Signals(-code).name}"
    return "crashed", f"the process ended with exit code {code}"


def oom_kills() -> int:
    """How often this machine's kernel has killed for memory, as Linux counts it; else 0."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
