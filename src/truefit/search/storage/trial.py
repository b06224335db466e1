"""A trial as the study's storage keeps it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import TrialState

from truefit.core.resolved import Params, Tree

# Attributes of a trial: who works on it, what with, an ending that may be no fault of its own,
# and what it came to.
OWNER, BEGUN, DOUBT, RECORD = "owner", "begun", "doubt", "record"


@dataclass(frozen=True)
class Trial:
    """What workers have to know of a trial; the names are Optuna's, `id` is its storage's."""

    id: int
    state: TrialState
    user_attrs: Tree
    datetime_complete: datetime | None

    @property
    def params(self) -> Params:
        """What is tried."""
        if RECORD in self.user_attrs:
            found: Params = self.user_attrs[RECORD]["slot"]["params"]
            return found
        begun: Params = self.user_attrs[BEGUN]["params"]
        return begun

    @property
    def share(self) -> float:
        """The share of a GPU that it trains on."""
        return float(self.user_attrs.get(BEGUN, {}).get("gpus", 0.0))

    @property
    def began(self) -> float | None:
        """When its present attempt began, in seconds since the epoch, not in local time."""
        found: float | None = self.user_attrs.get(BEGUN, {}).get("at")
        return found

    @property
    def owner(self) -> str | None:
        """The worker that has, or had, it."""
        found: str | None = self.user_attrs.get(OWNER)
        return found


def owned(worker: str, share: float, params: Params) -> Tree:
    """Attributes of a trial that begins now, or changes hands."""
    return {OWNER: worker, BEGUN: {"gpus": share, "params": params, "at": time.time()}}
