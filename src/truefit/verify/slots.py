"""A study that ran again, slot by slot."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pandas as pd

from truefit.config import Tree
from truefit.verify.numbers import Apart, between, together
from truefit.verify.verdict import Check

UNLIKE = "seconds"  # never twice the same
STATUS = {"complete": "FINISHED", "pruned": "KILLED"}  # of all others FAILED


def slots(recorded: str, now: str, best: tuple[Tree, Tree] | None, trials: list[Any]) -> Check:
    """Every slot's state, parameters and value: of trials.csv, and of the trials in MLflow.

    Args:
        recorded: the study's trials.csv.
        now: that of the study that has just run.
        best: the winner's parameters, recorded and found now.
        trials: the study's runs in MLflow.
    """
    old, new = (
        pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False) for text in (recorded, now)
    )

    def found() -> Iterator[Apart | None]:
        if len(old) != len(new):
            yield Apart(f"slots: recorded {len(old)}, now {len(new)}", None)
        for place in range(min(len(old), len(new))):
            for key in [name for name in [*new, *({*old} - {*new})] if name != UNLIKE]:
                pair = [frame[key][place] if key in frame else None for frame in (old, new)]
                yield _apart(f"slot {place}, {key}", *pair)
        if best:
            yield between("the winner", *best)
        if trials:
            yield from _tracked(new, trials)

    apart = together(found())
    return Check("slots", apart.first, apart.largest) if apart else Check("slots")


def _tracked(new: pd.DataFrame, trials: list[Any]) -> Iterator[Apart | None]:
    """What MLflow shows of each slot."""
    by_slot = {run.data.tags.get("truefit.slot"): run for run in trials}
    for place in range(len(new)):
        run = by_slot.get(str(place))
        if run is None:
            yield Apart(f"slot {place}: MLflow has no trial of it", None)
            continue
        row = new.iloc[place]
        wanted = STATUS.get(row["state"], "FAILED")
        yield between(f"slot {place}, MLflow's status", run.info.status, wanted)
        if row["value"]:
            told = str(run.data.metrics.get("value", ""))
            yield _apart(f"slot {place}, MLflow's value", told, row["value"])
        for key in (name for name in map(str, new) if name.startswith("params.")):
            told = str(run.data.params.get(key.removeprefix("params."), ""))
            if row[key] or told not in ("", "None"):
                yield _apart(f"slot {place}, MLflow's {key}", told, row[key])


def _apart(key: str, old: str | None, new: str | None) -> Apart | None:
    """Two texts, as numbers where both are; parameters are the same or are not."""
    pair = [_number(value) for value in (old, new)]
    if None in pair:
        return between(key, old, new)
    found = between(key, *pair)
    return Apart(found.first, None) if found and "params." in key else found


def _number(value: str | None) -> float | None:
    try:
        return float(value or "")
    except ValueError:
        return None
