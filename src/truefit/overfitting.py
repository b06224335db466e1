"""The verdict on a training, from its losses on the training and validation splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "overfit", "underfit"]
# Of the improvement over a constant prediction that training rows show, unseen rows may lose this
# share before it is called overfitting. Our own choice; the intervals say how sure it is.
LOST = 0.10


@dataclass(frozen=True)
class Losses:
    """Losses at the restored weights, with the ends of two intervals that decide.

    `baseline` is the validation loss of `naive`, mostly the best constant prediction.
    """

    train: float
    validation: float
    validation_high: float
    baseline: float
    gap_low: float
    naive: str = "a constant prediction"


def judge(losses: Losses) -> tuple[Verdict, str]:
    """The verdict and the evidence for it, in one sentence.

    `overfit`: the gap is above 0 beyond its interval and takes more than `LOST` of what the
    training rows gained over the baseline. `underfit`: the validation loss is not below the
    baseline beyond its interval. Else `good`.
    """
    gap, gained = losses.validation - losses.train, losses.baseline - losses.train
    over = f"{losses.naive} ({losses.baseline:.4f} to {losses.train:.4f})"
    if losses.gap_low > 0 and gained > 0 and gap > LOST * gained:
        return "overfit", (
            f"the gap of {gap:.4f} is {gap / gained:.0%} of what training gained over {over}"
        )
    if losses.validation_high >= losses.baseline:
        return "underfit", (
            f"the validation loss of {losses.validation:.4f} (up to {losses.validation_high:.4f}) "
            f"is no better than that of {losses.naive}, {losses.baseline:.4f}"
        )
    if gap <= 0:
        return "good", f"validation is no worse than training, and better than {losses.naive}"
    return "good", (
        f"the gap of {gap:.4f} is {gap / gained:.0%} of what training gained over {over}"
    )
