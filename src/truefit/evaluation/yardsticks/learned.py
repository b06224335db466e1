"""Models that learn from features: linear ones, boosted trees, a forest, the nearest class mean."""

from __future__ import annotations

from collections.abc import Callable
from math import log2

import numpy as np

from truefit.core.prepared.mapped import read
from truefit.core.words import YardstickKind
from truefit.evaluation.report.plots import is_picture
from truefit.evaluation.yardsticks.features import Features, features_of, is_sound
from truefit.evaluation.yardsticks.linear import Matrix, Predict, fit_linear
from truefit.evaluation.yardsticks.nearest import fit_means
from truefit.evaluation.yardsticks.trees import ROUNDS, fit_boosting, fit_forest, tried
from truefit.evaluation.yardsticks.yardstick import HELD_OUT, Cases, Yardstick, choose_rows
from truefit.training.passes import batch_within

BLOCK = 10_000  # rows that are predicted at a time, at most
# Each limit is 5 to 15 seconds of one core, as measured on digits, MNIST and made-up tables.
VALUES = 3e7  # rows x features of any linear model, which are held as float64
LINEAR = 1e8  # rows x features x outputs of logistic regression
RIDGE = 3e10  # rows x features x the smaller of the two
SPARSE = 1e8  # rows x stored values x outputs
BOOSTING = 1.5e9  # trees x features x rows, and BINNED rows more for what no row costs
BINNED = 2_500
FOREST = 5e6  # rows x their logarithm x features that a split tries
PASSED = 8e9  # rows x rows that are predicted: the more rows, the deeper the trees
LEAVES = 3e5  # rows x outputs: half a gigabyte of leaves
MEANS = 5e7  # rows x features

Fit = Callable[[Matrix, np.ndarray], Predict]


def linear(cases: Cases, seed: int) -> list[Yardstick]:
    """Logistic regression, one for each label if there are several, or ridge regression."""
    features, kind, outputs = _task(cases, seed)
    if features is None:
        return []
    if features.sparse:
        most = SPARSE / features.values / outputs
    elif kind == "number":
        most = max(RIDGE / features.count**2, min(features.count, (RIDGE / features.count) ** 0.5))
    else:
        most = LINEAR / features.count / outputs
    if not features.sparse:
        most = min(most, VALUES / features.count)

    def fit(x: Matrix, y: np.ndarray) -> Predict:
        return fit_linear(x, y, kind, outputs, features.penalties, seed)

    name = "ridge regression" if kind == "number" else "logistic regression"
    return _learn(cases, features, "linear", name, most, fit, seed)


def boosting(cases: Cases, seed: int) -> list[Yardstick]:
    """Boosted trees, of features that are no words and targets that are not several labels."""
    features, kind, outputs = _task(cases, seed)
    if features is None or features.sparse or kind == "labels":
        return []
    trees = ROUNDS * (outputs if outputs > 2 else 1)

    def fit(x: Matrix, y: np.ndarray) -> Predict:
        return fit_boosting(x, y, kind, outputs, seed)

    most = BOOSTING / trees / features.count - BINNED
    return _learn(cases, features, "boosting", "boosting", most, fit, seed)


def forest(cases: Cases, seed: int) -> list[Yardstick]:
    """A forest, of features that are no words."""
    features, kind, outputs = _task(cases, seed)
    if features is None or features.sparse:
        return []
    work = FOREST / tried(features.count, kind)
    held_out = sum(len(cases[name].y) for name in HELD_OUT)
    rows = work / log2(max(2, min(work, len(cases["train"].y))))
    most = min(rows, LEAVES / outputs, PASSED / held_out)

    def fit(x: Matrix, y: np.ndarray) -> Predict:
        return fit_forest(x, y, kind, outputs, seed)

    return _learn(cases, features, "forest", "forest", most, fit, seed)


def nearest_mean(cases: Cases, seed: int) -> list[Yardstick]:
    """The class whose mean image, or spectrum, is nearest."""
    features, _, outputs = _task(cases, seed)
    train = cases["train"]
    if features is None or not (is_picture(train.x) or is_sound(train)):
        return []

    def fit(x: Matrix, y: np.ndarray) -> Predict:
        return fit_means(x, y, outputs, seed)

    most = MEANS / features.count
    return _learn(cases, features, "nearest_mean", "nearest class mean", most, fit, seed)


def _task(cases: Cases, seed: int) -> tuple[Features | None, str, int]:
    """The features, the kind of target, and how many classes or labels there are, or numbers."""
    target = cases["train"].facts.target
    outputs = len(target.classes or target.labels or ["the number"])
    return features_of(cases["train"], seed), target.kind, outputs


def _learn(
    cases: Cases,
    features: Features,
    kind: YardstickKind,
    name: str,
    most: float,
    fit: Fit,
    seed: int,
) -> list[Yardstick]:
    """What `fit` learns of as many rows as `most` allows; nothing where these are too few."""
    train = cases["train"]
    chosen = choose_rows(len(train.y), most, [seed, 0x4AD])
    if chosen is None:
        return []
    predict = fit(features.of(read(train.x, chosen)), read(train.y, chosen))
    predictions = {}
    for split in HELD_OUT:
        x = cases[split].x
        size = batch_within(x, BLOCK)
        places = (slice(start, start + size) for start in range(0, len(x), size))
        found = [predict(features.of(read(x, place))) for place in places]
        # With two classes the task may want the probability of the second alone.
        predictions[split] = np.concatenate(found)[:, -train.task.num_outputs :]
    return [Yardstick(name + features.words, kind, len(chosen), predictions)]
