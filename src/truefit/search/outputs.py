"""What the search leaves for people and for the next stage: trials.csv, study.json, best.yaml."""

from __future__ import annotations

import pandas as pd

from truefit.core.files import write_json, write_text
from truefit.core.paths import SEARCH
from truefit.core.resolved import Params, dump
from truefit.core.study import StudySummary, study_json
from truefit.search.slots import Slot

COLUMNS = ["slot", "state", "reason", "value", "gap", "best_epoch", "seconds"]


def write_outputs(
    summary: StudySummary | None, slots: list[Slot], best: Params, keys: list[str]
) -> None:
    """Write the three files; best.yaml last and with parameters only, so that it alone decides.

    Without a summary nothing was searched.
    """
    SEARCH.mkdir(parents=True, exist_ok=True)
    write_text(SEARCH / "trials.csv", trials_csv(slots, keys))
    write_json(SEARCH / "study.json", study_json(summary))
    write_text(SEARCH / "best.yaml", dump(best))


def trials_csv(slots: list[Slot], keys: list[str]) -> str:
    """One line a slot, in order, with one `params.` column for each searched key."""
    rows = [
        {
            "slot": slot.slot,
            "state": slot.state,
            "reason": slot.reason.partition("\n")[0],
            "value": slot.value,
            "gap": slot.gap,
            "best_epoch": slot.result.best_epoch if slot.result else None,
            "seconds": round(slot.seconds, 2),
            **{f"params.{key}": slot.params.get(key) for key in keys},
        }
        for slot in slots
    ]
    columns = [*COLUMNS, *(f"params.{key}" for key in keys)]
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")
