"""The verdict on a training: what is wrong, how that is known, and what to try next.

All rules and their thresholds stand here. `python benchmarks/verdicts.py` puts them to trainings
with a known cause; docs/overfitting.md has what came out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Name = Literal[
    "good", "overfit", "underfit", "diverged", "learning rate too high", "validation too small",
    "suspicious",
]  # fmt: skip

# Of the improvement over a constant prediction that training rows show, unseen rows may lose this
# share before it is called overfitting. Our own choice; the intervals say how sure it is.
LOST = 0.10
# An interval of that share which is wider than this and holds LOST says too little for a verdict.
WIDEST = 0.3
# Of the rows of a split this share may stand in training too, and as many as chance puts there.
SHARED = 0.05
# A single feature that explains as much, with a quarter of the next one's mistakes, is the answer
# and no cause of it (Kaufman et al. 2012 call it leakage; the figures are ours).
REVEALS, NEXT = 0.97, 0.25
# Beyond so many standard errors a validation loss below the training loss is no luck: 1 in 200.
SURELY = 2.58
# Below so many validation rows a percentile interval is too narrow (Hesterberg 2015, section 4.1).
FEW = 30
# A loss that came down by less than this share of the baseline has learned nothing, and one that
# came down by less than HALF has not learned its own rows by heart.
LEARNED, HALF = 0.05, 0.5
# Mean rise of the training loss from epoch to epoch, as a share of all that it ever gained: above
# this the steps overshoot (Smith 2017 finds the largest rate by where the loss becomes ragged).
# Among 100 trainings made for it the others stay below 0.004, and those above begin at 0.03.
RAGGED = 0.02
# Share of the whole gain that the last fifth of all epochs brought: above this it was not over.
RISING = 0.05
# How improbable it is that a forest on the same rows is better by chance (McNemar 1947).
CHANCE = 0.01


@dataclass(frozen=True)
class Losses:
    """Losses at the weights that were kept, with the ends of two intervals that decide.

    `baseline` is the validation loss of `naive`, mostly the best constant prediction.
    """

    train: float
    validation: float
    validation_high: float
    baseline: float
    gap_low: float
    gap_high: float
    rows: int  # validated on
    naive: str = "a constant prediction"

    @property
    def gap(self) -> float:
        """What unseen rows lose."""
        return self.validation - self.train

    @property
    def gained(self) -> float:
        """What training rows gained over the baseline."""
        return self.baseline - self.train


@dataclass(frozen=True)
class Curve:
    """Losses after each epoch, dropout off; `epochs` is how many were allowed, `kept` which won."""

    train: list[float]
    validation: list[float]
    epochs: int
    kept: int


@dataclass(frozen=True)
class Leaks:
    """What is known of the rows: of each split how many stand in training too, and by chance.

    `revealing` is a column that alone explains the share `explained` of the target, the next one
    `next_best`. `equal` counts rows that repeat another one of their split.
    """

    rows: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    by_chance: dict[str, int] = field(default_factory=dict)
    revealing: str | None = None
    explained: float = 0.0
    next_best: float = 0.0
    equal: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Forest:
    """How a forest of the same rows does on the validation rows: a simple thing to beat."""

    better: int  # rows that it alone gets right, or comes nearer to
    worse: int
    p: float


@dataclass(frozen=True)
class Evidence:
    """All that a verdict is drawn from."""

    losses: Losses
    curve: Curve
    leaks: Leaks
    forest: Forest | None = None


@dataclass(frozen=True)
class Verdict:
    """A class of training, and the evidence for it in one sentence; `cause` is a rule's name."""

    name: Name
    evidence: str
    cause: str


def judge(evidence: Evidence) -> Verdict:
    """The first of these that holds: what makes losses meaningless comes before what they say."""
    rules = (
        _suspicious, _unsteady, _few, _unlearned, _starved, _overfit, _unfinished, _beaten,
        _too_small,
    )  # fmt: skip
    for rule in rules:
        for found in rule(evidence):
            return found
    losses = evidence.losses
    if losses.gap <= 0:
        text = f"validation is no worse than training, and better than {losses.naive}"
    else:
        text = _share(losses)
    return Verdict("good", text, "none")


