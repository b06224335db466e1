"""A study that ran again, slot by slot."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import pandas as pd

from truefit.tracking.describe import status
from truefit.tracking.store import MlflowRun
from truefit.tracking.views import STATE
from truefit.verify.numbers import Apart, between, together
from truefit.verify.verdict import Check

UNLIKE = "seconds"  # never twice the same
CONCLUSIONS = ("winner", "finalists", "against_winner", "configured", "counts", "ended", "folds")


def slots(
    recorded: str,
    now: str,
    summaries: tuple[Mapping[str, object] | None, Mapping[str, object]],
    trials: list[MlflowRun],
    changed: str,
) -> Check:
    """Every slot's state, parameters and value, and what the search came to.

    Args:
        recorded: the study's trials.csv.
        now: that of the study that has just run.
        summaries: study.json, recorded (a training has it, a study has not) and made now.
        trials: the study's runs in MLflow.
        changed: inputs that changed while the study ran.
    """
    summary = summaries[0] or {}
    by_time = summary.get("ended") == "time_limit"  # how far it comes hangs on the machine
    note = "ended by search.time_limit: the slots that both have are compared" if by_time else ""
    old, new = (
        pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False) for text in (recorded, now)
    )

    def found() -> Iterator[Apart | None]:
        if changed:
            yield Apart(f"{changed} changed while the search ran", None)
        if len(old) != len(new) and not by_time:
            yield Apart(f"slots: recorded {len(old)}, now {len(new)}", None)
        for place in range(min(len(old), len(new))):
            for key in [name for name in [*new, *({*old} - {*new})] if name != UNLIKE]:
                pair = [frame[key][place] if key in frame else None for frame in (old, new)]
                yield _apart(f"slot {place}, {key}", *pair)
        if summary and not by_time:
            then, here = (dict(_leaves("", one)) for one in (summary, summaries[1]))
            for key in sorted({*then, *here}):
                yield between(f"study.json: {key}", then.get(key), here.get(key))
        if trials:
            yield from _tracked(new.head(len(old)), trials)

    apart = together(found())
    return Check("slots", apart.first, apart.largest, note) if apart else Check("slots", note=note)


def _leaves(key: str, value: object) -> Iterator[tuple[str, object]]:
    """What a study came to, flat: the winner, the finalists, and how they compare."""
    inner = dict(enumerate(value)) if isinstance(value, list) else value
    if not isinstance(inner, Mapping):
        yield key, value
        return
    for name, one in inner.items():
        if key or name in CONCLUSIONS:
            yield from _leaves(f"{key}.{name}" if key else str(name), one)


def _tracked(new: pd.DataFrame, trials: list[MlflowRun]) -> Iterator[Apart | None]:
    """What MLflow shows of each slot."""
    by_slot = {run.data.tags.get("truefit.slot"): run for run in trials}
    for place in range(len(new)):
        run = by_slot.get(str(place))
        if run is None:
            yield Apart(f"slot {place}: MLflow has no trial of it", None)
            continue
        row = new.iloc[place]
        state, wanted = row["state"], status(row["state"], has_result=bool(row["value"]))
        yield between(f"slot {place}, MLflow's state", run.data.tags.get(STATE), state)
        if state != "pruned":  # earlier versions gave these KILLED
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
