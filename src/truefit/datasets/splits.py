"""Which rows are trained on, validated on, tested on: at random, by class, by group, by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from truefit.core.prepared.columns import as_levels
from truefit.core.prepared.folder import SPLITS
from truefit.datasets.checks import plain_name

if TYPE_CHECKING:
    from truefit.config.schema import Split

Indices = dict[str, np.ndarray]
Wanted = Mapping[str, float | Sequence[str | float]]  # of a split: its share, or its groups
HELD_OUT = ("test", "validation")  # in the order in which rows are taken


def given_by_column(
    keys: Mapping[str, np.ndarray], split: Split
) -> tuple[dict[str, np.ndarray], Split]:
    """The split that a column gives, where naming its groups leaves a single one.

    The rows of that one are then split at random, as those beside any given split.

    Args:
        keys: the columns that rows may be grouped by.
        split: `data.split`.

    Returns:
        `is_test` or `is_validation` of each row, and `split` without `group`; or nothing and
        `split` as it is.
    """
    shares, group = {"test": split["test"], "validation": split["validation"]}, split.get("group")
    named = {name: share for name, share in shares.items() if isinstance(share, list | tuple)}
    group = group if group is None or group in keys else plain_name(group)
    if group is None or group not in keys or len(named) != 1:
        return {}, split
    groups = _texts(keys[group])
    name, names = next(iter(named.items()))
    asked = {*_texts(names)}
    if len(left := {*groups} - asked) != 1 or asked - {*groups}:
        return {}, split
    whole: Split = {**split, "group": None}
    return {f"is_{name}": ~np.isin(groups, [*left])}, whole


def split_rows(
    labels: np.ndarray | None,
    rows: int,
    *,
    validation: float | Sequence[str | float],
    test: float | Sequence[str | float],
    seed: int,
    is_test: np.ndarray | None = None,
    is_validation: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
) -> Indices:
    """Sorted row numbers of each split; every row in exactly one.

    With `labels` (class codes) each class is split by itself, and each split holds at least one
    row of each class, which scikit-learn's stratified splits do not promise for rare classes.
    With `groups` no group is in two splits; with `times` the last rows are tested on, those before
    them validated on, and no moment is in two splits. A given split stays as it is given.

    Args:
        labels: class of each row, or `None` to split without regard to it.
        rows: how many there are.
        validation: share of the rows that no given split takes, or the groups themselves; ignored
            where `is_validation` is given.
        test: likewise; ignored where `is_test` is given.
        seed: the same seed gives the same splits.
        is_test: the rows of a given test split.
        is_validation: the rows of a given validation split.
        groups: the group of each row.
        times: when each row was, as numbers.

    Raises:
        ValueError: a split would be empty, or a class has too few rows; the message says which.
    """
    masks = {"test": is_test, "validation": is_validation}
    given = {name: np.flatnonzero(mask) for name, mask in masks.items() if mask is not None}
    open_rows = np.setdiff1d(np.arange(rows), np.concatenate([[], *given.values()]))
    shares = {"test": test, "validation": validation}
    wanted = {name: 0.0 if name in given else share for name, share in shares.items()}
    parts = {name: share for name, share in wanted.items() if isinstance(share, float | int)}
    random = np.random.default_rng([seed, 0x5711])
    if groups is not None:
        splits = _by_group(groups, open_rows, wanted, random)
    elif times is not None:
        splits = _by_time(times, open_rows, parts)
    else:
        splits = _at_random(labels, open_rows, parts, random)
    splits |= {name: np.concatenate([chosen, splits[name]]) for name, chosen in given.items()}
    if empty := [name for name in SPLITS if len(splits[name]) == 0]:
        raise ValueError(
            f"data.split: no row is left for {empty[0]}: change `data.split`, or add rows"
        )
    return {name: np.sort(chosen).astype(int) for name, chosen in splits.items()}


def _at_random(
    labels: np.ndarray | None,
    rows: np.ndarray,
    wanted: Mapping[str, float],
    random: np.random.Generator,
) -> Indices:
    splits: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    for part in [rows] if labels is None else _by_class(labels, rows):
        shuffled = random.permutation(part)
        if len(part) < (needed := 1 + sum(bool(share) for share in wanted.values())):
            _refuse(labels, part, needed)
        counts = _held_out(len(part), wanted["test"], wanted["validation"])
        cut = np.split(shuffled, np.cumsum(counts))
        for name, chosen in zip((*HELD_OUT, "train"), cut, strict=True):
            splits[name].append(chosen)
    return {name: np.concatenate(parts) for name, parts in splits.items()}


def _by_group(
    groups: np.ndarray, rows: np.ndarray, wanted: Wanted, random: np.random.Generator
) -> Indices:
    names = _texts(groups)
    left = random.permutation(np.unique(names[rows]))
    total, splits = len(left), {}
    for name in HELD_OUT:
        asked = wanted[name]
        if isinstance(asked, float | int):
            chosen = left[: max(1, round(total * asked)) if asked else 0]
        else:
            chosen = _named(name, _texts(asked).tolist(), left)
        left = left[~np.isin(left, chosen)]
        splits[name] = rows[np.isin(names[rows], chosen)]
    if not len(left):
        raise ValueError(
            f"data.split.group: {total} groups are fewer than the splits need, one each: name "
            "another column, add data, or name the groups of one split and leave a single one"
        )
    return splits | {"train": rows[np.isin(names[rows], left)]}


def _texts(groups: np.ndarray | Sequence[str | float]) -> np.ndarray:
    """Names of groups; 1.0 is `1`, as a gap makes floats of a column of integers."""
    return np.array(as_levels(pd.Series(groups)), dtype=str)


def _named(split: str, asked: list[str], left: np.ndarray) -> np.ndarray:
    """The groups that the configuration names, all of which must be there."""
    if unknown := sorted(set(asked) - set(left.tolist())):
        known = ", ".join(sorted(left.tolist())[:20])
        raise ValueError(
            f"data.split.{split}: there is no group {unknown[0]!r} (or another split has it); "
            f"groups: {known}"
        )
    return np.array(asked)


def _by_time(times: np.ndarray, rows: np.ndarray, wanted: Mapping[str, float]) -> Indices:
    moments = np.asarray(times)[rows]
    ordered = np.argsort(moments, kind="stable")
    end, splits = len(rows), {}
    for name in HELD_OUT:
        count = _at_least_one(len(rows), wanted[name])
        start = end - count
        if count and start > 0:  # a moment lies in one split: the later one gives its rows away
            start += int((moments[ordered[start:end]] == moments[ordered[start - 1]]).sum())
        splits[name] = rows[ordered[start:end]]
        end = start
    return splits | {"train": rows[ordered[:end]]}


def _at_least_one(rows: int, share: float) -> int:
    return max(1, round(rows * share)) if share else 0


def _held_out(rows: int, test: float, validation: float) -> tuple[int, int]:
    """Rows for test and validation: at least one each, and one is left for training."""
    for_test = min(_at_least_one(rows, test), rows - 2) if test else 0
    return for_test, min(_at_least_one(rows, validation), rows - 1 - for_test)


def _by_class(labels: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    return [rows[labels[rows] == code] for code in np.unique(labels[rows])]


def _refuse(labels: np.ndarray | None, group: np.ndarray, needed: int) -> None:
    if labels is None:
        raise ValueError(
            f"{len(group)} rows are fewer than the splits need (at least {needed}): add rows"
        )
    raise ValueError(
        f"class number {labels[group[0]]} has {len(group)} rows outside the test split and the "
        f"others need at least {needed}: drop it, merge it, or set data.split.stratify to false"
    )
