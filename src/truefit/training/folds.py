"""Which rows of training and validation are held out in turn, and less of the training rows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split, read_facts, read_groups, read_split
from truefit.core.prepared.mapped import read

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator

NAMES = ("train", "validation")


def assign(folder: Path, count: int, repeats: int, seed: int) -> np.ndarray:
    """For each repeat the fold of each row, those of training first: int16 (repeats, rows).

    Classes are spread evenly over the folds where the splits were stratified, and a group lies in
    one fold where they were grouped instead. The same rows, numbers and seed give the same folds.

    Raises:
        ValueError: rows, groups or a class are fewer than the folds need.
    """
    facts = read_facts(folder)
    y = np.concatenate([np.asarray(read_split(folder, name).y) for name in NAMES])
    groups = read_groups(folder, facts)
    labels = y if facts.stratified else None
    _check(facts, labels, groups, len(y), count)
    found = np.zeros((repeats, len(y)), np.int16)
    for repeat in range(repeats):
        splitter = _splitter(labels, groups, count, _seed_of(seed, repeat))
        for fold, (_, held_out) in enumerate(splitter.split(np.zeros(len(y)), labels, groups)):
            found[repeat, held_out] = fold
    return found


def digest(folds: np.ndarray) -> str:
    """The first 12 characters of SHA-256 over which row lies in which fold."""
    return hashlib.sha256(str(folds.shape).encode() + folds.astype("<i2").tobytes()).hexdigest()[
        :12
    ]


def read_both(folder: Path) -> Split:
    """The rows of training, then those of validation, in memory."""
    both = [read_split(folder, name) for name in NAMES]
    return Split(*(np.concatenate([getattr(split, a) for split in both]) for a in "xy"))


def pair(rows: Split, is_held_out: np.ndarray) -> tuple[Split, Split]:
    """The rows that a fold trains on and those it holds out."""
    parts = (~is_held_out, is_held_out)
    fit_on, validate_on = (Split(rows.x[part], rows.y[part]) for part in parts)
    return fit_on, validate_on


def thinned(split: Split, share: float, seed: int) -> Split:
    """A share of the rows at random, in memory; a larger share holds those of a smaller one."""
    count = max(1, round(share * len(split.y)))
    chosen = np.sort(np.random.default_rng([seed, 0x5AA]).permutation(len(split.y))[:count])
    return Split(read(split.x, chosen), read(split.y, chosen))


def described(facts: Facts, fit_on: Split) -> Facts:
    """`facts` with the mean and variance of other training rows: no held-out row is in them."""
    if facts.statistics is None:
        return facts
    from truefit.core.prepared.statistics import Statistics  # noqa: PLC0415 - it imports scikit-learn

    statistics = Statistics()
    for _ in statistics.watch([(fit_on.x, fit_on.y)]):
        pass
    found = statistics.moments()
    return replace(facts, statistics=replace(found, white=facts.statistics.white))


def _seed_of(seed: int, repeat: int) -> int:
    return int(np.random.SeedSequence([seed, 0xF01D, repeat]).generate_state(1)[0])


def _splitter(
    labels: np.ndarray | None, groups: np.ndarray | None, count: int, seed: int
) -> BaseCrossValidator:
    # A second that only a search by folds pays, and not every stage that trains.
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold  # noqa: PLC0415

    kind = GroupKFold if groups is not None else KFold if labels is None else StratifiedKFold
    return kind(count, shuffle=True, random_state=seed)


def _check(
    facts: Facts, labels: np.ndarray | None, groups: np.ndarray | None, rows: int, count: int
) -> None:
    where, of = "search.folds.n_splits", "rows" if groups is None else "groups"
    there = rows if groups is None else len(np.unique(groups))
    if there < count:
        raise ValueError(f"{where}: {count} folds need as many {of}, and there are {there}")
    if labels is None or groups is not None:
        return
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < count:
        name = facts.target.classes[classes[counts.argmin()]]
        raise ValueError(
            f"{where}: class {name!r} has {counts.min()} rows outside the test split, and {count} "
            "folds need one each: take fewer folds, or set data.split.stratify to false"
        )
