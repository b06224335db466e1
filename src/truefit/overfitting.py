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
    """Losses at the restored weights; `baseline` is that of the best constant prediction."""

    train: float
    validation: float
    baseline: float
    gap_low: float


def judge(losses: Losses) -> tuple[Verdict, str]:
    """The verdict and the evidence for it, in one sentence.

    `underfit`: unseen rows are predicted no better than by a constant. `overfit`: the gap is above
    0 beyond its interval and takes more than `LOST` of what the training rows gained. Else `good`.
    """
    if losses.validation >= losses.baseline:
        return "underfit", (
            f"validation loss {losses.validation:.4f} is no better than a constant prediction's "
            f"{losses.baseline:.4f}"
        )
    gap = losses.validation - losses.train
    share = gap / (losses.baseline - losses.train)
    evidence = (
        f"the gap of {gap:.4f} is {share:.0%} of what training gained over a constant prediction "
        f"({losses.baseline:.4f} to {losses.train:.4f})"
    )
    return ("overfit" if share > LOST and losses.gap_low > 0 else "good"), evidence
