"""Boosted trees and a forest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import isqrt

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from truefit.evaluation.yardsticks.linear import in_all_classes, tenth

ROUNDS = 200  # of boosting, at most
PATIENCE = 10  # rounds without gain after which it stops
TREES = 100  # of a forest
THREAD = 1_000  # rows that a thread predicts at a time
Predict = Callable[[np.ndarray], np.ndarray]


def fit_boosting(x: np.ndarray, y: np.ndarray, kind: str, classes: int, seed: int) -> Predict:
    """Histogram gradient boosting, stopped where a tenth of the rows gains no more.

    Friedman 2001, with the bins of Ke et al. 2017, as scikit-learn has it.

    Args:
        x: (rows, features).
        y: class codes, or numbers.
        kind: of the target: "classes" or "number".
        classes: how many there are.
        seed: of that tenth.
    """
    kept, held = tenth(len(y), seed)
    seen = np.unique(y[kept])
    settings = {"max_iter": ROUNDS, "n_iter_no_change": PATIENCE, "random_state": seed}
    if kind == "number":
        model = HistGradientBoostingRegressor(early_stopping=True, **settings)
        model.fit(x[kept], y[kept], X_val=x[held], y_val=y[held])
        return lambda rows: model.predict(rows)[:, np.newaxis]
    if len(seen) == 1:
        return lambda rows: in_all_classes(np.ones((len(rows), 1)), seen, classes)
    held = held[np.isin(y[held], seen)]  # it cannot know the others
    judged = {"X_val": x[held], "y_val": y[held]} if len(held) else {}
    model = HistGradientBoostingClassifier(early_stopping=bool(judged), **settings)
    model.fit(x[kept], y[kept], **judged)
    return lambda rows: in_all_classes(model.predict_proba(rows), seen, classes)


def fit_forest(x: np.ndarray, y: np.ndarray, kind: str, outputs: int, seed: int) -> Predict:
    """Extremely randomised trees (Geurts et al. 2006).

    A forest gives a class that no tree votes for the probability 0, and one row of it an infinite
    log loss. The shares of the training rows therefore count as the vote of one more tree.

    Args:
        x: (rows, features).
        y: class codes, labels of 0 and 1 (rows, labels), or numbers.
        kind: of the target: "classes", "labels" or "number".
        outputs: how many classes or labels there are.
        seed: of the trees.
    """
    settings = {
        "n_estimators": TREES,
        "max_features": tried(x.shape[1], kind),
        "random_state": seed,
        "n_jobs": -1,
    }
    if kind == "classes":
        model = ExtraTreesClassifier(**settings).fit(x, y)
        shares = np.bincount(y, minlength=outputs) / len(y)
    else:  # the mean of 0 and 1 is a probability, and their variance splits as Gini's index does
        model = ExtraTreesRegressor(**settings).fit(x, y)
        shares = y.mean(axis=0)
    model.set_params(n_jobs=1)  # trees that finish in any order add up to other last digits

    def predict(rows: np.ndarray) -> np.ndarray:
        if kind == "number":
            return np.asarray(model.predict(rows)).reshape(-1, 1)
        votes = model.predict_proba(rows) if kind == "classes" else model.predict(rows)
        if kind == "classes":
            votes = in_all_classes(votes, model.classes_, outputs)
        smoothed: np.ndarray = (TREES * votes.reshape(len(rows), -1) + shares) / (TREES + 1)
        return smoothed

    return lambda rows: _in_threads(predict, rows)


def tried(features: int, kind: str) -> int:
    """Features that a split of the forest looks at: all for a number if they are few, or a root."""
    return max(isqrt(features), min(features, 30) if kind == "number" else 1)


def _in_threads(predict: Predict, rows: np.ndarray) -> np.ndarray:
    """Blocks of rows side by side: the same bytes for any number of threads."""
    blocks = [rows[start : start + THREAD] for start in range(0, len(rows), THREAD)]
    with ThreadPoolExecutor() as pool:
        return np.concatenate(list(pool.map(predict, blocks)))
