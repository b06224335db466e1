"""How often a test split has been looked at: each look makes the next one less of a test."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from filelock import FileLock

from truefit.core.paths import state_folder
from truefit.core.trees import fields_of

LEDGER = "test_looks.jsonl"


@dataclass(frozen=True)
class Look:
    """A model that was scored on test rows: a line of the ledger."""

    test: str  # digest of the rows
    weights: str  # SHA-256
    t: int = 0  # seconds since 1970

    @classmethod
    def parse(cls, line: str) -> Look | None:
        """The look in a line; `None` if it was torn, as by a full disk."""
        try:
            return cls(**fields_of(cls, json.loads(line)))
        except (ValueError, TypeError, RecursionError):
            return None


def count_looks(test_digest: str, weights: str) -> int:
    """The number of different models scored on these test rows in this project, with this one.

    Scoring the same weights again is no further look. The ledger lies in `.truefit/`, which all
    work trees of a project share.
    """
    file = state_folder() / LEDGER
    with FileLock(file.with_suffix(".lock")):
        lines = file.read_text().splitlines() if file.exists() else []
        looks = filter(None, map(Look.parse, lines))
        seen = {look.weights for look in looks if look.test == test_digest}
        if weights not in seen:
            look = Look(test_digest, weights, int(time.time()))
            with file.open("a") as ledger:
                ledger.write(json.dumps(asdict(look)) + "\n")
    return len(seen | {weights})
