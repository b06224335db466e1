"""What study.json says of a search: its winner, what chose it, its finalists and its trials."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from truefit.core.resolved import Params

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True)
class KeptTraining:
    """Which of the winner's trainings becomes the model: its seed makes it again.

    `repeat` is 0 for the trial itself, else the finalist's training of that number.
    """

    seed: int
    repeat: int
    val_loss: float


@dataclass(frozen=True)
class Winner:
    """The trial that won; `value` is what the study minimises, `chosen_by` the loss that chose it.

    With finalists `mean`, `low` and `high` are those of its value over several seeds. Without
    `trained` the trials were trainings in folds, of which none becomes the model.
    """

    slot: int
    value: float | None
    val_loss: float
    chosen_by: float
    gap: float | None
    params: Params
    trained: KeptTraining | None
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Configured:
    """Trial 0, which has the configured values: what there was to gain on."""

    value: float | None
    val_loss: float
    gap: float | None
    params: Params


@dataclass(frozen=True)
class Lowest:
    """The trial, or finalist, of the lowest value."""

    slot: int
    value: float


@dataclass(frozen=True)
class Finalist:
    """A trial's parameters over several seeds; `low` and `high` bound the mean value at 95 %.

    `losses` are the validation losses, which `values` are too unless the objective penalises.
    """

    slot: int
    values: list[float]
    losses: list[float]
    gaps: list[float]
    mean: float
    deviation: float
    val_loss: float
    low: float
    high: float
    gap: float
    parameters: int
    constant: float | None


@dataclass(frozen=True)
class PairedTest:
    """A finalist's values less the winner's in pairs of equal seeds, by Student's paired test.

    `low` and `high` bound the mean at 95 %; `p` is how probable so large a one is between equals.
    """

    slot: int
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class FoldCounts:
    """Trainings in folds: how many there were, and how many pruning has saved."""

    sha256: str  # of which row lies in which fold
    trained: int
    saved: int


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """What a search came to."""

    study: str  # its name
    run_id: str | None  # of the study's run in MLflow
    winner: Winner
    constant_loss: float | None  # validation loss of the constant answer
    lowest: Lowest
    margin: float  # up to which above the lowest value others count as equal
    decided_by: str
    finalists: list[Finalist]
    against_winner: list[PairedTest]
    rule: str  # of how a winner is chosen
    configured: Configured | None
    ended: str  # `n_trials`, or the budget that ended it
    folds: FoldCounts | None
    importances: dict[str, dict[str, float]]  # of each parameter for the `value` and for the `gap`
    identity: dict[str, object]  # what its results depend on: see `search.identity`
    counts: dict[str, int]  # of the trials by their ending class
    front: list[int] | None = None  # of two objectives: slots that no other beats in both

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> StudySummary | None:
        """What `study_json` gave; `None` where nothing was searched.

        What an earlier version did not write is `None` or empty.
        """
        if not found.get("winner"):
            return None
        winner = found["winner"]
        return replace(
            _read(cls, found),
            winner=replace(_read(Winner, winner), trained=_of(KeptTraining, winner.get("trained"))),
            lowest=_read(Lowest, found.get("lowest") or {}),
            finalists=[_read(Finalist, one) for one in found.get("finalists") or []],
            against_winner=[_read(PairedTest, one) for one in found.get("against_winner") or []],
            configured=_of(Configured, found.get("configured")),
            folds=_of(FoldCounts, found.get("folds")),
        )

    @classmethod
    def read(cls, file: Path) -> StudySummary | None:
        """What study.json says; `None` where nothing was searched, or it cannot be read."""
        try:
            return cls.from_json(json.loads(file.read_text()))
        except (OSError, ValueError, AttributeError, TypeError):
            return None


def study_json(summary: StudySummary | None) -> dict[str, object]:
    """What study.json holds; without a summary nothing was searched."""
    if summary is None:
        return {"study": None, "run_id": None, "winner": None, "counts": {}}
    found = asdict(summary)
    for block, names in ((found, ("front",)), (found["winner"], ("mean", "low", "high"))):
        for name in names:
            if block[name] is None:
                del block[name]
    return found


def of_slot(among: Iterable[Finalist], slot: int) -> Finalist | None:
    """The finalist of a slot, if it is one."""
    return next((finalist for finalist in among if finalist.slot == slot), None)


def _read(kind: type[T], found: Mapping[str, object]) -> T:
    return kind(**{one.name: found.get(one.name) for one in fields(kind)})


def _of(kind: type[T], found: Mapping[str, object] | None) -> T | None:
    return _read(kind, found) if found else None
