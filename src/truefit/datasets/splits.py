"""Which rows are trained on, validated on, tested on."""

from __future__ import annotations

import numpy as np

from truefit.datasets.prepared import SPLITS

Indices = dict[str, np.ndarray]


def split_rows(
    labels: np.ndarray | None,
    rows: int,
    *,
    validation: float,
    test: float,
    seed: int,
    is_test: np.ndarray | None = None,
) -> Indices:
    """Sorted row numbers of each split; every row in exactly one.

    With `labels` (class codes) each class is split by itself, and each split holds at least one
    row of each class, which scikit-learn's stratified splits do not promise for rare classes.

    Args:
        labels: class of each row, or `None` to split without regard to it.
        rows: how many there are.
        validation: share of the rows that no given test split takes.
        test: share of the rows, ignored where `is_test` is given.
        seed: the same seed gives the same splits.
        is_test: the rows of a given test split.

    Raises:
        ValueError: a split would be empty, or a class has too few rows; the message says which.
    """
    random = np.random.default_rng([seed, 0x5711])
    splits: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    open_rows = np.arange(rows)
    if is_test is not None:
        splits["test"].append(np.flatnonzero(is_test))
        open_rows, test = np.flatnonzero(~is_test), 0.0
    groups = [open_rows] if labels is None else _by_class(labels, open_rows)
    for group in groups:
        shuffled = random.permutation(group)
        if len(group) < (needed := 3 if test else 2):
            _refuse(labels, group, needed)
        cut = np.split(shuffled, np.cumsum(_held_out(len(group), test, validation)))
        for name, part in zip(("test", "validation", "train"), cut, strict=True):
            splits[name].append(part)
    joined = {name: np.sort(np.concatenate(parts)) for name, parts in splits.items()}
    if empty := [name for name, chosen in joined.items() if len(chosen) == 0]:
        raise ValueError(f"the {empty[0]} split has no rows")
    return joined


def _held_out(rows: int, test: float, validation: float) -> tuple[int, int]:
    """Rows for test and validation: at least one each, and one is left for training."""
    for_test = min(max(1, round(rows * test)), rows - 2) if test else 0
    return for_test, min(max(1, round(rows * validation)), rows - 1 - for_test)


def _by_class(labels: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    return [rows[labels[rows] == code] for code in np.unique(labels[rows])]


def _refuse(labels: np.ndarray | None, group: np.ndarray, needed: int) -> None:
    if labels is None:
        raise ValueError(f"{len(group)} rows are fewer than the splits need (at least {needed})")
    raise ValueError(
        f"class number {labels[group[0]]} has {len(group)} rows outside the test split and the "
        f"others need at least {needed}"
    )
