from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sections
from conftest import dataset_json

from truefit.evaluation import beside as module
from truefit.evaluation.beside import compare
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.scoring import find_scoring
from truefit.evaluation.yardsticks.yardstick import Yardstick

SCORING = find_scoring("truefit.evaluation.scoring.regression")
SETTINGS = sections.evaluation(n_resamples=400, confidence_level=0.95)


def cases(rows: int, off: float) -> dict[str, Case]:
    """Numbers, and a model that is off by noise of this size."""
    random = np.random.default_rng(1)
    facts = dataset_json(target={"scale": 1.0, "kind": "number"})
    y = random.normal(0, 1, rows)
    predicted = (y + random.normal(0, off, rows))[:, np.newaxis]
    task: Any = None
    return {
        name: Case(name, np.zeros((rows, 1)), y, predicted, facts, task)
        for name in ("train", "validation", "test")
    }


def yardstick(made: dict[str, Case], off: float) -> Yardstick:
    """Another model, off by noise of its own."""
    random = np.random.default_rng(2)
    predictions = {
        name: (made[name].y + random.normal(0, off, len(made[name].y)))[:, np.newaxis]
        for name in ("validation", "test")
    }
    return Yardstick("other", "linear", 10, predictions)


def test_a_better_yardstick_leads_by_every_score() -> None:
    """Above 0 the yardstick is better, whether more or less of the score is."""
    made = cases(500, 0.8)
    (found,) = compare(SCORING, made, [yardstick(made, 0.2)], SETTINGS, 0)
    leads = found.leads["test"]

    assert all(lead.low > 0 and lead.p < 1e-6 for lead in leads.values())
    assert leads["rmse"].lead == pytest.approx(0.6, abs=0.1)  # less is better
    assert leads["r2"].lead > 0.3  # more is better
    assert [lead.score for lead in found.beside("rmse").leads] == ["loss", "rmse"]
    assert found.beside("rmse").loss == found.scores["validation"]["loss"]


def test_an_equal_yardstick_does_not_lead() -> None:
    """The same predictions differ by nothing, and another model as good by chance alone."""
    made = cases(500, 0.5)
    same = Yardstick("same", "linear", 1, {n: made[n].prediction for n in ("validation", "test")})
    first, second = compare(SCORING, made, [same, yardstick(made, 0.5)], SETTINGS, 0)

    assert {lead.lead for lead in first.leads["validation"].values()} == {0.0}
    assert all(lead.p == 1 for lead in first.leads["validation"].values())
    assert all(lead.p > 0.01 for lead in second.leads["validation"].values())


def test_of_many_rows_the_same_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model and yardstick are thinned alike, so that their rows stay pairs."""
    monkeypatch.setattr(module, "ROWS", 100)
    made = cases(5000, 0.5)
    same = Yardstick("same", "linear", 1, {n: made[n].prediction for n in ("validation", "test")})
    (found,) = compare(SCORING, made, [same], SETTINGS, 0)

    assert {lead.lead for lead in found.leads["validation"].values()} == {0.0}
    assert len(found.losses["test"]) == SETTINGS["n_resamples"] + 1
