"""A forest of the same rows: what a model that has learned its data should not lose to."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from truefit.datasets.prepared import Facts
from truefit.mapped import read
from truefit.overfitting import Forest

ROWS = 2_000  # that it learns from, and that it is compared on
FEATURES = 4_096
TREES = 100


def compare_with_forest(
    x: np.ndarray,
    y: np.ndarray,
    held_out: np.ndarray,
    actual: np.ndarray,
    predicted: np.ndarray,
    facts: Facts,
    seed: int,
) -> Forest | None:
    """How extremely randomised trees (Geurts et al. 2006) do beside the model.

    Args:
        x: training rows.
        y: their targets.
        held_out: validation rows.
        actual: their targets.
        predicted: what the model says of them: class codes, or numbers.
        facts: what dataset.json says.
        seed: of the rows that are taken, and of the trees.

    Returns:
        `None` where rows are no features, or no class or number is predicted. A number counts as
        better where it is nearer.
    """
    kind = facts["target"]["kind"]
    if facts["sizes"] or kind not in ("classes", "number") or np.prod(x.shape[1:]) > FEATURES:
        return None
    random = np.random.default_rng([seed, 0xF0E])
    some = np.sort(random.permutation(len(y))[:ROWS])
    seen = np.sort(random.permutation(len(actual))[:ROWS])
    make: Any = ExtraTreesClassifier if kind == "classes" else ExtraTreesRegressor
    forest = make(n_estimators=TREES, random_state=seed).fit(_flat(read(x, some)), read(y, some))
    guessed, real = forest.predict(_flat(read(held_out, seen))), actual[seen]
    if kind == "classes":
        theirs, ours = guessed != real, predicted[seen] != real
    else:
        theirs, ours = np.abs(guessed - real), np.abs(predicted[seen] - real)
    better, worse = int(np.sum(theirs < ours)), int(np.sum(theirs > ours))
    p = binomtest(better, better + worse, alternative="greater").pvalue if better else 1.0
    return Forest(better, worse, float(p))


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), -1).astype(np.float32)
