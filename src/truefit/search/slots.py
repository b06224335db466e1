"""A slot is one place in a study; it is filled once, by one trial, in one of the ending classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from optuna.trial import TrialState

from truefit.core.endings import counts
from truefit.core.resolved import Params, Tree
from truefit.core.results import Logs
from truefit.search import objective
from truefit.search.window import Outcome
from truefit.training.process.child import Ending

# Ending classes that tell a sampler something about the parameters where there is no result.
BAD = ("pruned", "diverged", "timed_out")


@dataclass(frozen=True)
class Slot:
    """What a filled slot holds; `result` is empty unless it is `complete`, `pruned` or `timed_out`.

    `value` is what the study minimises: the validation loss at the restored weights, or what
    `search.objective` makes of it. `trained` and `kind` are as in `child.Ending`.
    """

    slot: int
    state: str
    reason: str
    params: Params
    value: float | None
    result: Tree
    seconds: float
    trained: bool = True
    kind: str = ""

    @property
    def can_win(self) -> bool:
        """Whether it is a candidate: complete, or timed out with what this limit can reach."""
        return counts(self.state, has_result=self.value is not None)

    @property
    def gap(self) -> float | None:
        """Validation loss minus training loss, both at the restored weights."""
        return self.result.get("gap")

    @property
    def constant_loss(self) -> float | None:
        """Validation loss of the constant answer, which is the same for all slots of a study."""
        return self.result.get("constant_loss")


def filled(search: Tree, number: int, params: Params, ending: Ending) -> Slot:
    """The slot that an ending makes."""
    value = objective.values(search, ending.result)[0] if ending.result else None
    return Slot(
        number, ending.state, ending.reason, params, value, ending.result, ending.seconds,
        ending.trained, ending.kind,
    )  # fmt: skip


def pack(slot: Slot, history: list[Logs], notes: Tree) -> Tree:
    """What the study keeps of a slot, as attributes of its trial."""
    return {"record": {"slot": asdict(slot), "history": history, "notes": notes}}


def unpack(attributes: Tree) -> tuple[Slot, list[Logs], Tree]:
    """What `pack` has kept: the slot, its values by epoch, and the pruner's notes."""
    record = attributes["record"]
    return Slot(**record["slot"]), record["history"], record["notes"]


def outcome(search: Tree, slot: Slot, history: list[Logs], notes: Tree) -> Outcome:
    """What the sampler is told of a slot: a bad one is as if pruned, bad luck is nothing."""
    excess = objective.excess(search, slot.result) if slot.result else None
    steps = [objective.step_value(search, logs) for logs in history]
    if slot.can_win:
        values = objective.values(search, slot.result)
        return Outcome(TrialState.COMPLETE, values, steps, excess, notes)
    if slot.state in BAD and search["objective"] != "pareto":
        return Outcome(TrialState.PRUNED, None, steps, excess, notes)
    return Outcome(TrialState.FAIL)
