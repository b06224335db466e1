from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import dataset_json
from hypothesis import given
from hypothesis import strategies as st
from test_overfitting import FINE

from truefit.core.prepared.caps import find_cap
from truefit.evaluation.overfitting import judge
from truefit.evaluation.symptoms import find_missed, surest

RANDOM = np.random.default_rng(0)


def probabilities(sure: np.ndarray) -> np.ndarray:
    """Two classes, by the probability of the second."""
    return np.column_stack([1 - sure, sure])


def test_sure_mistakes_are_counted_where_a_yardstick_agrees() -> None:
    """Those of the surest rows count whose answer another model shares."""
    p = probabilities(np.r_[np.full(150, 0.99), np.full(850, 0.6)])
    y = np.ones(1000, int)
    y[:30] = 0
    agrees, partly = np.ones(1000, int), np.r_[np.zeros(30, int), np.ones(970, int)]

    train = np.r_[np.zeros(40, int), np.ones(60, int)]
    shared = surest(p, y, [agrees], train)
    other = surest(p, y, [partly], train)

    assert shared is not None
    assert (shared.rows, shared.wrong) == (150, 30)
    assert 0.1 < shared.low < 0.2
    assert (shared.everywhere, shared.constant) == (0.03, 0.03)
    assert other is not None
    assert other.wrong == 0
    assert surest(p, y, [], train) is None


def verdict_of(distance: float, flipped: float, rows: int) -> str:
    """What is said of the best possible model of two normal classes, so many labels being wrong."""
    y = RANDOM.integers(0, 2, rows)
    x = RANDOM.normal(size=rows) + distance * (y - 0.5)
    p = 1 / (1 + np.exp(-distance * x))
    wrong = RANDOM.random(rows) < flipped
    labels = np.where(wrong, 1 - y, y)
    p = p * (1 - flipped) + (1 - p) * flipped
    found = surest(probabilities(p), labels, [(p > 0.5).astype(int)], np.arange(rows) % 2)
    return judge(replace(FINE, sure=found)).name


@pytest.mark.parametrize("rows", [600, 2000, 20_000])
@pytest.mark.parametrize("distance", [0.3, 0.5, 0.7, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0])
def test_classes_that_overlap_are_no_wrong_labels(distance: float, rows: int) -> None:
    """A weak signal leaves many mistakes among the surest rows too, and no label is wrong."""
    assert {verdict_of(distance, 0.0, rows) for _ in range(20)} == {"good"}


@pytest.mark.parametrize("flipped", [0.1, 0.15])
def test_labels_that_are_flipped_are_seen(flipped: float) -> None:
    """Where the classes differ clearly, the surest rows are as wrong as all others."""
    assert {verdict_of(5.0, flipped, 2000) for _ in range(20)} == {"label noise"}


@pytest.mark.parametrize(
    ("y", "value"),
    [
        (np.minimum(RANDOM.normal(0, 1, 2000), 1.0), 1.0),
        (np.maximum(RANDOM.normal(0, 1, 2000), -1.0), -1.0),
        (RANDOM.normal(0, 1, 2000), None),
        (RANDOM.integers(1, 6, 2000).astype(float), None),  # grades end where they end
        (np.round(RANDOM.normal(50, 9, 2000)), None),
        (np.repeat(RANDOM.normal(0, 1, 100), 20), None),  # every value comes often
        (np.maximum(RANDOM.normal(0, 1, 2000), 0.0), None),  # nothing is a value of its own
    ],
)
def test_a_target_that_was_cut_off_is_seen(y: np.ndarray, value: float | None) -> None:
    """Many rows at one end of a number's range, and at no other value, are a cut."""
    found = find_cap(y)

    assert (found.value if found else None) == value


@given(st.integers(0, 40), st.integers(1, 400))
def test_only_a_class_of_unbalanced_data_is_missed(recognised: int, common: int) -> None:
    """It has rows enough to tell, is next to never right, and the others are far more common."""
    rare, seen = 40, min(recognised, 40)
    y = np.r_[np.zeros(common, int), np.ones(rare, int)]
    answer = np.r_[np.zeros(common + rare - seen), np.ones(seen)]
    facts = dataset_json(
        target={"kind": "classes", "classes": ["no", "yes"]},
        splits={"train": {"classes": {"no": 10 * common, "yes": 10 * rare}}},
    )

    found = find_missed(probabilities(answer * 0.9), y, facts)

    assert (found is not None) == (common > 2 * rare and seen <= 2)
    if found:
        assert (found.name, found.rows) == ("yes", rare)
