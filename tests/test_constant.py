"""The constant answer's loss, against the scoring's own and against what is best by definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import dataset_json
from hypothesis import given
from hypothesis import strategies as st

from truefit.core.prepared.facts import Facts
from truefit.training import tasks
from truefit.training.constant import constant_loss

RANDOM = np.random.default_rng(0)


def facts_of(kind: str, **more: Any) -> Facts:
    target = {"kind": kind, "mean": 0.0, "scale": 1.0, "name": "y", **more}
    rows = dict.fromkeys(more.get("classes", []), 20)
    splits = {"train": {"rows": 60, "classes": rows}, "validation": {"rows": 40}}
    return dataset_json(target=target, splits=splits)


def loss_of(task: Any, facts: Facts, shape: tuple[Any, ...], y: np.ndarray) -> float:
    x = np.zeros((len(y), 1), np.float32)
    found = constant_loss(task, facts, shape, (x[:60], y[:60]), (x[60:], y[60:]))
    assert found is not None
    return found


@pytest.mark.parametrize("classes", [2, 3])
def test_of_classes_it_is_the_cross_entropy_of_their_shares(classes: int) -> None:
    """The validation rows' mean negative log share of their class among the training rows."""
    facts = facts_of("classes", classes=[str(n) for n in range(classes)])
    y = RANDOM.integers(0, classes, 100)
    task = tasks.auto(facts=facts.to_json())
    shares = np.bincount(y[:60]) / 60

    assert loss_of(task, facts, (None, task.num_outputs), y) == pytest.approx(
        -np.log(shares[y[60:]]).mean(), rel=1e-5
    )


def test_of_numbers_it_is_their_mean_square() -> None:
    """In deviations from the training mean, which is 0 in what is trained on."""
    facts = facts_of("number")
    y = RANDOM.normal(size=100).astype(np.float32)

    assert loss_of(tasks.auto(facts=facts.to_json()), facts, (None, 1), y) == pytest.approx(
        np.mean(y[60:] ** 2), rel=1e-5
    )


def test_of_labels_it_is_the_mean_over_rows_and_labels() -> None:
    """Each label's share among the training rows is its probability."""
    facts = facts_of("labels", labels=["a", "b", "c"])
    y = (RANDOM.random((100, 3)) < [0.1, 0.5, 0.8]).astype(np.float32)
    p, seen = y[:60].mean(axis=0), y[60:]
    expected = -np.mean(seen * np.log(p) + (1 - seen) * np.log(1 - p))

    assert loss_of(tasks.auto(facts=facts.to_json()), facts, (None, 3), y) == pytest.approx(
        expected, rel=1e-5
    )


@given(
    st.lists(st.integers(0, 2), min_size=100, max_size=100),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
)
def test_no_other_constant_is_better_on_the_training_rows(
    codes: list[int], logits: list[float]
) -> None:
    """The shares minimise the cross-entropy of the rows that they are counted on (Gibbs)."""
    facts = facts_of("classes", classes=["a", "b", "c"])
    y = np.array(codes[:60] * 2)  # validation rows as the training rows
    other = np.array(logits) - np.log(np.exp(logits).sum())

    found = loss_of(tasks.auto(facts=facts.to_json()), facts, (None, 3), y)

    assert found <= -other[y[60:]].mean() + 1e-5


def test_a_class_that_training_lacks_costs_much_and_not_infinity() -> None:
    """Shares stay away from 0, as Keras keeps probabilities."""
    facts = facts_of("classes", classes=["a", "b", "c"])
    y = np.array([0, 1] * 30 + [2] * 40)

    found = loss_of(tasks.auto(facts=facts.to_json()), facts, (None, 3), y)

    assert found == pytest.approx(-np.log(1e-7), rel=1e-3)


def test_where_no_constant_is_known_there_is_no_loss() -> None:
    """A target of a kind of its own has none to compare with."""
    facts = facts_of("classes", classes=["a", "b"])
    y = RANDOM.integers(0, 2, 100)
    x = np.zeros((100, 1), np.float32)
    rows = (x[:60], y[:60]), (x[60:], y[60:])
    task = tasks.auto(facts=facts.to_json())

    assert constant_loss(task, facts_of("own"), (None, 1), *rows) is None
    assert constant_loss(task, facts, (None, 5, 1), *rows) is None
