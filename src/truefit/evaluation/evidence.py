"""What a verdict is drawn from: losses, curves, leaks, yardsticks, and what the rows are like."""

from __future__ import annotations

from dataclasses import dataclass, field

from truefit.core.prepared.caps import Cap


@dataclass(frozen=True)
class Losses:
    """Losses at the weights that were kept, with the ends of two intervals that decide.

    `baseline` is the validation loss of `naive`, mostly the constant answer. `surely_better` says
    whether the validation loss lies below it by more than chance.
    """

    train: float
    validation: float
    baseline: float
    gap_low: float
    gap_high: float
    rows: int  # validated on
    surely_better: bool
    naive: str = "the constant answer"

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
    """Losses after each epoch, dropout off; `epochs` is how many were allowed, `kept` which won.

    `baseline` is the constant answer's loss, as the training measures it: a model or a task may
    have another loss than the scores. `limit` is the time limit in seconds, if that ended it.
    """

    train: list[float]
    validation: list[float]
    epochs: int
    kept: int
    baseline: float
    limit: float | None = None


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
class Lead:
    """By how much a yardstick is better than the model on the validation rows, by one score.

    `lead` is in units of the score, above 0 if the yardstick is better; `low` and `high` bound it
    at `evaluation.confidence_level`, in pairs of equal rows. `p` is the chance of so large a lead
    between equals.
    """

    score: str
    lead: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Beside:
    """A yardstick beside the model; `loss` is its validation loss, `None` if it has none."""

    name: str
    kind: str
    loss: float | None
    leads: tuple[Lead, ...]


@dataclass(frozen=True)
class Sure:
    """The model's surest validation predictions, and how many of them the label contradicts.

    `low` is the lower end of the exact 95 % interval of that share. `everywhere` is the share of
    wrong predictions on all validation rows, `constant` that of the constant answer.
    """

    rows: int
    wrong: int
    low: float
    everywhere: float
    constant: float


@dataclass(frozen=True)
class Missed:
    """A class of unbalanced data that the model (almost) never recognises; its validation rows."""

    name: str
    rows: int


@dataclass(frozen=True)
class Evidence:
    """All that a verdict is drawn from."""

    losses: Losses
    curve: Curve
    leaks: Leaks
    beside: tuple[Beside, ...] = ()
    sure: Sure | None = None
    cap: Cap | None = None
    missed: Missed | None = None
