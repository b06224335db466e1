"""What a verification comes to: checks in their order, and the first that finds a difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

from truefit.verify.numbers import Apart, together

Name = Literal["bit-exact", "within tolerance", "diverged", "could not try"]
EXIT: dict[Name, int] = {"bit-exact": 0, "within tolerance": 0, "diverged": 1, "could not try": 2}


class CouldNotTryError(Exception):
    """The run cannot be run again here; the message says why and what would help."""


@dataclass(frozen=True)
class Check:
    """One comparison: `difference` is empty where all is equal, else names the first.

    `largest` is the largest difference of numbers, in units of max(1, |recorded|), where numbers
    are all that differs. `note` is what a reader should know all the same.
    """

    what: str
    difference: str = ""
    largest: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Proof:
    """`name`, in words in `said`, and the checks that led to it."""

    name: Name
    said: str
    checks: list[Check] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For verification.json."""
        return asdict(self)


def decide(checks: list[Check], tolerance: float | None) -> Proof:
    """The verdict on checks that are in their order.

    Args:
        checks: of code, data, configuration, environment, history, weights, ...
        tolerance: how far numbers may be apart, in units of max(1, |recorded|); with one, another
            environment is no divergence by itself. `None` means not at all.
    """
    different = [check for check in checks if check.difference]
    if not different:
        return Proof("bit-exact", "bit-exact", checks)
    beyond = [check for check in different if not _within(check, tolerance)]
    if beyond:
        first = beyond[0]
        return Proof("diverged", f"diverged at {first.what}: {first.difference}", checks)
    apart = {check.what: check.largest for check in different if check.largest is not None}
    if not apart:
        return Proof("bit-exact", "bit-exact, in another environment", checks)
    worst = max(apart, key=lambda what: apart[what] or 0.0)
    said = f"within tolerance (largest difference {apart[worst]:.3g}, of {worst})"
    return Proof("within tolerance", said, checks)


def _within(check: Check, tolerance: float | None) -> bool:
    if tolerance is None:
        return False
    return check.what == "environment" or (check.largest is not None and check.largest <= tolerance)


def table(verdict: Proof) -> str:
    """The verdict and a line for each check, as it is printed."""
    lines = [f"{check.what:<14}{check.difference or 'same'}" for check in verdict.checks]
    notes = [f"{'':<14}{check.note}" for check in verdict.checks if check.note]
    return "\n".join([*lines, *notes, verdict.said])


def check(what: str, found: Iterator[Apart | None], note: str = "") -> Check:
    """What was compared, and where it is first apart, and by how much."""
    apart = together(found)
    if apart is None:
        return Check(what, note=note)
    return Check(what, apart.first, apart.largest, note)
