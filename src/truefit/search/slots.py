"""A slot is one place in a study; it is filled once, by one trial, in one of the ending classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from truefit.core.endings import State, counts
from truefit.core.resolved import Params
from truefit.core.results import Logs, Result
from truefit.search import objective
from truefit.search.window import Notes, Outcome
from truefit.training.process.child import Ending

if TYPE_CHECKING:
    from truefit.config.schema import Search

# Ending classes that tell a sampler something about the parameters where there is no result.
BAD = ("pruned", "diverged", "timed_out")


@dataclass(frozen=True)
class Slot:
    """What a filled slot holds; a `result` has only what is `complete`, `pruned` or `timed_out`.

    `value` is what the study minimises: the validation loss at the restored weights, or what
    `search.objective` makes of it. `trained`, `kind` and `own` are as in `child.Ending`.
    """

    slot: int
    state: State
    reason: str
    params: Params
    value: float | None
    result: Result | None
    seconds: float
    trained: bool = True
    kind: str = ""
    own: bool = False

    @property
    def can_win(self) -> bool:
        """Whether it is a candidate: complete, or timed out with what this limit can reach."""
        return counts(self.state, has_result=self.value is not None)

    @property
    def counted(self) -> Result:
        """The result of a slot that can win.

        Raises:
            ValueError: it has none.
        """
        if self.result is None:
            raise ValueError(f"slot {self.slot}: expected a result, received {self.state}")
        return self.result

    @property
    def gap(self) -> float | None:
        """Validation loss minus training loss, both at the restored weights."""
        return self.result.gap if self.result else None

    @property
    def constant_loss(self) -> float | None:
        """Validation loss of the constant answer, which is the same for all slots of a study."""
        return self.result.constant_loss if self.result else None


def filled(search: Search, number: int, params: Params, ending: Ending) -> Slot:
    """The slot that an ending makes."""
    value = objective.values(search, ending.result)[0] if ending.result else None
    return Slot(
        number, ending.state, ending.reason, params, value, ending.result, ending.seconds,
        ending.trained, ending.kind, ending.own,
    )  # fmt: skip


@dataclass(frozen=True)
class SlotRecord:
    """What the study keeps of a filled slot: it, its values by epoch, and the pruner's notes."""

    slot: Slot
    history: list[Logs]
    notes: Notes = field(default_factory=dict)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> SlotRecord:
        """What `to_json` gave, now or in an earlier version."""
        result = found["slot"]["result"]
        slot = Slot(**{**found["slot"], "result": Result.from_json(result) if result else None})
        return cls(slot, found["history"], found["notes"])

    def to_json(self) -> dict[str, object]:
        """As an attribute of the slot's trial."""
        result = self.slot.result.to_json() if self.slot.result else {}
        slot = {**vars(self.slot), "result": result}
        return {"slot": slot, "history": self.history, "notes": self.notes}


def outcome(search: Search, record: SlotRecord) -> Outcome:
    """What the sampler is told of a slot: a bad one is as if pruned, bad luck is nothing."""
    slot, notes = record.slot, record.notes
    excess = objective.excess(search, slot.result) if slot.result else None
    steps = [objective.step_value(search, logs) for logs in record.history]
    if slot.can_win:
        values = objective.values(search, slot.counted)
        return Outcome(TrialState.COMPLETE, values, steps, excess, notes)
    if slot.state in BAD and search["objective"] != "pareto":
        return Outcome(TrialState.PRUNED, None, steps, excess, notes)
    return Outcome(TrialState.FAIL)
