"""What the storage keeps of a study beside its trials, as user attributes of Optuna's study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from truefit.core.resolved import Params

# Flat keys of the configuration with their values, lists and ranges whole, and short texts.
Identity = dict[str, object]
Rules = dict[str, object]  # of `search`: when a study ends, and which finalists it has


@dataclass(frozen=True)
class StudySettings:
    """What a study is made with; one that has `fixed` is whole, so that is written last."""

    project: str
    identity: Identity
    run: str | None = None  # the study's, as the journal names it; earlier versions had its name
    fixed: list[Params] | None = None  # of the first slots: as configured, then of a warm start

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> StudySettings | None:
        """What is kept of a study; nothing of one that truefit has not made."""
        if not {"project", "identity"} <= {*kept}:
            return None
        return cls(kept["project"], kept["identity"], kept.get("run"), kept.get("fixed"))


@dataclass(frozen=True)
class LeaderNotice:
    """What the worker that leads tells those who join."""

    commit: str  # empty outside of git
    dataset: dict[str, object] | None  # as `events.Dataset.as_json` gives it
    rules: Rules
    record: str  # MLflow's address, without passwords
    led: float | None  # since then, in seconds since the epoch; `None` once it has ended

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> LeaderNotice | None:
        """What is kept of a study; nothing of one that nobody has led yet."""
        if "led" not in kept:
            return None
        commit, rules, record = kept["commit"], kept["rules"], kept["record"]
        return cls(commit, kept.get("dataset"), rules, record, kept["led"])
