"""Endings before anything was trained: is a slot's fault that of its parameters, or the worker's?

A worker that cannot train would fill every slot that it takes. So its first such ending is held
back until a training whose parameters have a result elsewhere is tried here: where that trains, the
parameters are at fault and the slot is filled; where it does not, the slots go back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from optuna.trial import TrialState

from truefit.core.errors import UserError, WorkerError
from truefit.core.own_code import for_screen
from truefit.search.claims import Claims
from truefit.search.slots import Slot, SlotRecord
from truefit.search.storage.trial import StartFailure
from truefit.training.process.child import Ending
from truefit.training.process.pool import Pool

TEST = -1  # the key of the training that tests this worker, which fills no slot
WAY_OUT = (
    "what it had begun is given back, and other workers go on. `truefit doctor` shows what this "
    "machine has; free or allow more memory, or install what is missing, then start it again"
)


@dataclass(frozen=True)
class Doubtful:
    """A slot that is not filled before it is clear whose fault its ending is."""

    trial: int
    record: SlotRecord
    passes: bool = False  # to another worker, if one lives, before it counts


def unfit(ending: Ending, what: str) -> WorkerError:
    """The error of a worker that ended so where it had to be able to train."""
    return WorkerError(
        f"this worker cannot train: {what} ended as {ending.state} before its first epoch: "
        f"{for_screen(ending.reason, own=ending.own)}\nNothing is put down to the parameters; "
        f"{WAY_OUT}",
        own=ending.own,
    )


@dataclass
class Doubts:
    """What this worker holds back, and the test of it; `test` starts a slot's training again."""

    claims: Claims
    pool: Pool[int]
    test: Callable[[Slot], None]
    leads: bool
    held: dict[int, Doubtful] = field(default_factory=dict)
    _tested_by: int | None = None  # the slot whose parameters are tried here now
    _first_two_differ: bool = False

    def hold(self, trial: int, record: SlotRecord, *, passes: bool) -> None:
        """Keep an ending back, and let the others know of it; see `Doubtful.passes`."""
        self.held[record.slot.slot] = Doubtful(trial, record, passes)
        self.claims.study.doubt(trial, _fault_of(record.slot))

    @property
    def are_open(self) -> bool:
        """Whether no further slot may be taken: what is suggested may hang on what is held."""
        return bool(self.held) and self.claims.window.next_slot > 1

    @property
    def is_testing(self) -> bool:
        """Whether this worker is being tested."""
        return self._tested_by is not None

    def settle(self) -> list[Doubtful]:
        """What is held and is the parameters' fault, as far as that is known.

        Raises:
            UserError: the first two slots ended alike, and no slot has a result.
        """
        if self.is_testing:
            return []
        known = self._slot_with_result()
        if known is None:
            self._compare_first_two()
        elif self.held and self.pool.free:
            self._tested_by = known.slot
            self.test(known)
            return []
        waits = not self._first_two_differ or self._others_train()
        return [] if not self.held or waits else self.release()

    def passed(self) -> list[Doubtful]:
        """The test's training trains, so what is held is the parameters' fault."""
        self._tested_by = None
        return self.release()

    def failed(self, ending: Ending) -> WorkerError:
        """The test's training did not train either: the error to leave with."""
        number, held = next(iter(self.held.items()))
        error = f"slot {number} ended as {held.record.slot.state}: {held.record.slot.reason}"
        return unfit(ending, f"{error}\nand slot {self._tested_by}, which has a result,")

    def last(self) -> list[Doubtful]:
        """What is held when there is nothing more to do: whoever leads has to fill it.

        Raises:
            WorkerError: in another worker, who leaves it to the one that leads.
        """
        if self.held and not self.leads:
            number, held = next(iter(self.held.items()))
            slot = held.record.slot
            raise unfit(Ending(slot.state, slot.reason, own=slot.own), f"slot {number}")
        return self.release()

    def release(self) -> list[Doubtful]:
        """Hold nothing back any more."""
        held = list(self.held.values())
        self.held.clear()
        return held

    def _slot_with_result(self) -> Slot | None:
        slots = (self.claims.slots[number] for number in sorted(self.claims.slots))
        return next((slot for slot in slots if slot.result and slot.slot not in self.held), None)

    def _compare_first_two(self) -> None:
        if self._first_two_differ:
            return
        first, second = self._fault(0), self._fault(1)
        if first is None or second is None:
            return
        if (
            isinstance(first, StartFailure)
            and isinstance(second, StartFailure)
            and first.is_like(second)
        ):
            raise UserError(
                "the first two trials failed alike, so the search stops; fix this, then "
                f"`dvc repro`: {for_screen(first.reason, own=first.own)}",
                own=first.own,
            )
        self._first_two_differ = True

    def _fault(self, number: int) -> StartFailure | str | None:
        """How a slot failed before it trained; empty for another end, `None` for none so far."""
        slot = self.claims.slots.get(number)
        if slot is None:
            return self.claims.doubt(number)
        return "" if slot.trained else _fault_of(slot)

    def _others_train(self) -> bool:
        """Whether a slot is under way, here or elsewhere, that may still show what can train."""
        if any(number not in self.held for number in self.claims.mine):
            return True
        return any(
            trial.state == TrialState.RUNNING and not trial.doubt
            for number, trial in self.claims.open.items()
            if number not in self.held and not self.claims.worker.is_gone(trial.owner)
        )


def _fault_of(slot: Slot) -> StartFailure:
    return StartFailure(slot.state, slot.kind, slot.reason, slot.own)
