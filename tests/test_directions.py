"""Whether more of a score is better: each scoring module says it, and nothing is guessed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import dataset_json

from truefit.core.errors import UserError
from truefit.evaluation.scoring import scoring as room
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.scoring import find_scoring

ROWS = 60
RANDOM = np.random.default_rng(0)
X = np.column_stack([np.arange(ROWS) % 6, np.arange(ROWS) % 10])
BITS = np.arange(ROWS) % 2
NUMBERS = RANDOM.normal(size=ROWS)
SURE = np.eye(2)[BITS] * 0.8 + 0.1  # probabilities (rows, 2) of who is right
LABELS = np.column_stack([BITS, X[:, 1] > 4])
FEATURES = RANDOM.normal(size=(ROWS, 3))


def ranked(rating: np.ndarray, place: float) -> np.ndarray:
    return np.column_stack([rating, *[np.full(ROWS, place)] * 4])


def off(size: float) -> np.ndarray:
    """The four errors of a row that reconstruction predicts."""
    return np.full((ROWS, 4), size)


def made(features: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return np.column_stack([FEATURES, features, classes])


def places(loss: float, hits: float) -> np.ndarray:
    return np.tile([loss, hits], (ROWS, 5, 1))


# By module: the target, what is right, and the predictions of a good and of a bad model.
MODELS: dict[str, tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]] = {
    "classification": ({"classes": ["a", "b"]}, BITS, SURE * 0.9 + 0.05, 1 - SURE),
    "multilabel": ({"labels": ["a", "b"]}, LABELS, LABELS * 0.8 + 0.1, 0.9 - LABELS * 0.8),
    "regression": ({"scale": 1.0}, NUMBERS, NUMBERS[:, np.newaxis], NUMBERS[:, np.newaxis] + 2),
    "ratings": ({"scale": 1.0}, NUMBERS, ranked(NUMBERS, 0.9), ranked(NUMBERS + 2, 0.1)),
    "reconstruction": ({}, X, off(0.1), off(2.0)),
    "generation": (
        {"classes": ["a", "b"]}, BITS, made(FEATURES, BITS), made(FEATURES + 2, np.zeros(ROWS)),
    ),
    "next_token": ({}, X, places(0.1, 1.0), places(2.0, 0.0)),
}  # fmt: skip


def scored(name: str, target: dict[str, Any], y: np.ndarray, predicted: np.ndarray) -> Any:
    task: Any = None
    case = Case("test", X, y, predicted, dataset_json(target=target), task)
    return find_scoring(f"{room.ROOM}.{name}").scores(case, np.ones((1, ROWS)))


def test_every_scoring_module_is_here() -> None:
    """A new one is to be added above."""
    folder = Path(room.__file__).parent
    found = {file.stem for file in folder.glob("*.py") if "def baseline" in file.read_text()}

    assert found | {"ratings"} == {*MODELS}  # which has the baseline of a regression


@pytest.mark.parametrize("name", MODELS)
def test_the_stated_direction_of_each_score_is_the_right_one(name: str) -> None:
    """A better model has more of a rising score, and less of a falling one."""
    target, y, good, bad = MODELS[name]
    right, wrong = scored(name, target, y, good), scored(name, target, y, bad)
    scoring = find_scoring(f"{room.ROOM}.{name}")

    assert {score: right[score][0] > wrong[score][0] for score in right} == {
        score: scoring.is_rising(score) for score in right
    }
    assert {*scoring.rising, *scoring.falling} <= {*right}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A scoring module of a user's own, with these constants."""

    def write(constants: str) -> room.Scoring:
        text = f"{constants}\nscores = baseline = draw = print\n"
        (tmp_path / "own_scoring.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "own_scoring", raising=False)
        return find_scoring("own_scoring")

    return write


@pytest.mark.parametrize(
    ("constants", "received"),
    [("", "neither"), ('RISING = FALLING = ("cost",)', "both")],
)
def test_a_score_without_a_direction_is_refused(own: Any, constants: str, received: str) -> None:
    """The message names the module, the score, and what to write there."""
    expected = (
        r"own_scoring: expected the score 'cost' in one of its constants RISING .* received it in "
        rf"{received}: .*`FALLING = \(\"cost\",\)`"
    )

    with pytest.raises(UserError, match=expected):
        own(constants).is_rising("cost")
    assert re.search(expected, own(constants).why_not_compared("cost"))
    assert own(constants).why_not_compared("loss") == ""


def test_an_own_module_states_its_directions(own: Any) -> None:
    """Each score has the direction that the module gives it; a loss is always to be small."""
    scoring = own('RISING = ("hits",)\nFALLING = ("cost",)')

    assert [scoring.is_rising(name) for name in ("hits", "cost", "loss")] == [True, False, False]
