"""What the data report says of values that perhaps mean another thing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from truefit.core.prepared.table import fit_coding
from truefit.datasets.checks import Source
from truefit.datasets.doubtful import doubts
from truefit.datasets.target import code_target, doubts_of


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
    assert f"write them so (for a table: `data.na_values: ['{value}']`)" in line


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


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ("Yes", "YES", "'YES', 'Yes'"),
        ("yes", "yes\u200b", r"'yes', 'yes\u200b'"),
        ("ye\u00ads", "yes", r"'yes', 'ye\xads'"),
        ("yes", "\ufeffYes", r"'yes', '\ufeffYes'"),
        ("oh yes", "oh\u00a0yes", r"'oh yes', 'oh\xa0yes'"),
    ],
)
def test_levels_that_look_alike_are_doubtful(first: str, second: str, shown: str) -> None:
    """They are two levels, or two classes, and what is said shows the invisible sign."""
    values = [first, second, "no", "maybe"] * 5
    [line] = said([*values])
    source: Source = {"x": np.zeros((20, 1)), "y": np.array(values)}
    [of_classes] = doubts_of(source, "classes", *code_target(source, "classes"))

    assert line.startswith(f"2 of 4 levels of a look alike ({shown}), as")
    assert str(of_classes).startswith(f"2 of 4 classes of the target look alike ({shown}), as")
    assert said(["yes", "no", "maybe", "y es"] * 5) == []
