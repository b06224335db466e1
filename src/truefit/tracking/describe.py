"""What a person reads of a run in MLflow: its description, and its values at the best epoch."""

from __future__ import annotations

from truefit.core.endings import counts
from truefit.core.results import Logs, Result, Values

# MLflow shows KILLED as it shows FAILED; a pruned trial has ended as planned, and its tag says so.
STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "stopped": "KILLED", "killed": "KILLED"}


def status(state: str, *, has_result: bool) -> str:
    """MLflow's status of a run that ended so: FINISHED as planned, FAILED, or KILLED."""
    if counts(state, has_result=has_result):
        return "FINISHED"
    return STATUS.get(state, "FAILED")


def describe(state: str, reason: str, result: Result | None, excess: float | None = None) -> str:
    """How a training ended, and whether it overfits, in Markdown.

    `excess` is how far the gap is beyond `search.max_gap`.
    """
    text = f"**{state}** {reason.partition(chr(10))[0]}".strip()
    if result is None:
        return text
    text += (
        f"\n\nValidation loss {result.best_val_loss:.4f} at epoch {result.best_epoch}, "
        f"gap {result.gap:+.4f}"
    )
    if excess and excess > 0:
        text += f", {excess:.3g} more than `search.max_gap` wants"
    return text


def at_best(result: Result | None, history: list[Logs]) -> Values:
    """The result with every metric at the best epoch: `best_val_<name>` and `<name>_at_best`.

    The losses are those measured at the restored weights. Of folds the means say all.
    """
    if result is None:
        return {}
    if result.folds is not None:
        return {name: value for name, value in result.to_json().items() if name != "folds"}
    best = next((row for row in history if row["epoch"] == result.best_epoch), {})
    named = {
        f"best_{name}" if name.startswith("val_") else f"{name}_at_best": value
        for name, value in best.items()
        if name not in ("epoch", "loss", "val_loss", "train_loss", "gap")
    }
    return {**named, **result.to_json()}
