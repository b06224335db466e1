from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truefit.caps import find_cap
from truefit.symptoms import find_missed, surest

RANDOM = np.random.default_rng(0)


def probabilities(sure: np.ndarray) -> np.ndarray:
    """Of two classes, by the probability of the second."""
    return np.column_stack([1 - sure, sure])


def test_sure_mistakes_are_counted_where_a_yardstick_agrees() -> None:
    """Of the surest rows those count whose answer another model shares."""
    p = probabilities(np.r_[np.full(150, 0.99), np.full(850, 0.6)])
    y = np.ones(1000, int)
    y[:30] = 0
    agrees, partly = np.ones(1000, int), np.r_[np.zeros(30, int), np.ones(970, int)]

    shared = surest(p, y, [agrees])
    other = surest(p, y, [partly])

    assert shared is not None
    assert (shared.rows, shared.wrong) == (150, 30)
    assert 0.1 < shared.low < 0.2
    assert other is not None
    assert other.wrong == 0
    assert surest(p, y, []) is None


def test_classes_that_overlap_are_no_wrong_labels() -> None:
    """Labels drawn by the model's own probabilities leave the surest rows nearly all right."""
    sure = RANDOM.uniform(0, 1, 4000)
    y = (RANDOM.uniform(0, 1, 4000) < sure).astype(int)

    found = surest(probabilities(sure), y, [(sure > 0.5).astype(int)])

    assert found is not None
    assert found.low < 0.04  # although a quarter of all answers is wrong


@pytest.mark.parametrize(
    ("y", "value"),
    [
        (np.minimum(RANDOM.normal(0, 1, 2000), 1.0), 1.0),
        (np.maximum(RANDOM.normal(0, 1, 2000), -1.0), -1.0),
        (RANDOM.normal(0, 1, 2000), None),
        (RANDOM.integers(1, 6, 2000).astype(float), None),  # grades end where they end
        (np.round(RANDOM.normal(50, 9, 2000)), None),
        (np.repeat(RANDOM.normal(0, 1, 100), 20), None),  # every value comes often
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
    facts: Any = {
        "target": {"classes": ["no", "yes"]},
        "splits": {"train": {"classes": {"no": 10 * common, "yes": 10 * rare}}},
    }

    found = find_missed(probabilities(answer * 0.9), y, facts)

    assert (found is not None) == (common > 2 * rare and seen <= 2)
    if found:
        assert (found.name, found.rows) == ("yes", rare)
