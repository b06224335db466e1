"""The score that a result is judged by first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import dataset_json
from hypothesis import given, settings
from hypothesis import strategies as st

from truefit.core.balance import chance, headline, warning
from truefit.core.errors import UserError
from truefit.core.paths import PREPARED
from truefit.core.prepared.facts import FactsJSON
from truefit.evaluation import scores
from truefit.evaluation.metrics import Metrics
from truefit.evaluation.report.summary import beside, summary
from truefit.evaluation.scoring.scoring import find_scoring
from truefit.serving import promote as promotion
from truefit.tracking.records import Record
from truefit.training import tasks

counts = st.lists(st.integers(1, 300), min_size=2, max_size=6)


def facts_of(names: list[str], rows: list[int]) -> FactsJSON:
    """What dataset.json says: counts are sorted by name there, classes by value."""
    by_name = sorted(zip(names, rows, strict=True))
    return dataset_json(
        target={"name": "y", "kind": "classes", "classes": names},
        splits={"train": {"rows": sum(rows), "classes": dict(by_name)}},
    ).to_json()


def scored(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    ones = np.ones((1, len(y)))
    found = scores.classification(y, p, ones, binary=p.shape[1] == 2)
    return {name: float(value[0]) for name, value in found.items()}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([50, 50], "accuracy"),
        ([357, 212], "accuracy"),
        ([200, 100], "accuracy"),
        ([201, 100], "balanced_accuracy"),
        ([100, 201], "balanced_accuracy"),
        ([80, 20], "balanced_accuracy"),
        ([81, 19], "pr_auc"),
        ([910, 90], "pr_auc"),
        ([90, 910], "balanced_accuracy"),
        ([59, 71, 48], "accuracy"),
        ([48, 48, 4], "balanced_accuracy"),
        ([50, *[10] * 5], "balanced_accuracy"),
    ],
)
def test_the_rule_by_examples(rows: list[int], expected: str) -> None:
    """Up to two to one it is accuracy; precision and recall where the second class is rare."""
    assert headline(rows) == expected


@given(counts)
@settings(deadline=None)
def test_a_constant_answer_stays_at_chance(rows: list[int]) -> None:
    """The shares of the classes as the answer to every row reach what `chance` says, no more."""
    y = np.repeat(np.arange(len(rows)), rows)
    shares = np.tile(np.array(rows) / len(y), (len(y), 1))

    found = scored(y, shares)[headline(rows)]

    assert found == pytest.approx(chance(rows))
    least = 1 / len(rows)
    assert found <= (2 / (len(rows) + 1) if headline(rows) == "accuracy" else least) + 1e-9


@given(counts)
@settings(deadline=None)
def test_the_order_of_several_classes_does_not_matter(rows: list[int]) -> None:
    """With more than two classes any order of the codes has the same headline."""
    other = {headline(rows), headline(rows[::-1])}

    assert len(other) == 1 or len(rows) == 2


def test_each_task_has_the_headline_of_its_target() -> None:
    """Counts go by the classes' codes, not by the order of their names in dataset.json."""
    rare_second = facts_of(["9", "10"], [900, 100])
    three = facts_of(["a", "b", "c"], [90, 9, 1])
    number = dataset_json(target={"kind": "number"}, sizes=[5, 7]).to_json()

    assert tasks.auto(facts=rare_second).headline == "pr_auc"
    assert tasks.multiclass(facts=rare_second).headline == "pr_auc"
    assert tasks.binary(facts=facts_of(["9", "10"], [100, 900])).headline == "balanced_accuracy"
    assert tasks.auto(facts=facts_of(["no", "yes"], [55, 45])).headline == "accuracy"
    assert tasks.auto(facts=three).headline == "balanced_accuracy"
    assert tasks.auto(facts=number).headline == "rmse"
    assert tasks.ratings(facts=number).headline == "ndcg_at_10"


