"""What makes a score too good: rows in two splits, a feature that gives the target away."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from truefit.core.prepared.duplicates import row_digests
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split
from truefit.core.prepared.mapped import read
from truefit.core.prepared.table import columns_of
from truefit.evaluation.evidence import Leaks

DecisionTree: TypeAlias = DecisionTreeClassifier | DecisionTreeRegressor

LOOKED_AT = 5_000  # rows in which a revealing feature is looked for
FEATURES = 10_000  # of more a revealing one is not looked for
LEAVES = 64  # of a tree on one feature: fine enough to copy a number
SCREENED = 500_000  # values that all features are screened by together: seconds
LEAST_SCREENED = 500  # rows that each is screened by
CLOSER = 3  # features that are looked at closer


def find_leaks(splits: dict[str, Split], facts: Facts, seed: int) -> Leaks:
    """Rows of the held-out splits that stand in training, and a column that says too much."""
    digests = {name: row_digests(split.x) for name, split in splits.items()}
    different = {name: np.unique(digest) for name, digest in digests.items()}
    train = different["train"]
    held_out = {name: split for name, split in splits.items() if name != "train"}
    shared = {name: int(np.isin(digests[name], train).sum()) for name in held_out}
    chance = {
        name: _by_chance(s.x, train, facts, seed) if shared[name] else 0
        for name, s in held_out.items()
    }
    rows = {name: len(split.y) for name, split in held_out.items()}
    name, explained, next_best = _revealing(splits["train"], facts, seed)
    equal = {name: len(digest) - len(different[name]) for name, digest in digests.items()}
    return Leaks(rows, shared, chance, name, explained, next_best, equal)


def _by_chance(x: np.ndarray, train: np.ndarray, facts: Facts, seed: int) -> int:
    """How many rows would stand in training if the values of each column were shuffled.

    Rows of few columns with few values each meet often.
    """
    if x.ndim > 2:
        return 0
    random = np.random.default_rng([seed, 0x1EA])
    chosen = np.sort(random.permutation(len(x))[:LOOKED_AT])
    shuffled = np.array(read(x, chosen))
    for _, place in _columns(facts):
        shuffled[:, place] = shuffled[random.permutation(len(chosen)), place]
    met = np.isin(row_digests(shuffled), train).sum()
    return round(float(met) * len(x) / len(chosen))


def _columns(facts: Facts) -> list[tuple[str, slice]]:
    """As `columns_of`; of texts each place of a word, which is not to be taken from its row."""
    if facts.sizes:
        return [(str(n), slice(n, n + 1)) for n in range(int(np.prod(facts.input_shape)))]
    return columns_of(facts)


def _revealing(train: Split, facts: Facts, seed: int) -> tuple[str | None, float, float]:
    """The column that explains most by itself, how much, and how much the next one does."""
    target = facts.target
    count = int(np.prod(facts.input_shape))
    if facts.sizes or target.kind not in ("classes", "number") or not 1 < count <= FEATURES:
        return None, 0.0, 0.0
    chosen = np.random.default_rng([seed, 0x1EB]).permutation(len(train.y))[:LOOKED_AT]
    x = np.asarray(read(train.x, np.sort(chosen)), np.float32).reshape(len(chosen), -1)
    y = read(train.y, np.sort(chosen))
    classes = target.kind == "classes"
    make = DecisionTreeClassifier if classes else DecisionTreeRegressor
    tree = make(max_leaf_nodes=LEAVES, random_state=0)
    closer = _most_telling(tree, x, y, columns_of(facts))
    scored = {name: _explained(tree, x[:, place], y, classes) for name, place in closer}
    names: list[str | None] = [*sorted(scored, key=scored.__getitem__, reverse=True), None, None]
    shares = scored | {None: 0.0}
    return names[0], shares[names[0]], shares[names[1]]


def _most_telling(
    tree: DecisionTree, x: np.ndarray, y: np.ndarray, columns: list[tuple[str, slice]]
) -> list[tuple[str, slice]]:
    """The columns by which alone a tree copies most of the target, the first of them first.

    Not those that a tree of all columns asks first: what a text gives away lies in several.
    """
    # Not the first rows: data often come sorted by their target.
    order = np.random.default_rng(0).permutation(len(y))
    few = np.sort(order[: max(LEAST_SCREENED, SCREENED // len(columns))])
    x, y = x[few], y[few]
    varied = [column for column in columns if np.ptp(x[:, column[1]]) > 0]
    copied = [tree.fit(x[:, place], y).score(x[:, place], y) for _, place in varied]
    return [varied[n] for n in np.argsort(copied, kind="stable")[::-1][:CLOSER]]


def _explained(tree: DecisionTree, x: np.ndarray, y: np.ndarray, classes: bool) -> float:
    """The share of a constant's mistakes, or squares, that the tree avoids on unseen rows."""
    folds = KFold(5 if len(y) >= 50 else 2, shuffle=True, random_state=0)
    predicted = cross_val_predict(tree, x, y, cv=folds)
    if not classes:
        return float(1 - np.mean((y - predicted) ** 2) / np.var(y))
    most = np.bincount(y).max() / len(y)
    return float(1 - np.mean(predicted != y) / (1 - most)) if most < 1 else 0.0
