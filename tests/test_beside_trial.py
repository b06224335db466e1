"""How the train stage's model stands to the trial that it makes again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from truefit.core.files import write_json
from truefit.core.paths import SEARCH
from truefit.core.study import KeptTraining, Lowest, StudySummary, Winner, study_json
from truefit.stages.train import _beside_trial

TRIAL = KeptTraining(7, 0, 0.2)
STUDY = StudySummary(
    study="study-1", run_id=None, winner=Winner(3, 0.2, 0.2, 0.25, 0.1, {}, TRIAL),
    constant_loss=1.0, lowest=Lowest(3, 0.2), margin=0.0, decided_by="lowest value", finalists=[],
    against_winner=[], rule="", configured=None, ended="n_trials", folds=None, importances={},
    identity={}, counts={"complete": 4},
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with nothing in it."""
    monkeypatch.chdir(tmp_path)


def searched(kept: KeptTraining | None) -> None:
    """study.json, as the search wrote it."""
    winner = replace(STUDY.winner, trained=kept)
    write_json(SEARCH / "study.json", study_json(replace(STUDY, winner=winner)))


@pytest.mark.parametrize(
    ("repeat", "name"), [(0, "trial of slot 3"), (2, "training 2 of finalist 3")]
)
def test_a_model_that_differs_from_its_trial_is_said_with_both_numbers(
    repeat: int, name: str
) -> None:
    """And with what may be the cause; equal but for rounding it is the same training."""
    searched(KeptTraining(7, repeat, 0.2))

    assert _beside_trial(0.2 + 1e-8) == f"this is the {name}, made again"
    assert _beside_trial(0.3) == (
        f"note: the {name} had 0.2000 in the search, this training has 0.3000: another device or "
        "library, or a changed seed"
    )


def test_a_model_of_all_rows_is_no_training_of_a_fold() -> None:
    """What the search had is the mean over the folds."""
    searched(None)

    assert _beside_trial(0.3) == "the search judged these parameters by folds: mean loss 0.2500"


def test_without_a_search_there_is_nothing_to_compare() -> None:
    """As where the model is trained as configured."""
    assert _beside_trial(0.3) == ""
