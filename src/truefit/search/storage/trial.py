"""A trial as the study's storage keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from optuna.trial import TrialState

from truefit.core.endings import NO_ROOM, State
from truefit.core.resolved import Params
from truefit.search.slots import SlotRecord

# Attributes of a trial: which slot or finalist it is of, who works on it, what with, an ending that
# may be no fault of its own, who has passed it on after such an ending, and what it came to.
SLOT, FINALIST = "slot", "finalist"
OWNER, BEGUN, DOUBT, PASSED, RECORD = "owner", "begun", "doubt", "passed", "record"
READ = (SLOT, FINALIST, OWNER, BEGUN, DOUBT, PASSED, RECORD)
Attributes = dict[str, object]  # by key, as JSON has them
Finalist = tuple[int, int]  # its slot, and the number of its seed from 1


@dataclass(frozen=True)
class Begun:
    """An attempt at a trial.

    `gpus` is the share of a GPU that it trains on, `at` when it began, in seconds since the epoch
    and not in local time.
    """

    gpus: float = 0.0
    params: Params = field(default_factory=dict)
    at: float | None = None


@dataclass(frozen=True)
class StartFailure:
    """How a training ended before it trained; `kind` and `own` as in `Ending`."""

    state: State
    kind: str
    reason: str
    own: bool = False

    def is_like(self, other: StartFailure) -> bool:
        """Whether both have one cause: the same exception, or no room for a training."""
        if self.state in NO_ROOM:
            return other.state in NO_ROOM
        return (self.state, self.kind) == (other.state, other.kind)


@dataclass(frozen=True)
class Trial:
    """What workers have to know of a trial; `id` is its storage's, `owner` has, or had, it.

    It is of a slot or of a finalist. Without a `record` it is not filled. A worker in which it died
    has `passed` it on, by its name, for one more try elsewhere.
    """

    id: int
    state: TrialState
    place: int | Finalist | None
    owner: str | None = None
    begun: Begun = field(default_factory=Begun)
    doubt: StartFailure | None = None
    record: SlotRecord | None = None
    ended: datetime | None = None
    passed: str | None = None

    @classmethod
    def read(
        cls, number: int, state: TrialState, kept: Mapping[str, Any], ended: datetime | None
    ) -> Trial:
        """The trial that the storage keeps; `ended` is in local time."""
        finalist, doubt, record = kept.get(FINALIST), kept.get(DOUBT), kept.get(RECORD)
        return cls(
            number,
            state,
            (finalist[0], finalist[1]) if finalist else kept.get(SLOT),
            kept.get(OWNER),
            Begun(**kept.get(BEGUN, {})),
            StartFailure(**doubt) if doubt else None,
            SlotRecord.from_json(record) if record else None,
            ended,
            kept.get(PASSED),
        )

    @property
    def params(self) -> Params:
        """What is tried."""
        return self.record.slot.params if self.record else self.begun.params


def place_of(place: int | Finalist) -> Attributes:
    """The attribute of a trial that says which slot or finalist it is of."""
    return {FINALIST: list(place)} if isinstance(place, tuple) else {SLOT: place}


def owned(worker: str, begun: Begun) -> Attributes:
    """Attributes of a trial that begins now, or changes hands."""
    return {OWNER: worker, BEGUN: asdict(begun)}
