from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truefit.search.space import Range, parse


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("interval(0, 0.5)", Range(0, 0.5)),
        ("int(interval(1, 6))", Range(1, 6, integer=True)),
        ("tag(log, interval(1e-4, 1e-1))", Range(1e-4, 1e-1, log=True)),
        ("tag(log, int(interval(8, 256)))", Range(8, 256, integer=True, log=True)),
        ("range(1, 4)", Range(1, 3, integer=True, step=1)),
        ("choice(relu, gelu)", Range(values=("relu", "gelu"))),
        ("choice(16, 32)", Range(values=(16, 32))),
        ({"values": [None, 0.1]}, Range(values=(None, 0.1))),
        ({"type": "int", "low": 2, "high": 8, "step": 2}, Range(2, 8, integer=True, step=2)),
    ],
)
def test_rules_mean_what_hydra_says(rule: object, expected: Range) -> None:
    """Hydra's sweep grammar and the long form describe the same ranges."""
    assert expected == parse(rule)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("interval(5, 1)", "low must not exceed high"),
        ("tag(log, interval(0, 1))", "starts above 0"),
        ("int(interval(0.5, 3))", "whole ends"),
        ({"type": "int", "low": 1, "high": 5, "step": 0.5}, "whole steps"),
        ({"low": 0, "high": float("inf")}, "finite"),
        ({"low": 0.1, "high": 1, "log": "no"}, "true or false"),
        ({"values": 5}, "expected a list"),
        ("choice()", "is not a range|at least one"),
        ("choice(1, 1)", "twice"),
        ("choice([1], [2])", "no plain value"),
        ("loguniform(1, 2)", "is not a range"),
        ("tag(fast, interval(0, 1))", "unknown tag"),
        ("tag(log, range(1, 9))", "no steps"),
        ("range(3, 3)", "empty"),
        ("0.5", "one value"),
        (7, "expected a range"),
        ({"type": "int", "low": 1, "high": 6, "step": 2}, "would be 5|not reached"),
        ({"low": 1, "hihg": 6}, "`high`"),
        ({"low": 1, "high": None}, "high: expected a number"),
    ],
)
def test_a_faulty_rule_is_refused(rule: object, message: str) -> None:
    """Every fault of a range is named before the first trial."""
    with pytest.raises(ValueError, match=message):
        parse(rule)


@given(st.floats(1e-6, 1.0), st.floats(1.001, 1e6), st.booleans())
def test_a_range_holds_its_ends_and_nothing_beyond(low: float, high: float, log: bool) -> None:
    """Both ends of a range can be drawn, values beyond them cannot."""
    rule = parse({"low": low, "high": high, "log": log})
    drawn = rule.distribution()

    assert all(rule.contains(end) for end in rule.ends())
    assert not rule.contains(high * 1.1)
    assert not rule.contains("0.5")
    assert (drawn.low, drawn.high, drawn.log) == (low, high, log)  # type: ignore[attr-defined]
