from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truefit.datasets.prepared import SPLITS
from truefit.datasets.splits import split_rows

shares = st.floats(0.05, 0.4)


@given(st.lists(st.integers(0, 3), min_size=3, max_size=200), shares, shares, st.integers(0, 99))
def test_every_row_is_in_exactly_one_split(
    codes: list[int], validation: float, test: float, seed: int
) -> None:
    """Stratified splits hold each row once and each class in every split, and repeat for a seed."""
    labels = np.array([*codes, *[0, 1, 2, 3] * 3])
    arguments = {"validation": validation, "test": test, "seed": seed}

    splits = split_rows(labels, len(labels), **arguments)  # type: ignore[arg-type]
    again = split_rows(labels, len(labels), **arguments)  # type: ignore[arg-type]

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
