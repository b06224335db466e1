"""What one training says: its values after each epoch, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from truefit.core.trees import fields_of

# Values by name: `loss` (in training, dropout on), `val_loss`, the task's metrics of both,
# `learning_rate`, with `train_loss` and `gap` where they are measured. A row of a history has
# `epoch` (from 1) too.
Logs = dict[str, float]
Values = dict[str, float | str | list[float] | None]
# How a result over folds is written, which has its means first.
OF_FOLDS = (
    "best_val_loss", "train_loss_at_best", "gap", "constant_loss", "best_epoch", "parameters",
    "weights_sha256", "samples_per_second", "folds", "seconds", "resumed_after",
    "peak_memory_mb", "cpu_seconds", "gpu_seconds", "gpu_energy_joules",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a training came to; with `folds` the means of the trainings in all of them.

    Losses are those of the restored weights, with dropout off, in the unit of the task's loss. What
    may be `None` is not known, or not written by earlier versions.
    """

    best_epoch: int  # from 1; of folds the median
    best_val_loss: float
    train_loss_at_best: float
    gap: float  # validation loss less training loss
    # The validation loss of the constant answer; `None` where there is no such answer, or the model
    # has a loss of its own.
    constant_loss: float | None = None
    parameters: int  # numbers that are trained
    weights_sha256: str  # of folds over those of all
    seconds: float  # to build, train and measure
    samples_per_second: float | None = None  # while it trains, compilation included
    resumed_after: int | None = None  # epochs that a killed process left behind
    folds: list[float] | None = None  # the validation loss of each
    peak_memory_mb: float | None = None  # of the process, resident
    cpu_seconds: float | None = None
    gpu_seconds: float | None = None  # over all of its GPUs
    gpu_energy_joules: float | None = None

    @classmethod
    def from_json(cls, found: Mapping[str, object]) -> Result:
        """What `to_json` gave, now or in an earlier version, perhaps among other keys."""
        return cls(**fields_of(cls, found))

    def to_json(self) -> Values:
        """As studies.db, run.json and the journal have it, without what is not known."""
        values, names = vars(self), OF_FOLDS if self.folds is not None else vars(self)
        kept = (name for name in names if values[name] is not None or name == "constant_loss")
        return {name: values[name] for name in kept}
