"""Numbers as a person reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truefit.core.readable import LARGEST, SMALLEST, readable

sizes = st.floats(SMALLEST, LARGEST, exclude_max=True)
signs = st.sampled_from(["", "+"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.9666, "0.9666"),
        (0.04281, "0.0428"),
        (2.30258, "2.3026"),
        (53.2149, "53.21"),
        (999.96, "1000.0"),
        (9999.4, "9999"),
        (9999.6, "10,000"),
        (36970.1234, "36,970"),
        (53912.4, "53,912"),
        (-1234567.8, "-1,234,568"),
        (0.00081234, "0.0008123"),
        (0.0, "0.0000"),
        (-0.0, "0.0000"),
        (3.2e-05, "3.200e-05"),
        (1.5e9, "1.500e+09"),
        (None, "–"),  # noqa: RUF001 - a dash as print sets it
        (math.nan, "–"),  # noqa: RUF001
        (math.inf, "inf"),
    ],
)
def test_a_number_by_examples(value: float | None, expected: str) -> None:
    """Four digits or more, commas in what is large, a dash for what is none."""
    assert readable(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.047, "+0.0470"), (-0.0008, "-0.0008"), (-0.00001, "+0.0000"), (53912.4, "+53,912")],
)
def test_a_difference_has_its_sign(value: float, expected: str) -> None:
    """A plus too; one that rounds to 0 is 0."""
    assert readable(value, "+") == expected


@given(sizes, st.booleans(), signs)
@settings(deadline=None)
def test_no_number_of_everyday_size_has_an_exponent(size: float, less: bool, sign: str) -> None:
    """Four digits at least, and what is shown is at most half a unit of its last digit off."""
    value = -size if less else size

    shown = readable(value, sign)

    assert "e" not in shown
    unit = 10.0 ** -len(shown.partition(".")[2])
    assert abs(float(shown.replace(",", "")) - value) <= unit / 2 * (1 + 1e-9)
    assert sum(letter.isdigit() for letter in shown) >= 4
    assert (shown[0] in "+-") == (less or sign == "+") or float(shown.replace(",", "")) == 0


@given(sizes)
@settings(deadline=None)
def test_thousands_are_apart_above_9999(size: float) -> None:
    """A comma before each three digits, and none in shorter numbers."""
    shown = readable(size)

    whole = shown.partition(".")[0]
    assert ("," in shown) == (float(shown.replace(",", "")) > 9999)
    assert all(len(part) == 3 for part in whole.split(",")[1:])
