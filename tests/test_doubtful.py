"""What the data report says of values that perhaps mean another thing."""

from __future__ import annotations

import pandas as pd
import pytest

from truefit.core.prepared.table import fit_coding
from truefit.datasets.doubtful import doubts


def said(values: list[object]) -> list[str]:
    """What is said of a column that holds these values."""
    frame = pd.DataFrame({"a": values, "n": range(len(values))})
    return [str(one) for one in doubts(frame, fit_coding(frame, types={}))]


@pytest.mark.parametrize(
    ("values", "count", "value"),
    [
        ([20.5, 31.0, 44.5, 38.0, -999, -999], 2, "-999"),
        ([1.5, 2.5, 3.5, 99, 99, 99], 3, "99"),
        ([0, 5000, 99_999, 99_999], 2, "99999"),
        ([0.5, 1200.5, 3000.0, -99, -99], 2, "-99"),  # the one below zero
    ],
)
def test_nines_far_from_all_others_are_doubtful(
    values: list[object], count: int, value: str
) -> None:
    """A value that stands for "missing" is named, with the setting that says so."""
    [line] = said(values * 3)
    assert line.startswith(f"{3 * count} of {3 * len(values)} values of a are {value}, far")
    assert f"data.na_values: ['{value}']" in line


@pytest.mark.parametrize(
    "values",
    [
        [90.0, 95.0, 99, 99, 80.0],  # marks up to 99
        [-50, 20, 700, -99, -99],  # temperatures
        [1.0, 2.0, 3.0, 999],  # one alone may be true
        [99, 99, 99],
        [5, 6, 7, 100_000, 100_000],
    ],
)
def test_numbers_that_may_well_be_so_are_not(values: list[object]) -> None:
    """Nines among others like them, one alone, and other numbers are passed over."""
    once = [*values, *[v for v in values if v != 999], *[v for v in values if v != 999]]
    assert said(once) == []


def test_levels_of_another_case_are_doubtful() -> None:
    """Yes and YES are two levels, and the report says which."""
    [line] = said(["Yes", "YES", "no", "maybe"] * 5)
    assert line.startswith(
        "2 of 4 levels of a differ in small and capital letters alone (YES, Yes)"
    )
    assert said(["yes", "no", "maybe"] * 5) == []
