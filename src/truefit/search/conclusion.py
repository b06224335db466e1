"""What a finished search has to say: study.json's parts, and its conclusion in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from truefit.core.study import (
    Configured,
    Finalist,
    FoldCounts,
    KeptTraining,
    PairedTest,
    Winner,
    of_slot,
)
from truefit.search import finalists
from truefit.search.board import short
from truefit.search.slots import Slot
from truefit.search.winner import RULE, Choice
from truefit.training.folds import digest
from truefit.training.seeds import finalist_seed, training_seed

EQUAL = 0.05  # above this p a finalist is as good as the winner within chance


def keep(seed: int, slot: Slot, finalist: Finalist | None) -> KeptTraining:
    """The best training of the winner, by the value that the search minimises.

    Args:
        seed: the study's.
        slot: the winner's.
        finalist: its further trainings, if there are any.
    """
    trial = KeptTraining(training_seed(seed, slot.slot), 0, slot.counted.best_val_loss)
    trained = [(float(slot.value or 0.0), trial)]
    if finalist:
        trained += [
            (value, KeptTraining(finalist_seed(seed, repeat), repeat, loss))
            for repeat, (value, loss) in enumerate(
                zip(finalist.values, finalist.losses, strict=True), start=1
            )
        ]
    return min(trained, key=lambda one: (one[0], one[1].repeat))[1]


def won(slot: Slot, finalist: Finalist | None, kept: KeptTraining | None) -> Winner:
    """The winner with what chose it; `kept` is the training of it that becomes the model."""
    loss = slot.counted.best_val_loss
    winner = Winner(slot.slot, slot.value, loss, loss, slot.gap, slot.params, kept)
    if finalist is None:
        return winner
    return replace(
        winner,
        chosen_by=finalist.val_loss,
        mean=finalist.mean,
        low=finalist.low,
        high=finalist.high,
    )


def rule(best: list[Finalist]) -> str:
    """How the winner was chosen, in words."""
    return RULE + ("; values are means over the finalists' seeds" if best else "")


def configured(slots: list[Slot]) -> Configured | None:
    """Trial 0, if it can be compared."""
    first = slots[0]
    if not first.can_win:
        return None
    return Configured(first.value, first.counted.best_val_loss, first.gap, first.params)


def fold_counts(slots: list[Slot], folds: np.ndarray | None) -> FoldCounts | None:
    """How many trainings in folds there were, and how many pruning has saved."""
    if folds is None:
        return None
    each = len(folds) * (int(folds.max()) + 1)
    asked = each * sum(slot.can_win or slot.state == "pruned" for slot in slots)
    trained = sum(len(slot.result.folds or []) for slot in slots if slot.result)
    return FoldCounts(digest(folds), trained, asked - trained)


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
    finalist = of_slot(best, winner.slot)
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


def _slots(alike: list[PairedTest]) -> str:
    names = " and ".join(f"{c.slot} (p {c.p:.2f})" for c in alike)
    return f"slot {names} is" if len(alike) == 1 else f"slots {names} are"
