"""What a study minimises: the validation loss, with or beside the gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from truefit.core.results import Logs, Result

if TYPE_CHECKING:
    from truefit.config.schema import Search


def values(search: Search, result: Result) -> list[float]:
    """The objectives of a finished training, the first of which decides between trials.

    Args:
        search: its `objective` is `loss`, `penalized` (loss + gap_weight * gap, where a gap
            below 0 counts as 0: to fit the training rows worse is no merit) or `pareto`.
        result: what `training.train` returned.
    """
    loss, gap = float(result.best_val_loss), float(result.gap)
    match search["objective"]:
        case "penalized":
            return [loss + search["gap_weight"] * max(gap, 0.0)]
        case "pareto":
            return [loss, gap]
    return [loss]


def step_value(search: Search, logs: Logs) -> float:
    """The same scalar after one epoch, or over the folds so far: what pruning compares."""
    if search["objective"] == "penalized":
        return float(logs["val_loss"] + search["gap_weight"] * max(logs["gap"], 0.0))
    return float(logs["val_loss"])


def excess(search: Search, result: Result) -> float | None:
    """How far the gap is beyond `max_gap`: the soft constraint, kept at 0 or below."""
    limit = search["max_gap"]
    if limit is None:
        return None
    allowed = max(limit["absolute"], limit["relative"] * abs(result.best_val_loss))
    return float(result.gap) - float(allowed)