def _suspicious(evidence: Evidence) -> Iterator[Verdict]:
    leaks, losses = evidence.leaks, evidence.losses
    for split, count in leaks.shared.items():
        rows, chance = leaks.rows[split], leaks.by_chance[split]
        if count > SHARED * rows and count > 3 * chance:
            text = f"{count} of {rows} {split} rows stand in the training split too"
            yield Verdict("suspicious", text, "shared rows")
    says_more = 1 - leaks.explained <= NEXT * (1 - leaks.next_best)
    if leaks.revealing and leaks.explained > REVEALS and says_more:
        yield Verdict(
            "suspicious",
            f"{leaks.revealing} alone explains {leaks.explained:.1%} of the target, the next "
            f"best feature {leaks.next_best:.1%}: it may be known only when the answer is",
            "revealing feature",
        )
    error = (losses.gap_high - losses.gap_low) / (2 * 1.96)
    if losses.rows >= FEW and -losses.gap > max(SURELY * error, LOST * losses.gained):
        yield Verdict(
            "suspicious",
            f"validation is better than training by {-losses.gap:.4f}, and the standard error of "
            f"that is {error:.4f}: the splits are not of one kind",
            "better than training",
        )


def _unsteady(evidence: Evidence) -> Iterator[Verdict]:
    curve, losses = evidence.curve, evidence.losses
    ragged = raggedness(curve, losses.baseline)
    if ragged > RAGGED:
        yield Verdict(
            "learning rate too high",
            f"the training loss rises again by {ragged:.1%} of all it gained in a mean epoch"
            if ragged < 1
            else "the training loss goes up and down, and gains little or nothing by it",
            "ragged",
        )


def raggedness(curve: Curve, baseline: float) -> float:
    """Mean rise of the training loss from an epoch to the next, of what it gained at best.

    A loss that has learned nothing is measured by a share of the baseline.
    """
    if len(curve.train) < 2:
        return 0.0
    gained = max(baseline - min(curve.train), LEARNED * abs(baseline))
    rises = (max(0.0, after - before) for before, after in pairwise(curve.train))
    return sum(rises) / (len(curve.train) - 1) / gained


def _unlearned(evidence: Evidence) -> Iterator[Verdict]:
    losses = evidence.losses
    has_learned = losses.gained > LEARNED * abs(losses.baseline)
    if losses.validation_high >= losses.baseline and not has_learned:
        yield Verdict(
            "underfit",
            f"the validation loss of {losses.validation:.4f} (up to {losses.validation_high:.4f}) "
            f"is no better than that of {losses.naive}, {losses.baseline:.4f}",
            "no better than naive",
        )


def _starved(evidence: Evidence) -> Iterator[Verdict]:
    """A gap is no sign of too much capacity in a model that did not even learn its own rows."""
    losses = evidence.losses
    if losses.gained < HALF * abs(losses.baseline):
        yield from _beaten(evidence)


def _overfit(evidence: Evidence) -> Iterator[Verdict]:
    losses = evidence.losses
    if losses.gap_low > 0 and losses.gained > 0 and losses.gap > LOST * losses.gained:
        yield Verdict("overfit", _share(losses), "gap")


def _few(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.losses.rows < FEW:
        yield Verdict(
            "validation too small",
            f"{evidence.losses.rows} validation rows: with fewer than {FEW} no interval can be "
            "trusted",
            "wide interval",
        )


def _too_small(evidence: Evidence) -> Iterator[Verdict]:
    losses = evidence.losses
    if losses.gained <= 0:
        return
    low, high = losses.gap_low / losses.gained, losses.gap_high / losses.gained
    if high - low > WIDEST and high > LOST:
        yield Verdict(
            "validation too small",
            f"the gap lies between {low:.0%} and {high:.0%} of what training gained: the "
            f"validation rows cannot tell good from overfit",
            "wide interval",
        )


def _unfinished(evidence: Evidence) -> Iterator[Verdict]:
    curve, losses = evidence.curve, evidence.losses
    if curve.kept < curve.epochs or len(curve.validation) < 2:
        return
    last = max(1, len(curve.validation) // 5)
    gain = curve.validation[-1 - last] - curve.validation[-1]
    whole = losses.baseline - curve.validation[-1]
    if whole > 0 and gain > RISING * whole:
        yield Verdict(
            "underfit",
            f"the last {last} of {curve.epochs} epochs brought {gain / whole:.0%} of all that "
            "validation gained: it was not over",
            "unfinished",
        )


def _beaten(evidence: Evidence) -> Iterator[Verdict]:
    forest = evidence.forest
    if forest and forest.p < CHANCE and forest.better > forest.worse:
        yield Verdict(
            "underfit",
            f"a forest of the same training rows does better on {forest.better} validation rows, "
            f"and worse on {forest.worse}",
            "beaten by a forest",
        )


def _share(losses: Losses) -> str:
    over = f"{losses.naive} ({losses.baseline:.4f} to {losses.train:.4f})"
    return (
        f"the gap of {losses.gap:.4f} is {losses.gap / losses.gained:.0%} of what training gained "
        f"over {over}"
    )
