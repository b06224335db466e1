from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import sections
from conftest import dataset_json
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from truefit.core.prepared.folder import Split
from truefit.evaluation.intervals import bootstrap
from truefit.evaluation.scoring import generation, ratings
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.generation import frechet, thin
from truefit.evaluation.scoring.ratings import ranking
from truefit.evaluation.scoring.scoring import find_scoring
from truefit.training.tasks import Task


def a_case(x: np.ndarray, prediction: np.ndarray, **target: Any) -> Case:
    facts, task = dataset_json(target=target), cast("Task", None)  # which nothing here asks
    return Case("test", x, np.zeros(len(x)), prediction, facts, task)


@given(st.integers(0, 10_000), st.integers(1, 15))
@settings(deadline=None)
def test_a_ranking_agrees_with_scikit_learn(seed: int, likes: int) -> None:
    """NDCG is scikit-learn's for gains of 0 and 1, and recall the share of what is liked."""
    random = np.random.default_rng(seed)
    rated, liked = random.permutation(30).astype(float), random.permutation(30)[:likes]
    gains = np.isin(np.arange(30), liked)

    recall, ndcg = ranking(rated, liked)

    top = np.argsort(-rated)[:10]
    assert np.isclose(recall, gains[top].sum() / likes)
    assert np.isclose(ndcg, ndcg_score(gains[np.newaxis], rated[np.newaxis], k=10))


def test_the_frechet_distance_is_that_of_two_normals() -> None:
    """0 for the same rows; for normals whose covariances commute the textbook's closed form."""
    random = np.random.default_rng(0)
    one = random.normal(size=(4000, 3)) * [1.0, 2.0, 0.5]
    other = random.normal(size=(4000, 3)) * [2.0, 1.0, 0.5] + [3.0, 0.0, 0.0]
    ones = np.ones(4000)

    assert abs(frechet(one, one, ones)) < 1e-6
    # |difference of means|^2 + sum of (s - t)^2 over the deviations
    assert np.isclose(frechet(one, other, ones), 9 + 1 + 1 + 0, rtol=0.05)


def test_the_interval_of_a_frechet_distance_holds_it() -> None:
    """Rows that are drawn twice make any sample look further off; that bias is taken out."""
    random = np.random.default_rng(0)
    real, made = random.normal(size=(2, 300, 32))
    case = a_case(real, np.column_stack([real, made, np.zeros(300)]), classes=["a"])

    scoring = find_scoring(generation.__name__)
    found = bootstrap(scoring, case, sections.evaluation(n_resamples=100), seed=0)["frechet"]

    low, high = np.quantile(found[1:], [0.025, 0.975])
    assert low < found[0] < high


def test_splits_of_any_size_are_compared_by_equally_many_rows() -> None:
    """Each split gives as many rows as the smallest has, all of them different ones."""
    splits = {
        name: Split(np.arange(n), np.arange(n)) for name, n in {"train": 50, "test": 7}.items()
    }

    found = thin(splits, seed=0)

    assert [len(np.unique(split.x)) for split in found.values()] == [7, 7]
    assert np.array_equal(found["train"].x, found["train"].y)


def test_models_of_any_seed_are_ranked_for_the_same_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of many users are drawn, and the training's seed does not say which."""
    monkeypatch.setattr(ratings, "USERS", 5)
    pairs = np.stack(np.meshgrid(np.arange(1, 31), np.arange(1, 9)), axis=-1).reshape(-1, 2)
    split = Split(pairs.astype(np.int32), np.full(len(pairs), 5.0))
    splits = {"train": Split(pairs[:1], np.ones(1)), "test": split}
    facts = dataset_json(sizes=[31, 9], target={"mean": 3.0})

    contexts = [
        ratings.prepare(Flat(), splits, facts, sections.config(seed=seed)) for seed in (0, 1)
    ]
    found = [ratings.predict(split, context, 8) for context in contexts]

    ranked = [set(pairs[np.isfinite(one[:, 1]), 0]) for one in found]
    assert ranked[0] == ranked[1]
    assert len(ranked[0]) == 5


class Flat:
    """A model that gives everything the same rating."""

    def predict(self, rows: np.ndarray, **_: object) -> np.ndarray:
        """(rows, 1) of ones."""
        return np.ones((len(rows), 1))


def test_a_ranking_is_as_sure_as_its_users_are_many() -> None:
    """20 rows of one user are one list: the error of the mean is that of so many users."""
    random = np.random.default_rng(0)
    users, recall = np.repeat(np.arange(100), 20), np.repeat(random.random(100), 20)
    rating = random.normal(size=2000)
    case = a_case(users[:, np.newaxis], np.column_stack([rating, *[recall] * 4]), scale=1.0)

    scoring = find_scoring(ratings.__name__)
    found = bootstrap(scoring, case, sections.evaluation(n_resamples=400), seed=0)["recall_at_10"]

    assert np.isclose(found[0], recall.mean())
    assert np.isclose(found[1:].std(), recall.std() / 10, rtol=0.15)
