"""What the search leaves for people and for the next stage: trials.csv, study.json, best.yaml."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from truefit.config import Tree, dump
from truefit.files import write_json, write_text
from truefit.paths import SEARCH
from truefit.search.slots import Slot
from truefit.search.winner import RULE


def write_outputs(
    study: str, slots: list[Slot], winner: Slot | None, keys: list[str], run_id: str | None
) -> None:
    """Write the three files; best.yaml last and with parameters only, so that it alone decides."""
    SEARCH.mkdir(parents=True, exist_ok=True)
    write_text(SEARCH / "trials.csv", trials_csv(slots, keys))
    summary = winner and {
        "slot": winner.slot,
        "value": winner.value,
        "gap": winner.gap,
        "params": winner.params,
    }
    write_json(
        SEARCH / "study.json",
        {
            "study": study,
            "counts": dict(Counter(slot.state for slot in slots)),
            "run_id": run_id,
            "winner": summary,
            "rule": RULE,
        },
    )
    write_text(SEARCH / "best.yaml", dump(winner.params if winner else {}))


def trials_csv(slots: list[Slot], keys: list[str]) -> str:
    """One line a slot, in order, with one `params.` column for each searched key."""
    rows = [
        {
            "slot": slot.slot,
            "state": slot.state,
            "reason": slot.reason.partition("\n")[0],
            "value": slot.result.get("best_val_loss"),
            "gap": slot.result.get("gap"),
            "best_epoch": slot.result.get("best_epoch"),
            "seconds": round(slot.seconds, 2),
            **{f"params.{key}": slot.params.get(key) for key in keys},
        }
        for slot in slots
    ]
    columns = ["slot", "state", "reason", "value", "gap", "best_epoch", "seconds"]
    frame = pd.DataFrame(rows, columns=[*columns, *(f"params.{key}" for key in keys)], dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")


def line(slot: Slot, slots: dict[int, Slot], n_trials: int) -> str:
    """What the terminal says when a trial has ended."""
    number = f"trial {slot.slot + 1:>{len(str(n_trials))}}/{n_trials}"
    if not slot.complete:
        return f"{number}  {slot.state}: {slot.reason.partition(chr(10))[0][:100]}"
    best = min(other.value for other in slots.values() if other.complete)
    return (
        f"{number}  val_loss {slot.value:.4f}  gap {slot.gap:+.4f}  best {best:.4f}  "
        f"{short(slot.params)}"
    )


def short(params: Tree) -> str:
    """`depth=2 learning_rate=0.004`: the last part of each key, numbers rounded."""
    return " ".join(
        f"{key.rpartition('.')[2]}={f'{value:.2g}' if isinstance(value, float) else value}"
        for key, value in params.items()
    )
