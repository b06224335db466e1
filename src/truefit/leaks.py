"""What makes a score too good: rows in two splits, a feature that gives the target away."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from truefit.datasets.duplicates import row_digests
from truefit.datasets.prepared import Facts, Split
from truefit.mapped import read
from truefit.overfitting import Leaks

LOOKED_AT = 5_000  # rows in which a revealing feature is looked for
FEATURES = 10_000  # of more a revealing one is not looked for
LEAVES = 64  # of a tree on one feature: fine enough to copy a number


def find_leaks(splits: dict[str, Split], facts: Facts, seed: int) -> Leaks:
    """Rows of the held-out splits that stand in training, and a feature that says too much."""
    train = np.unique(row_digests(splits["train"].x))
    held_out = {name: split for name, split in splits.items() if name != "train"}
    shared = {name: _count(s.x, train) for name, s in held_out.items()}
    chance = {
        name: _by_chance(s.x, train, seed) if shared[name] else 0 for name, s in held_out.items()
    }
    rows = {name: len(split.y) for name, split in held_out.items()}
    name, explained, next_best = _revealing(splits["train"], facts, seed)
    return Leaks(rows, shared, chance, name, explained, next_best)


def _count(x: np.ndarray, train: np.ndarray) -> int:
    return int(np.isin(row_digests(x), train).sum())


def _by_chance(x: np.ndarray, train: np.ndarray, seed: int) -> int:
    """How many rows would stand in training if each column were dealt out anew.

    Rows of few columns with few values each meet often.
    """
    if x.ndim > 2:
        return 0
    random = np.random.default_rng([seed, 0x1EA])
    chosen = np.sort(random.permutation(len(x))[:LOOKED_AT])
    shuffled = random.permuted(read(x, chosen), axis=0)
    return round(_count(shuffled, train) * len(x) / len(chosen))


def _revealing(train: Split, facts: Facts, seed: int) -> tuple[str | None, float, float]:
    """The feature that explains most by itself, how much, and how much the next one does."""
    target = facts["target"]
    count = int(np.prod(facts["input_shape"]))
    if facts["sizes"] or target["kind"] not in ("classes", "number") or not 1 < count <= FEATURES:
        return None, 0.0, 0.0
    chosen = np.random.default_rng([seed, 0x1EB]).permutation(len(train.y))[:LOOKED_AT]
    x = np.asarray(read(train.x, np.sort(chosen)), np.float32).reshape(len(chosen), -1)
    y = read(train.y, np.sort(chosen))
    classes = target["kind"] == "classes"
    make: Any = DecisionTreeClassifier if classes else DecisionTreeRegressor
    best = _first_asked(make, x, y)
    others = np.delete(x, best, axis=1)
    names = facts["features"] or [f"feature {number}" for number in range(count)]
    following = others[:, [_first_asked(make, others, y)]]
    tree = make(max_leaf_nodes=LEAVES, random_state=0)
    return (
        names[best],
        _explained(tree, x[:, [best]], y, classes),
        _explained(tree, following, y, classes),
    )


def _first_asked(make: Any, x: np.ndarray, y: np.ndarray) -> int:
    """The feature that a small tree gains most from."""
    return int(make(max_leaf_nodes=LEAVES, random_state=0).fit(x, y).feature_importances_.argmax())


def _explained(tree: Any, x: np.ndarray, y: np.ndarray, classes: bool) -> float:
    """Of the mistakes, or squares, of a constant the share that the tree avoids on unseen rows."""
    folds = KFold(5 if len(y) >= 50 else 2, shuffle=True, random_state=0)
    predicted = cross_val_predict(tree, x, y, cv=folds)
    if not classes:
        return float(1 - np.mean((y - predicted) ** 2) / np.var(y))
    most = np.bincount(y).max() / len(y)
    return float(1 - np.mean(predicted != y) / (1 - most)) if most < 1 else 0.0
