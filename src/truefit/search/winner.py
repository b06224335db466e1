"""Which trial wins: the best loss, and near it the smallest gap.

A gap below 0 counts as 0: of two trials with the same validation loss, the one that fits its own
training rows worse is not the better one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from truefit.search.slots import Slot

RULE = (
    "among candidates with value <= best + tolerance * |best|: "
    "smallest gap (below 0 counts as 0), then fewer parameters, then lower slot"
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


def rank(among: Iterable[Candidate], tolerance: float) -> list[Candidate]:
    """Best first: those near the best value by RULE, then the others by value.

    Args:
        among: in any order.
        tolerance: share of the best value within which a value counts as equally good.
    """
    by_value = sorted(among, key=lambda c: (c.value, c.slot))
    limit = by_value[0].value + tolerance * abs(by_value[0].value) if by_value else 0.0
    near = [c for c in by_value if c.value <= limit]
    others = [c for c in by_value if c.value > limit]
    return sorted(near, key=lambda c: (max(c.gap, 0.0), c.parameters, c.slot)) + others


def choose(among: Iterable[Candidate], tolerance: float) -> Candidate | None:
    """The winner by RULE, or `None` if there is no candidate."""
    return next(iter(rank(among, tolerance)), None)
