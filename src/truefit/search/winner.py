"""Which trial wins: the best validation loss, and near it the smallest gap."""

from __future__ import annotations

from collections.abc import Iterable

from truefit.search.slots import Slot

RULE = (
    "among complete trials with value <= best + tolerance * |best|: "
    "smallest gap, then fewer parameters, then lower slot"
)


def choose(slots: Iterable[Slot], tolerance: float) -> Slot | None:
    """The winning slot, or `None` if none is complete.

    Args:
        slots: in any order.
        tolerance: share of the best value within which a loss counts as equally good.
    """
    complete = [slot for slot in slots if slot.complete]
    if not complete:
        return None
    best = min(slot.value for slot in complete)
    near = [slot for slot in complete if slot.value <= best + tolerance * abs(best)]
    return min(near, key=lambda slot: (slot.gap, slot.result["parameters"], slot.slot))
