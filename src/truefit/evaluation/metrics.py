"""The keys of metrics.json, which is a plain dictionary, as `truefit show --json` prints it."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from truefit.core.words import VerdictName, YardstickKind

# By name, each with the ends of its interval as `_low` and `_high`; `None` where it is undefined.
Scores = dict[str, float | None]
Details = dict[str, dict[str, float]]  # figures without intervals, by class or label


class LeadScores(TypedDict):
    """By how much a yardstick is better than the model, by one score: see `evidence.Lead`."""

    lead: float
    low: float
    high: float
    p: float


class YardstickScores(TypedDict):
    """A yardstick beside the model, by split."""

    name: str
    kind: YardstickKind
    rows: int  # that it learned from
    scores: dict[str, Scores]
    leads: dict[str, dict[str, LeadScores]]


class Gap(TypedDict):
    """Validation loss less training loss."""

    gap: float | None
    gap_low: float | None
    gap_high: float | None


class Optimism(TypedDict, total=False):
    """By how much a search's winner looks too good; without a search there is none."""

    optimism: float | None
    optimism_low: float | None
    optimism_high: float | None
    optimism_beside: str | None  # the yardstick that shows the splits' own difference


class Metrics(Gap, Optimism):
    """All that was measured; what may be missing was not written by earlier versions.

    `details` are there for some scorings alone.
    """

    train: Scores
    validation: Scores
    test: Scores
    verdict: VerdictName
    headline: str  # the score that a person asks for first
    baseline: NotRequired[float]  # the validation loss of the constant answer
    yardsticks: NotRequired[list[YardstickScores]]
    same_loss: NotRequired[bool]  # whether the model learned by the loss that is scored
    details: NotRequired[dict[str, Details]]  # by split
