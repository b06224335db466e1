"""Which trial wins: the best loss, and near it the smallest gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from truefit.search.slots import Slot

RULE = (
    "among candidates with value <= best + tolerance * |best|: "
    "smallest gap, then fewer parameters, then lower slot"
)


@dataclass(frozen=True)
class Candidate:
    """What the rule looks at: a trial's own numbers, or a finalist's means."""

    slot: int
    value: float
    gap: float
    parameters: int


def candidates(slots: Iterable[Slot]) -> list[Candidate]:
    """Every complete trial, by its own numbers."""
    return [
        Candidate(s.slot, s.value, s.result["gap"], s.result["parameters"])
        for s in slots
        if s.complete and s.value is not None
    ]


def choose(among: Iterable[Candidate], tolerance: float) -> Candidate | None:
    """The winner by RULE, or `None` if there is no candidate.

    Args:
        among: in any order.
        tolerance: share of the best value within which a value counts as equally good.
    """
    among = list(among)
    if not among:
        return None
    best = min(candidate.value for candidate in among)
    near = [c for c in among if c.value <= best + tolerance * abs(best)]
    return min(near, key=lambda c: (c.gap, c.parameters, c.slot))
