"""The learning rate over a training: its warm-up, and how it falls."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import keras
from keras import ops
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule

if TYPE_CHECKING:
    from truefit.config.schema import Training

# One cycle (Smith & Topin 2019): from a 25th of the highest rate, over 0.3 of the steps, to it, and
# along a cosine down to a 10,000th of it. The figures are those of PyTorch's OneCycleLR.
RISE, START, END = 0.3, 1 / 25, 1e-4


class Accumulated(LearningRateSchedule):  # type: ignore[misc] # Keras has no stubs
    """A schedule by steps of several batches each; Keras asks with the number of batches."""

    def __init__(self, schedule: LearningRateSchedule, batches: int) -> None:
        """`batches` make one step."""
        self.schedule, self.batches = schedule, batches

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """The rate of the step that this batch is part of."""
        return self.schedule(step // self.batches)

    def get_config(self) -> dict[str, Any]:
        """The arguments, by their names."""
        return {"schedule": self.schedule, "batches": self.batches}


class Decay(LearningRateSchedule):  # type: ignore[misc] # Keras has no stubs
    """Times `factor` over each `every` steps, after a rise from 0 over the first `rising`.

    Little by little, or with `is_step` at the end of each. It never falls below `lowest`.
    """

    def __init__(
        self,
        highest: float,
        every: float,
        factor: float,
        lowest: float,
        rising: int,
        *,
        is_step: bool,
    ) -> None:
        """Rates are those of the optimizer; `every` and `rising` count steps."""
        self.highest, self.every, self.factor = highest, every, factor
        self.lowest = min(lowest, highest)  # a rate below it stays as it is
        self.rising, self.is_step = rising, is_step

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """The rate after so many steps."""
        step = ops.cast(step, "float32")
        times = ops.maximum(step - self.rising, 0.0) / self.every
        share = ops.power(self.factor, ops.floor(times) if self.is_step else times)
        rate = ops.maximum(self.highest * share, self.lowest)
        if not self.rising:
            return rate
        return ops.where(step < self.rising, self.highest * step / self.rising, rate)

    def get_config(self) -> dict[str, Any]:
        """The arguments, by their names."""
        return vars(self).copy()


def make_schedule(
    highest: float, epochs: int, batches: int, together: int, training: Training
) -> LearningRateSchedule | None:
    """The rate by the number of batches so far; nothing where it is `highest` throughout.

    In the share `training.warmup` of all steps it rises from 0.

    Args:
        highest: the configured rate of the optimizer.
        epochs: how many there are at most.
        batches: how many an epoch has.
        together: how many of them make one step.
        training: its `schedule`, `warmup` and `decay` count.
    """
    schedule = _by_steps(highest, epochs, batches / together, training)
    return Accumulated(schedule, together) if schedule and together > 1 else schedule


def _by_steps(
    highest: float, epochs: int, steps_an_epoch: float, training: Training
) -> LearningRateSchedule | None:
    steps, decay = ceil(epochs * steps_an_epoch), training["decay"]
    rising = ceil(training["warmup"] * steps)
    match training["schedule"]:
        case "cosine":
            return _cosine(highest, 0.0, 0.0, rising, steps)
        case "one_cycle":
            return _cosine(highest, START, END, rising or ceil(RISE * steps), steps)
        case "plateau":
            return None  # it falls by the losses, from the optimizer's own rate
        case "step" | "exponential" as kind:
            every = decay["epochs"] * steps_an_epoch
            is_step = kind == "step"
            return Decay(highest, every, decay["factor"], decay["lowest"], rising, is_step=is_step)
    return _cosine(highest, 0.0, 1.0, rising, steps) if rising else None


def _cosine(
    highest: float, start: float, end: float, rising: int, steps: int
) -> LearningRateSchedule:
    """Keras' own (Loshchilov & Hutter 2017); `start` and `end` are shares of the highest rate."""
    return CosineDecay(
        start * highest if rising else highest,
        max(1, steps - rising),
        alpha=end,
        warmup_target=highest if rising else None,
        warmup_steps=rising,
    )