def test_unbalanced_classes_are_said_in_one_line() -> None:
    """Which class is rare, how rare, and what always answering the other one reaches."""
    assert warning(["no", "yes"], [910, 90]) == (
        'classes are unbalanced: "no" 910, "yes" 90 of 1,000 training rows (9 % "yes"): the '
        'headline score is average precision (pr_auc), which always answering "no" keeps at 0.09'
    )
    assert warning(["a", "b", "c"], [12000, 500, 100]) == (
        'classes are unbalanced: commonest "a" 12,000, rarest "c" 100 of 12,600 training rows '
        '(0.79 % "c"): the headline score is balanced accuracy (balanced_accuracy), which always '
        'answering "a" keeps at 0.33'
    )
    assert warning(["no", "yes"], [51, 49]) == ""


def test_a_score_that_is_not_defined_promotes_nothing(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test rows without the rare class have no average precision: it says so, and the way out."""
    run = Record("a", "a", "1", "FINISHED", {"truefit.test": "rows"}, {}, {}, project)
    (project / "metrics.json").write_text('{"headline": "pr_auc"}')
    PREPARED.mkdir(parents=True, exist_ok=True)
    dataset_json(splits={"test": {"source": "rows"}}).write(PREPARED)
    scoring = find_scoring("truefit.evaluation.scoring.classification")
    undefined = {"pr_auc": np.full(9, np.nan), "loss": np.ones(9)}
    monkeypatch.setattr(promotion, "_scores", lambda *_: (scoring, undefined))
    config: Any = {
        "backend": "tensorflow", "runtime": {"device": "cpu"}, "promotion": {"score": None},
        "evaluation": {"confidence_level": 0.95},
    }  # fmt: skip

    with pytest.raises(UserError, match=r"pr_auc is not defined on these test rows.*score=loss"):
        promotion._better(config, run, run)


def result(headline_score: str, **test: float | None) -> Metrics:
    return {
        "train": {}, "validation": {},
        "test": {f"{k}{end}": v for k, v in test.items() for end in ("", "_low", "_high")},
        "headline": headline_score, "verdict": "good",
        "gap": 0.047, "gap_low": -0.00001, "gap_high": 0.0972,
    }  # fmt: skip


def test_the_summary_can_be_read() -> None:
    """Dollars have commas and no exponent, R2 stands beside them, a gap near 0 is 0."""
    said = summary(result("rmse", rmse=53912.1234, r2=0.6))

    assert "test rmse 53,912 [53,912, 53,912], r2 0.6000 [0.6000, 0.6000]" in said
    assert "gap +0.0470 [+0.0000, +0.0972]" in said


def test_a_ranking_stands_beside_that_of_the_most_rated() -> None:
    """NDCG is followed by the NDCG of what is rated most, not by R2."""
    said = summary(result("ndcg_at_10", ndcg_at_10=0.075, popular_ndcg_at_10=0.174, r2=0.3))

    first = said.splitlines()[0]
    assert "ndcg_at_10 0.0750" in first
    assert first.endswith("popular_ndcg_at_10 0.1740 [0.1740, 0.1740]")
    assert (beside("rmse"), beside("mae")) == ("r2", "r2")


def test_a_score_that_test_rows_do_not_define_is_said() -> None:
    """Without a row of the rare class there is no average precision, and no number for it."""
    assert "test pr_auc is not defined on these rows" in summary(result("pr_auc", pr_auc=None))


def test_two_classes_are_scored_alike_by_either_task() -> None:
    """A softmax over two classes has the precision and area of the second class too."""
    from truefit.evaluation.scoring import classification  # noqa: PLC0415 - it draws, which takes a second

    y = np.repeat([0, 1], [45, 5])
    p = np.random.default_rng(0).random(50)
    facts = dataset_json(target={"kind": "classes", "classes": ["no", "yes"]})
    cases: list[Any] = [
        SimpleNamespace(y=y, prediction=np.stack(columns, axis=1), facts=facts)
        for columns in ([p], [1 - p, p])
    ]

    one, two = (classification.scores(case, np.ones((1, 50))) for case in cases)

    assert {name: value.tolist() for name, value in one.items()} == {
        name: value.tolist() for name, value in two.items()
    }
