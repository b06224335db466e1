"""What a finished search has to say: study.json's parts, and its conclusion in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from truefit.core.resolved import Tree
from truefit.search import finalists
from truefit.search.board import short
from truefit.search.finalists import Comparison, Finalist
from truefit.search.slots import Slot
from truefit.search.winner import RULE, Choice
from truefit.training.folds import digest
from truefit.training.seeds import finalist_seed, training_seed

EQUAL = 0.05  # above this p a finalist is as good as the winner within chance


@dataclass(frozen=True)
class Kept:
    """Which of the winner's trainings becomes the model: its seed makes it again.

    `repeat` is 0 for the trial itself, else the finalist's training of that number.
    """

    seed: int
    repeat: int
    val_loss: float


def keep(seed: int, slot: Slot, finalist: Finalist | None) -> Kept:
    """The best training of the winner, by the value that the search minimises.

    Args:
        seed: the study's.
        slot: the winner's.
        finalist: its further trainings, if there are any.
    """
    trial = Kept(training_seed(seed, slot.slot), 0, slot.counted.best_val_loss)
    trained = [(float(slot.value or 0.0), trial)]
    if finalist:
        trained += [
            (value, Kept(finalist_seed(seed, repeat), repeat, loss))
            for repeat, (value, loss) in enumerate(
                zip(finalist.values, finalist.losses, strict=True), start=1
            )
        ]
    return min(trained, key=lambda one: (one[0], one[1].repeat))[1]


def summarise(slot: Slot, choice: Choice, best: list[Finalist], kept: Kept | None) -> Tree:
    """The winner's slot with what chose it, the finalists, and how they compare with it."""
    finalist = next((f for f in best if f.slot == slot.slot), None)
    spread = {"mean": finalist.mean, "low": finalist.low, "high": finalist.high} if finalist else {}
    return {
        "winner": {
            "slot": slot.slot,
            "value": slot.value,
            "val_loss": slot.counted.best_val_loss,
            "chosen_by": finalist.val_loss if finalist else slot.counted.best_val_loss,
            "gap": slot.gap,
            "params": slot.params,
            "trained": asdict(kept) if kept else None,
            **spread,
        },
        "constant_loss": slot.constant_loss,
        "lowest": {"slot": choice.lowest.slot, "value": choice.lowest.value},
        "margin": choice.margin,
        "decided_by": choice.reason,
        "finalists": [asdict(f) for f in best],
        "against_winner": [asdict(c) for c in finalists.compare(best, slot.slot)],
        "rule": RULE + ("; values are means over the finalists' seeds" if best else ""),
    }


def configured(slots: list[Slot]) -> Tree | None:
    """Trial 0, which has the configured values: what there was to gain on."""
    first = slots[0]
    if not first.can_win:
        return None
    loss = first.counted.best_val_loss
    return {"value": first.value, "val_loss": loss, "gap": first.gap, "params": first.params}


def fold_counts(slots: list[Slot], folds: np.ndarray | None) -> Tree | None:
    """How many trainings in folds there were, and how many pruning has saved."""
    if folds is None:
        return None
    each = len(folds) * (int(folds.max()) + 1)
    asked = each * sum(slot.can_win or slot.state == "pruned" for slot in slots)
    trained = sum(len(slot.result.folds or []) for slot in slots if slot.result)
    return {"sha256": digest(folds), "trained": trained, "saved": asked - trained}


def front(slots: list[Slot]) -> list[int]:
    """Slots that no other complete slot beats in both the loss and the gap."""
    done = [(float(s.value or 0), float(s.gap or 0), s.slot) for s in slots if s.can_win]
    return [
        number
        for value, gap, number in done
        if not any(v <= value and g <= gap and (v, g) != (value, gap) for v, g, _ in done)
    ]


def conclude(
    slots: list[Slot], choice: Choice, best: list[Finalist], ended: str, tolerance: float
) -> str:
    """The winner in a few lines: its numbers, what decided, and who else is as good."""
    slot, winner = slots[choice.winner.slot], choice.winner
    early = "" if ended == "n_trials" else f", ended by search.{ended}"
    value = f"value {winner.value:.4f}"
    finalist = next((f for f in best if f.slot == winner.slot), None)
    if finalist:
        value = (
            f"mean over {len(finalist.values)} seeds {finalist.mean:.4f} "
            f"[{finalist.low:.4f}, {finalist.high:.4f}], gap {finalist.gap:+.4f}; "
            f"its first training had {slot.value:.4f}"
        )
    decided = "lowest value" if choice.reason == "lowest value" else _why(choice, tolerance)
    lines = [f"winner: slot {slot.slot} of {len(slots)}{early}: {short(slot.params)}"]
    lines.append(f"  {value}, gap {slot.gap:+.4f}; {decided}")
    ended_by_time = sum(one.state == "timed_out" for one in slots)
    if ended_by_time:
        lines.append(
            f"  {ended_by_time} of {len(slots)} trials were ended by training.time_limit: another "
            "machine may get further, and choose another"
        )
    alike = [c for c in finalists.compare(best, slot.slot) if c.p > EQUAL]
    if alike:
        lines.append(f"  {_slots(alike)} as good within chance")
    return "\n".join(lines)


def _why(choice: Choice, tolerance: float) -> str:
    lowest = choice.lowest
    if lowest.value == choice.winner.value:
        return f"as low as slot {lowest.slot}; {choice.reason}"
    return (
        f"best {lowest.value:.4f} was slot {lowest.slot}, within {tolerance:.1%} of the gain over "
        f"the constant answer; {choice.reason}"
    )


def _slots(alike: list[Comparison]) -> str:
    names = " and ".join(f"{c.slot} (p {c.p:.2f})" for c in alike)
    return f"slot {names} is" if len(alike) == 1 else f"slots {names} are"
