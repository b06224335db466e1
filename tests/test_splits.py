from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sections
from hypothesis import given
from hypothesis import strategies as st

from truefit.core.prepared.folder import SPLITS, read_split
from truefit.datasets.checks import Source
from truefit.datasets.prepare import prepare
from truefit.datasets.splits import given_by_column, split_rows

shares = st.floats(0.05, 0.4)


@given(st.lists(st.integers(0, 3), min_size=3, max_size=200), shares, shares, st.integers(0, 99))
def test_every_row_is_in_exactly_one_split(
    codes: list[int], validation: float, test: float, seed: int
) -> None:
    """Stratified splits hold each row once and each class in every split, and repeat for a seed."""
    labels = np.array([*codes, *[0, 1, 2, 3] * 3])
    arguments: dict[str, Any] = {"validation": validation, "test": test, "seed": seed}

    splits = split_rows(labels, len(labels), **arguments)
    again = split_rows(labels, len(labels), **arguments)

    rows = np.concatenate([splits[name] for name in SPLITS])
    assert sorted(rows) == list(range(len(labels)))
    assert all(set(labels[splits[name]]) == {0, 1, 2, 3} for name in SPLITS)
    assert all((splits[name] == again[name]).all() for name in SPLITS)


def test_a_given_test_split_is_kept() -> None:
    """The rows of a given test split are exactly the test split."""
    is_test = np.arange(50) >= 40

    splits = split_rows(None, 50, validation=0.2, test=0.2, seed=0, is_test=is_test)

    assert splits["test"].tolist() == list(range(40, 50))
    assert len(splits["validation"]) == 8


@pytest.mark.parametrize("rows", [1, 2])
def test_fewer_rows_than_splits_are_refused(rows: int) -> None:
    """A data set that cannot fill three splits is refused."""
    with pytest.raises(ValueError, match="fewer than the splits need"):
        split_rows(None, rows, validation=0.2, test=0.2, seed=0)


@given(st.lists(st.integers(0, 9), min_size=30, max_size=120), shares, shares, st.integers(0, 9))
def test_no_group_is_in_two_splits(
    groups: list[int], validation: float, test: float, seed: int
) -> None:
    """Whole groups are held out, every row is in one split, and each split has a group."""
    named = np.array([*groups, 0, 1, 2])

    splits = split_rows(None, len(named), validation=validation, test=test, seed=seed, groups=named)

    found = [set(named[rows].tolist()) for rows in splits.values()]
    assert sorted(np.concatenate(list(splits.values()))) == list(range(len(named)))
    assert all(found)
    assert sum(map(len, found)) == len(set(named.tolist()))


def test_named_groups_are_held_out() -> None:
    """Takes 0 and 1 are the test split and take 2 validates where the configuration says so."""
    takes = np.tile(np.arange(10), 4)

    splits = split_rows(None, 40, validation=[2], test=["0", 1], seed=0, groups=takes)

    assert set(takes[splits["test"]]) == {0, 1}
    assert set(takes[splits["validation"]]) == {2}
    assert set(takes[splits["train"]]) == set(range(3, 10))


def test_a_group_that_is_not_there_is_refused() -> None:
    """A held-out group that no row is of is named, with those that there are."""
    with pytest.raises(ValueError, match=r"no group 'anna'.*groups: bert, carl"):
        split_rows(
            None,
            4,
            validation=["bert"],
            test=["anna"],
            seed=0,
            groups=np.array(["bert", "carl"] * 2),
        )


@given(st.lists(st.integers(0, 50), min_size=20, max_size=120, unique=True), shares, shares)
def test_what_comes_later_is_tested_on(moments: list[int], validation: float, test: float) -> None:
    """By time, every training row is before every validation row, and that before the test."""
    times = np.repeat(moments, 2)  # two rows a moment

    splits = split_rows(None, len(times), validation=validation, test=test, seed=0, times=times)

    train, middle, last = (times[splits[name]] for name in SPLITS)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(len(times)))
    assert train.max() < middle.min()
    assert middle.max() < last.min()


@pytest.mark.parametrize("held_out", ["test", "validation"])
def test_a_column_may_give_one_split(tmp_path: Path, held_out: str) -> None:
    """An official split stays whole; the other is a share of the rest, each class by itself."""
    rows = 100
    part = np.where(np.arange(rows) >= 80, "official", "train")
    frame = pd.DataFrame({"a": np.arange(rows) * 0.5, "part": part})
    source: Source = {"x": frame, "y": np.arange(rows) % 2, "keys": {"part": part}}
    shares: dict[str, Any] = {"validation": 0.25, "test": 0.25, held_out: ["official"]}
    data = sections.data(group="part", **shares)
    other = "validation" if held_out == "test" else "test"

    facts = prepare(source, data, "auto", 0, tmp_path / "p")

    counts = {name: split["rows"] for name, split in facts["splits"].items()}
    assert counts == {held_out: 20, other: 20, "train": 60}
    held = read_split(tmp_path / "p", held_out).x[:, 0]
    assert sorted(held) == sorted(frame["a"][80:])
    assert facts["splits"][other]["classes"] == {"0": 10, "1": 10}
    assert (facts["stratified"], facts["grouped"]) == (True, False)


def test_named_groups_beside_many_leave_groups_whole() -> None:
    """Where naming leaves several groups, the share is of groups as before."""
    keys = {"who": np.repeat(["ann", "bob", "eve", "joe"], 5)}
    split = sections.data(validation=0.3, test=["ann"], group="who")["split"]

    assert given_by_column(keys, split) == ({}, split)
    assert given_by_column(keys, {**split, "test": ["ann", "bob", "moe"]})[0] == {}
