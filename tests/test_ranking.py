from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from truefit.scoring.generation import frechet
from truefit.scoring.ratings import ranking


@given(st.integers(0, 10_000), st.integers(1, 15))
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
