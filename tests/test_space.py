from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution

from truefit.search.ranges import Range, parse
from truefit.search.space import configured_params, parse_space
from truefit.stages.compose import resolve


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
        ("choice(1, relu)", "different kinds: number, text"),
        ("choice(true, 1)", "different kinds: number, yes or no"),
        ({"space": "interval(0, 1)", "log": True}, "stands alone"),
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
    assert isinstance(drawn, FloatDistribution)
    assert (drawn.low, drawn.high, drawn.log) == (low, high, log)


ADAM, SGD = "keras.optimizers.Adam", "keras.optimizers.SGD"
MOMENTUM = {"space": "interval(0.0, 0.99)", "when": {"optimizer._target_": SGD}}


def test_a_condition_may_hang_on_a_class(project: Path) -> None:
    """Searching the optimizer's class brings its own argument along, for that class alone."""
    space = {"optimizer._target_": f"choice({ADAM}, {SGD})", "optimizer.momentum": MOMENTUM}

    config = resolve({"set": {"search": {"space": space}}})

    parsed = parse_space(config["search"]["space"])
    keys = list(parsed)
    assert keys.index("optimizer._target_") < keys.index("optimizer.momentum")
    assert "optimizer.momentum" not in configured_params(config, parsed)
    assert parsed["optimizer.momentum"].is_active({"optimizer._target_": SGD})
    assert not parsed["optimizer.momentum"].is_active({"optimizer._target_": ADAM})
    assert not parsed["optimizer.momentum"].is_active({})


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"a": {"space": "choice(1, 2)", "when": {"b": 1}}}, "a: when: b is not searched"),
        ({"a": {"space": "choice(1, 2)", "when": {}}}, "when: expected"),
        ({"a": {"space": "choice(1, 2)", "when": {"b": 3}}, "b": "choice(1, 2)"}, "never 3"),
        ({"a": {"space": "choice(1, 2)", "when": {"b": 1}}, "b": "interval(0, 2)"}, "no end"),
        (
            {
                "a": {"space": "choice(1, 2)", "when": {"b": 1}},
                "b": {"space": "choice(1, 2)", "when": {"a": 1}},
            },
            "in a circle",
        ),
    ],
)
def test_a_condition_that_cannot_be_followed_is_refused(rules: Any, message: str) -> None:
    """An unknown, endless or circular condition is named."""
    with pytest.raises(ValueError, match=message):
        parse_space(rules)


@given(st.integers(-5, 5), st.integers(0, 9), st.integers(1, 4))
def test_points_are_all_that_a_range_holds(low: int, count: int, step: int) -> None:
    """A stepped range lists each of its values once, in order."""
    high = low + count * step
    rule = parse({"type": "int", "low": low, "high": high, "step": step})

    assert rule.points() == tuple(range(low, high + 1, step))
    assert all(rule.contains(point) for point in rule.points() or ())
    assert parse({"low": 0.0, "high": 1.0}).points() is None


@pytest.mark.parametrize(
    ("rule", "points"),
    [
        ("range(0, 0.4, 0.1)", (0.0, 0.1, 0.2, 0.3)),
        ("range(0.1, 0.8, 0.1)", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        ({"low": 1.1, "high": 3.3, "step": 1.1}, (1.1, 2.2, 3.3)),
    ],
)
def test_steps_of_floats_are_counted_as_people_do(rule: object, points: tuple[float, ...]) -> None:
    """A sum of 0.1 is 0.3 and not a little more, and Hydra's stop is in no range."""
    assert points == parse(rule).points()


@given(st.integers(-50, 50), st.integers(1, 40), st.integers(1, 300))
def test_optuna_takes_every_point_of_a_stepped_range(low: int, count: int, step: int) -> None:
    """What a grid lists, a trial may have: Optuna counts the steps in decimals too."""
    rule = parse({"low": low / 100, "high": (low + count * step) / 100, "step": step / 100})
    points: tuple[Any, ...] = rule.points() or ()
    drawn = rule.distribution()

    assert len(points) == count + 1
    assert all(drawn._contains(point) for point in points)  # what `create_trial` asks


def test_a_condition_on_a_step_holds_for_what_optuna_suggests() -> None:
    """Optuna's random sampler says 0.30000000000000004 where a person writes 0.3."""
    rules = {"a": "choice(1, 2)", "b": {"low": 0.1, "high": 0.5, "step": 0.1}}
    space = parse_space({**rules, "c": {"space": "choice(1, 2)", "when": {"b": 0.3}}})

    assert space["c"].is_active({"b": 0.1 + 2 * 0.1})
    assert not space["c"].is_active({"b": 0.4})


@pytest.mark.parametrize("rule", ["range(0, inf, 0.1)", "range(0, 1, 0.0)", "range(0, nan)"])
def test_a_range_without_an_end_is_refused(rule: str) -> None:
    """No list is begun that never ends."""
    with pytest.raises(ValueError, match="finite numbers, and a step that is not 0"):
        parse(rule)
