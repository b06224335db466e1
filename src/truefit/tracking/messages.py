"""What the process that sends to MLflow says to its stage: one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Said:
    """A line for a person."""

    say: str


@dataclass(frozen=True)
class Recorded:
    """What MLflow calls a run that is no trial."""

    run: str  # the journal's name
    id: str  # MLflow's
    experiment: str  # MLflow's id of the experiment


Message = Said | Recorded


def as_line(message: Message) -> str:
    """The message as JSON."""
    return json.dumps(asdict(message))


def parse(line: bytes) -> Message:
    """The message in a line that `as_line` made."""
    told = json.loads(line)
    return Said(**told) if "say" in told else Recorded(**told)
