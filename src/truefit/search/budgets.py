"""What ends a study before its last slot: time, GPU hours, no progress, of all its workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from truefit.search.slots import Slot
from truefit.search.storage.trial import Trial
from truefit.search.winner import candidates

if TYPE_CHECKING:
    from truefit.config.schema import Search

HOUR = 3600.0
Span = tuple[float, float]


def exhausted(search: Search, trials: Iterable[Trial], now: float) -> str:
    """`time_limit` or `gpu_hours` where the trials have used that budget up, else nothing.

    `now` is in seconds since the epoch.
    """
    if search["time_limit"] is None and search["gpu_hours"] is None:
        return ""
    spans = [(span, trial.begun.gpus) for trial, span in _spans(trials, now)]
    if search["time_limit"] is not None and busy([s for s, _ in spans]) > search["time_limit"]:
        return "time_limit"
    hours = sum((end - start) * share for (start, end), share in spans) / HOUR
    if search["gpu_hours"] is not None and hours > search["gpu_hours"]:
        return "gpu_hours"
    return ""


def busy(spans: Iterable[Span]) -> float:
    """Seconds in which at least one trial was under way: overlaps count once, pauses not."""
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def has_no_patience(search: Search, number: int, slots: dict[int, Slot]) -> bool:
    """Whether the results that slot `number` may use show no progress for too long."""
    patience, last = search["patience"], number - search["window"]
    if patience is None:
        return False
    done = candidates(slots[k] for k in range(last + 1))
    if not done:
        return False
    best = min(done, key=lambda candidate: (candidate.value, candidate.slot))
    return bool(last - best.slot >= patience)


def _spans(trials: Iterable[Trial], now: float) -> Iterable[tuple[Trial, Span]]:
    """When each trial trained, as far as it is known: a filled slot has its last attempt."""
    for trial in trials:
        began = trial.begun.at
        if trial.ended is not None and trial.record:
            seconds = trial.record.slot.seconds
            start = trial.ended.timestamp() - seconds if began is None else began
            yield trial, (start, start + seconds)
        elif trial.state == TrialState.RUNNING and began is not None:
            yield trial, (min(began, now), now)
