"""Telling a journal what a stage would, sending it, and asking MLflow."""

from __future__ import annotations

import time
from typing import Any

from ledger import differences
from mlflow import MlflowClient

from truefit.tracking.events import Dataset, End, Epoch, Start, Text
from truefit.tracking.journal import Journal, journals
from truefit.tracking.store import Store, tracking_uri
from truefit.tracking.writer import send_left

DATASET = Dataset("digits", "0" * 32, context="search")


def start(journal: Journal, run: str, kind: str = "train", **more: Any) -> None:
    common = {"name": run, "tags": {"seed": 0}, "params": {"p": 1}, "dataset": DATASET}
    journal.write(Start(run=run, kind=kind, project="truefit", **{**common, **more}))


def trial(journal: Journal, slot: int, state: str = "complete", run: str = "", **more: Any) -> str:
    """A whole trial of three epochs."""
    run = run or f"trial-{slot}-{time.time_ns()}"
    start(journal, run, "trial", **{"study": "study-a", "key": str(slot), **more})
    for epoch in (1, 2, 3):
        metrics = {"loss": 1 / epoch, "val_loss": 2 / epoch}
        journal.write(Epoch(run=run, step=epoch, metrics=metrics))
    journal.write(Text(run=run, path="note.txt", text="hello"))
    journal.write(End(run=run, state=state, reason="why", metrics={"value": slot / 10}))
    return run


def study(journal: Journal, trials: int = 3) -> None:
    start(journal, "study-a", "study")
    for slot in range(trials):
        trial(journal, slot, "pruned" if slot == 1 else "complete")
    journal.write(End(run="study-a", state="complete", metrics={"trials": trials}))


def client() -> MlflowClient:
    return MlflowClient(tracking_uri())


def runs(condition: str = "") -> list[Any]:
    return list(client().search_runs(["1"], condition))


def sent() -> list[str]:
    """Send all that waits; what MLflow has otherwise than the journals."""
    assert send_left(Store.open(), print) == []
    return differences(journals(), client())
