"""How a training can end, and which endings leave a result that counts."""

from __future__ import annotations

from typing import Literal

State = Literal["complete", "pruned", "diverged", "out_of_memory", "crashed", "timed_out", "error"]
# Endings whose result counts: a training that its time limit ended has what it had reached by then.
COUNTED = ("complete", "timed_out")


def counts(state: str, *, has_result: bool) -> bool:
    """Whether a training's result can be compared, chosen and evaluated."""
    return has_result and state in COUNTED
