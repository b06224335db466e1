"""Whose fault an ending is stands in a field of it, whatever its sentence says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from truefit.core.errors import UserError, WorkerError
from truefit.core.own_code import VARIABLE, WAY_OUT, for_screen
from truefit.search.doubts import unfit
from truefit.search.slots import Slot, SlotRecord
from truefit.stages.run import _refuse
from truefit.training.process.child import Ending, _end

LONG = "your function own.model raises ValueError: no\nTraceback: ..."


def test_a_reason_is_cut_by_whose_fault_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback of a user's function is left out until it is asked for; no other one is."""
    assert for_screen(LONG, own=True) == LONG.partition("\n")[0]
    assert for_screen(LONG, own=False) == LONG
    monkeypatch.setenv(VARIABLE, "1")
    assert for_screen(LONG, own=True) == LONG


@pytest.mark.parametrize("own", [True, False])
def test_a_refusal_names_the_traceback_of_an_own_fault_alone(
    own: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where another message quotes the words of one."""
    with pytest.raises(SystemExit):
        _refuse(UserError(LONG), LONG, own=own)

    assert (WAY_OUT in capsys.readouterr().err) == own


def test_an_ending_knows_whose_function_has_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And hands it on: to the slot, to the study's storage, and to the error of a worker."""
    (tmp_path / "own_model.py").write_text('def build():\n    raise ValueError("no")\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_model", raising=False)

    def build() -> Any:
        return importlib.import_module("own_model").build()

    mine, others = _end(build, ["own_model"]), _end(build, [])

    assert (mine.own, others.own) == (True, False)
    slot = Slot(0, mine.state, mine.reason, {}, None, None, 0.0, mine.trained, mine.kind, mine.own)
    assert SlotRecord.from_json(SlotRecord(slot, []).to_json()).slot.own
    assert isinstance(unfit(mine, "slot 0"), WorkerError)
    assert [unfit(one, "slot 0").own for one in (mine, others)] == [True, False]


def test_a_record_of_an_earlier_version_has_no_such_field() -> None:
    """It is read as no fault of the user's, and so shown in full."""
    kept = SlotRecord(Slot(0, "error", LONG, {}, None, None, 0.0), []).to_json()
    del kept["slot"]["own"]  # type: ignore[attr-defined]

    assert not SlotRecord.from_json(kept).slot.own
    assert not Ending("error", LONG).own
