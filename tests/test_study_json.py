"""study.json, as the search writes it and the later stages read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from truefit.core.study import (
    Configured,
    Finalist,
    FoldCounts,
    KeptTraining,
    Lowest,
    PairedTest,
    StudySummary,
    Winner,
    study_json,
)

PLAIN = StudySummary(
    study="study-1", run_id="ab",
    winner=Winner(1, 0.2, 0.2, 0.2, 0.1, {"a": 2}, KeptTraining(7, 0, 0.2)),
    constant_loss=1.0, lowest=Lowest(1, 0.2), margin=0.01, decided_by="lowest value", finalists=[],
    against_winner=[], rule="the lowest value wins", configured=None, ended="n_trials", folds=None,
    importances={}, identity={"seed": 0}, counts={"complete": 2},
)  # fmt: skip
WHOLE = replace(
    PLAIN,
    winner=Winner(1, 0.2, 0.2, 0.25, 0.1, {"a": 2}, None, 0.25, 0.2, 0.3),
    finalists=[Finalist(1, [0.2], [0.2], [0.1], 0.2, 0.1, 0.2, 0.1, 0.3, 0.1, 10, 1.0)],
    against_winner=[PairedTest(0, 0.1, 0.0, 0.2, 0.04)],
    configured=Configured(0.3, 0.3, 0.1, {"a": 1}),
    folds=FoldCounts("ab", 6, 2),
    importances={"value": {"a": 1.0}, "gap": {"a": 1.0}},
    front=[1],
)


@pytest.mark.parametrize("summary", [PLAIN, WHOLE, None])
def test_what_is_written_is_read_back(summary: StudySummary | None) -> None:
    """With finalists, folds and two objectives, without any of them, and without a search."""
    assert StudySummary.from_json(json.loads(json.dumps(study_json(summary)))) == summary


def test_what_does_not_apply_has_no_key() -> None:
    """Interval and front stand there if there are any; without a search hardly anything does."""
    whole, plain = (json.loads(json.dumps(study_json(one))) for one in (WHOLE, PLAIN))

    assert {"mean", "low", "high"}.isdisjoint(plain["winner"])
    assert {*whole} - {*plain} == {"front"}
    assert {*whole["winner"]} - {*plain["winner"]} == {"mean", "low", "high"}
    assert study_json(None) == {"study": None, "run_id": None, "winner": None, "counts": {}}


def test_what_an_earlier_version_did_not_write_is_not_known(tmp_path: Path) -> None:
    """An earlier study.json, with fewer keys, is read all the same; a torn one says nothing."""
    (tmp_path / "study.json").write_text('{"study": "study-1", "winner": {"slot": 3, "gap": 0.1}}')
    found = StudySummary.read(tmp_path / "study.json")
    (tmp_path / "torn.json").write_text('{"study": "stu')

    assert found is not None
    assert (found.study, found.winner.slot, found.winner.trained) == ("study-1", 3, None)
    assert (found.finalists, found.configured, found.run_id) == ([], None, None)
    assert StudySummary.read(tmp_path / "torn.json") is None
