"""run.json as the train stage writes it, and as the stages behind it read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from results import result_of

from truefit.core.errors import UserError
from truefit.core.run import Run

RUN = Run(
    result=result_of(0.25, constant_loss=0.7), state="timed_out", reason="3 of 9 epochs", epochs=3,
    run="train-1", run_id="ab", experiment_id="1", seed=4, params={"model.depth": 2},
    repeat="    dvc repro",
)  # fmt: skip


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """A run comes back as it was; its result's values stand beside its own."""
    RUN.write(tmp_path / "run.json")

    assert Run.read(tmp_path / "run.json") == RUN
    assert [*json.loads((tmp_path / "run.json").read_text())] == [
        "best_epoch", "best_val_loss", "constant_loss", "epochs", "experiment_id", "gap",
        "parameters", "params", "reason", "repeat", "run", "run_id", "seconds", "seed", "state",
        "train_loss_at_best", "weights_sha256",
    ]  # fmt: skip


def test_a_constant_loss_that_was_not_told_is_none_that_is_not_there(tmp_path: Path) -> None:
    """`null` says that there is no constant answer; earlier versions did not write the key."""
    file = tmp_path / "run.json"
    replace(RUN, result=result_of(0.25)).write(file)
    told = json.loads(file.read_text())
    del told["constant_loss"], told["state"], told["reason"], told["epochs"]
    earlier = Run.from_json(told)

    assert Run.read(file).has_own_loss
    assert not RUN.has_own_loss
    assert not earlier.has_own_loss
    assert (earlier.state, earlier.reason, earlier.result.constant_loss) == ("", "", None)


@pytest.mark.parametrize("text", ['{"run": "", "run_id": null, "params": {}}', "{}", "[]", "{"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    """What holds no result, or is no run.json, is named with what brings it back."""
    (tmp_path / "run.json").write_text(text)

    with pytest.raises(UserError, match=r"run\.json: expected what its stage writes"):
        Run.read(tmp_path / "run.json")
    assert Run.find(tmp_path / "run.json") is None


def test_who_only_looks_whether_there_is_a_run_finds_it_or_nothing(tmp_path: Path) -> None:
    """A file that is not there is no fault then."""
    file = tmp_path / "run.json"

    assert Run.find(file) is None
    RUN.write(file)
    assert Run.find(file) == RUN
