"""How often a test split has been looked at: each look makes the next one less of a test."""

from __future__ import annotations

import json
import time

from filelock import FileLock

from truefit.core.paths import state_folder
from truefit.core.resolved import Tree

LEDGER = "test_looks.jsonl"


def count_looks(test_digest: str, weights: str) -> int:
    """The number of different models scored on these test rows in this project, with this one.

    Scoring the same weights again is no further look. The ledger lies in `.truefit/`, which all
    work trees of a project share.
    """
    file = state_folder() / LEDGER
    with FileLock(file.with_suffix(".lock")):
        lines = file.read_text().splitlines() if file.exists() else []
        known = [look for look in map(_parsed, lines) if {"test", "weights"} <= {*look}]
        seen = {look["weights"] for look in known if look["test"] == test_digest}
        if weights not in seen:
            look = {"test": test_digest, "weights": weights, "t": int(time.time())}
            with file.open("a") as ledger:
                ledger.write(json.dumps(look) + "\n")
    return len(seen | {weights})


def _parsed(line: str) -> Tree:
    """A look of the ledger; nothing if a line was torn, as by a full disk."""
    try:
        look = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return look if isinstance(look, dict) else {}
