"""Which trial wins: the lowest value; between equals the smaller gap.

What counts as equal is a narrow share of what there is to learn, the gain over the constant answer.
A wider one, or a share of the loss, trades loss on unseen rows for a smaller gap and loses by it
(`python benchmarks/winner.py`, docs/overfitting.md). A gap below 0 counts as 0: a trial that fits
its own training rows worse is not the better one for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from truefit.search.slots import Slot

RULE = (
    "the lowest value wins; where others lie within `search.tolerance` of the gain over the "
    "constant answer: of these the smallest gap (below 0 counts as 0), then fewer parameters, "
    "then the lower slot"
)


@dataclass(frozen=True)
class Candidate:
    """What the rule looks at: a trial's own numbers, or a finalist's means.

    `constant` is the validation loss of the constant answer, if the task has one.
    """

    slot: int
    value: float
    gap: float
    parameters: int
    constant: float | None = None


@dataclass(frozen=True)
class Choice:
    """The winner, the lowest value, and how far apart values may be to count as equal."""

    winner: Candidate
    lowest: Candidate
    margin: float

    @property
    def reason(self) -> str:
        """What decided: `lowest value`, `smaller gap`, `fewer parameters` or `lower slot`."""
        won, lowest = self.winner, self.lowest
        if won == lowest:
            return "lowest value"
        if max(won.gap, 0.0) < max(lowest.gap, 0.0):
            return "smaller gap"
        return "fewer parameters" if won.parameters < lowest.parameters else "lower slot"


def candidates(slots: Iterable[Slot]) -> list[Candidate]:
    """Every trial with a result that counts, by its own numbers."""
    return [
        Candidate(s.slot, s.value, s.result.gap, s.result.parameters, s.constant_loss)
        for s in slots
        if s.can_win and s.value is not None and s.result
    ]


def by_value(among: Iterable[Candidate]) -> list[Candidate]:
    """Best first, by value alone: the order in which trials become finalists."""
    return sorted(among, key=lambda c: (c.value, c.slot))


def choose(among: Iterable[Candidate], tolerance: float) -> Choice | None:
    """The winner by RULE, or `None` if there is no candidate.

    Args:
        among: in any order.
        tolerance: share of the gain over the constant answer within which values are equal. With
            no constant answer, or none that is beaten, only the same value is.
    """
    ranked = by_value(among)
    if not ranked:
        return None
    lowest = ranked[0]
    gain = 0.0 if lowest.constant is None else max(0.0, lowest.constant - lowest.value)
    margin = tolerance * gain
    equal = [c for c in ranked if c.value <= lowest.value + margin]
    winner = min(equal, key=lambda c: (max(c.gap, 0.0), c.parameters, c.slot))
    return Choice(winner, lowest, margin)
