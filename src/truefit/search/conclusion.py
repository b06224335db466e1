"""What a finished search has to say: study.json's parts, and its conclusion in words."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from truefit.config import Tree
from truefit.folds import digest
from truefit.search import finalists
from truefit.search.board import short
from truefit.search.finalists import Comparison, Finalist
from truefit.search.slots import Slot
from truefit.search.winner import RULE, Candidate

EQUAL = 0.05  # above this p a finalist is not told apart from the winner


def summarise(slot: Slot, best: list[Finalist]) -> Tree:
    """The winner's slot with what chose it, the finalists, and how they compare with it."""
    finalist = next((f for f in best if f.slot == slot.slot), None)
    spread = {"mean": finalist.mean, "low": finalist.low, "high": finalist.high} if finalist else {}
    return {
        "winner": {
            "slot": slot.slot,
            "value": slot.value,
            "val_loss": slot.result["best_val_loss"],
            "chosen_by": finalist.val_loss if finalist else slot.result["best_val_loss"],
            "gap": slot.gap,
            "params": slot.params,
            **spread,
        },
        "finalists": [asdict(f) for f in best],
        "against_winner": [asdict(c) for c in finalists.compare(best, slot.slot)],
        "rule": RULE + (", by the means over the finalists' seeds" if best else ""),
    }


def configured(slots: list[Slot]) -> Tree | None:
    """Trial 0, which has the configured values: what there was to gain on."""
    first = slots[0]
    if not first.complete:
        return None
    loss = first.result["best_val_loss"]
    return {"value": first.value, "val_loss": loss, "gap": first.gap, "params": first.params}


def fold_counts(slots: list[Slot], folds: np.ndarray | None) -> Tree | None:
    """How many trainings in folds there were, and how many pruning has saved."""
    if folds is None:
        return None
    each = len(folds) * (int(folds.max()) + 1)
    asked = each * sum(slot.state in ("complete", "pruned") for slot in slots)
    trained = sum(len(slot.result.get("folds", [])) for slot in slots)
    return {"sha256": digest(folds), "trained": trained, "saved": asked - trained}


def front(slots: list[Slot]) -> list[int]:
    """Slots that no other complete slot beats in both the loss and the gap."""
    done = [(float(s.value or 0), float(s.gap or 0), s.slot) for s in slots if s.complete]
    return [
        number
        for value, gap, number in done
        if not any(v <= value and g <= gap and (v, g) != (value, gap) for v, g, _ in done)
    ]


def conclude(slots: list[Slot], winner: Candidate, best: list[Finalist], ended: str) -> str:
    """The winner in one line: its value and gap, over seeds too, and who else is as good."""
    slot = slots[winner.slot]
    early = "" if ended == "n_trials" else f" (ended by search.{ended})"
    finalist = next((f for f in best if f.slot == winner.slot), None)
    again = ""
    if finalist:
        again = (
            f"; over {len(finalist.values)} seeds {finalist.mean:.4f} "
            f"[{finalist.low:.4f}, {finalist.high:.4f}], gap {finalist.gap:+.4f}"
        )
        against = finalists.compare(best, winner.slot)
        alike = [c for c in against if c.p > EQUAL]
        beaten = [c for c in against if c.p <= EQUAL and c.difference < 0]
        if alike:
            again += f"; by a paired test not told apart from {_slots(alike)}"
        if beaten:
            again += f"; for its gap or size before {_slots(beaten)}, by a paired test better"
    return (
        f"winner: slot {slot.slot} of {len(slots)}{early}, value {slot.value:.4f}, "
        f"gap {slot.gap:+.4f}{again}, {short(slot.params)}"
    )


def _slots(found: list[Comparison]) -> str:
    return "slot " + ", ".join(f"{c.slot} (p {c.p:.2f})" for c in found)
