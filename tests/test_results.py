"""A result as studies.db, run.json and the journal keep it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from results import result_of

from truefit.core.results import Result
from truefit.search.slots import Slot, SlotRecord

# As the first version wrote it.
EARLIER: dict[str, Any] = {
    "best_epoch": 3, "best_val_loss": 0.25, "train_loss_at_best": 0.2, "gap": 0.05, "parameters": 7,
    "weights_sha256": "ab", "seconds": 2.5,
}  # fmt: skip
TRAINED = replace(result_of(0.25), samples_per_second=10.0, resumed_after=0, cpu_seconds=1.5)


@pytest.mark.parametrize("result", [TRAINED, replace(TRAINED, folds=[0.2, 0.3]), result_of(0.3)])
def test_what_is_written_is_read_back(result: Result) -> None:
    """As JSON, a result and the slot that has it come back as they were."""
    slot = Slot(4, "complete", "", {"model.depth": 2}, 0.25, result, 2.5)
    record = SlotRecord(slot, [{"epoch": 1, "loss": 0.5}], {"rung": 1})

    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert SlotRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_results_of_earlier_versions_are_read() -> None:
    """What an earlier version did not write is not known; nor is a slot without a result."""
    kept = {
        "slot": 0, "state": "complete", "reason": "", "params": {}, "value": 0.25,
        "result": EARLIER, "seconds": 2.5,
    }  # fmt: skip
    slot, failed = (
        SlotRecord.from_json({"slot": one, "history": [], "notes": {}}).slot
        for one in (kept, {**kept, "state": "error", "result": {}})
    )

    assert slot.result == Result(**EARLIER)
    assert (slot.gap, slot.constant_loss, slot.trained) == (0.05, None, True)
    assert failed.result is None


def test_keys_stand_in_their_order() -> None:
    """A training's and that of folds, each without what is not known."""
    of_folds = replace(TRAINED, folds=[0.2, 0.3], resumed_after=None)

    assert [*TRAINED.to_json()] == [
        "best_epoch", "best_val_loss", "train_loss_at_best", "gap", "constant_loss", "parameters",
        "weights_sha256", "seconds", "samples_per_second", "resumed_after", "cpu_seconds",
    ]  # fmt: skip
    assert [*of_folds.to_json()] == [
        "best_val_loss", "train_loss_at_best", "gap", "constant_loss", "best_epoch", "parameters",
        "weights_sha256", "samples_per_second", "folds", "seconds", "cpu_seconds",
    ]  # fmt: skip
