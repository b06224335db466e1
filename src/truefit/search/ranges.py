"""One range of the search: what a rule in YAML says, in Hydra's grammar or in a long form."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, RangeSweep
from hydra.errors import HydraException

from truefit.core.errors import nearest
from truefit.core.resolved import Scalar

if TYPE_CHECKING:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

LONG_FORM = {"space", "type", "low", "high", "log", "step", "values", "when"}


@dataclass(frozen=True)
class Range:
    """What one parameter may be: one of `values`, or a number from `low` to `high`, both in."""

    low: float = 0
    high: float = 0
    integer: bool = False
    log: bool = False
    step: float | None = None
    values: tuple[Scalar, ...] = ()

    def contains(self, value: object) -> bool:
        """Whether a trial could take `value`."""
        if self.values:
            return value in self.values
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        on_step = self.step is None or _is_whole((value - self.low) / self.step)
        whole = not self.integer or float(value).is_integer()
        return self.low <= value <= self.high and on_step and whole

    def ends(self) -> tuple[Scalar, ...]:
        """The values that every rule for the key has to allow: all choices, or both ends."""
        if self.values:
            return self.values
        number = int if self.integer else float
        return number(self.low), number(self.high)

    def nearest(self, value: object) -> Scalar:
        """The value that is nearest to a number outside; the first where there are no numbers."""
        numbers = [n for n in self.points() or self.ends() if isinstance(n, int | float)]
        if not numbers or not isinstance(value, int | float):
            return self.ends()[0]
        return min(numbers, key=lambda number: abs(number - value))

    def points(self) -> tuple[Scalar, ...] | None:
        """Every value, in order; `None` if there is no end of them."""
        if self.values:
            return self.values
        if self.integer:
            return tuple(range(int(self.low), int(self.high) + 1, int(self.step or 1)))
        if self.step is None:
            return None if self.low < self.high else (self.low,)
        return _steps(self.low, self.step, round((self.high - self.low) / self.step) + 1)

    def distribution(self) -> FloatDistribution | IntDistribution | CategoricalDistribution:
        """The same as one of Optuna's distributions."""
        from optuna import distributions as d  # noqa: PLC0415 - compose parses ranges without Optuna

        if self.values:
            return d.CategoricalDistribution(self.values)
        if self.integer:
            return d.IntDistribution(int(self.low), int(self.high), self.log, int(self.step or 1))
        return d.FloatDistribution(self.low, self.high, self.log, self.step)


def parse(rule: object) -> Range:
    """The range that `rule` describes.

    `interval(0, 0.5)`, `int(interval(1, 4))`, `tag(log, interval(1e-4, 1e-2))`, `range(1, 10)`
    (Hydra's: without its stop), `choice(relu, gelu)`, or `{type, low, high, log, step, values}`.

    Raises:
        ValueError: says what is wrong with the rule.
    """
    parsed = _parse_long(rule) if isinstance(rule, dict) else _parse_text(rule)
    if message := next(_range_faults(parsed), None):
        raise ValueError(message)
    return parsed


def plain(rule: object) -> object:
    """A rule without its `when`."""
    if not isinstance(rule, dict):
        return rule
    return {key: value for key, value in rule.items() if key != "when"}


def _parse_text(rule: object) -> Range:
    if not isinstance(rule, str):
        raise ValueError(f"expected a range such as `interval(0, 0.5)`, received {rule!r}")
    try:
        sweep = OverridesParser.create().parse_rule(rule.strip(), "value")
    except HydraException as error:
        hint = "; `null` needs the long form `{values: [...]}`" if "null" in rule else ""
        raise ValueError(f"{rule!r} is not a range: {str(error).splitlines()[0]}{hint}") from error
    tags: set[str] = getattr(sweep, "tags", set())
    if unknown := tags - {"log"}:
        raise ValueError(f"{rule!r}: unknown tag {min(unknown)!r}; the only tag is `log`")
    match sweep:
        case ChoiceSweep():
            if tags:
                raise ValueError(f"{rule!r}: choices have no logarithm")
            return _choice([getattr(v, "text", v) for v in sweep.list], rule)
        case IntervalSweep():
            return _interval(sweep, rule, log=bool(tags))
        case RangeSweep():
            return _stepped(sweep, rule, log=bool(tags))
        case Glob():
            raise ValueError(f"{rule!r}: glob() means nothing here")
    raise ValueError(f"{rule!r} is one value, not a range; write e.g. `choice({rule}, ...)`")


def _choice(given: Sequence[object], rule: object) -> Range:
    if not given:
        raise ValueError(f"{rule!r}: a choice needs at least one value")
    if bad := [v for v in given if not isinstance(v, Scalar)]:
        raise ValueError(f"{rule!r}: {bad[0]!r} is no plain value")
    values = [v for v in given if isinstance(v, Scalar)]
    if len({(isinstance(v, bool), v) for v in values}) < len(values):
        raise ValueError(f"{rule!r}: a value occurs twice")
    if len(kinds := {_kind(v) for v in values if v is not None}) > 1:
        raise ValueError(f"{rule!r}: values of different kinds: {', '.join(sorted(kinds))}")
    return Range(values=tuple(values))


def _kind(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes or no"
    return "number" if isinstance(value, int | float) else "text"


def _interval(sweep: IntervalSweep, rule: str, *, log: bool) -> Range:
    low, high = sweep.start, sweep.end
    if low is None or high is None:
        raise ValueError(f"{rule!r}: an interval needs both ends")
    integer = "int(" in rule
    if integer:  # Hydra has cut the ends off to whole numbers already; look at what was written
        written = OverridesParser.create().parse_rule(
            rule.strip().replace("int(", "float("), "value"
        )
        low, high = written.start, written.end
    return Range(float(low), float(high), integer=integer, log=log)


def _stepped(sweep: RangeSweep, rule: str, *, log: bool) -> Range:
    if sweep.start is None or sweep.stop is None:
        raise ValueError(f"{rule!r}: a range needs start and stop")
    if log:
        raise ValueError(
            f"{rule!r}: a logarithmic range has no steps; use `tag(log, interval(a, b))`"
        )
    start, stop, step = sweep.start, sweep.stop, sweep.step
    if not (all(map(math.isfinite, (start, stop, step))) and step):
        raise ValueError(f"{rule!r}: a range needs finite numbers, and a step that is not 0")
    # Not Hydra's own list: of steps such as 0.1 it may hold the stop.
    count = math.ceil((Decimal(str(stop)) - Decimal(str(start))) / Decimal(str(step)))
    if count < 1:
        raise ValueError(f"{rule!r}: the range is empty (its stop is not in it)")
    integer = all(isinstance(value, int) for value in (start, stop, step))
    last = _steps(start, step, count)[-1]
    return Range(float(start), last, integer=integer, step=abs(float(step)))


def _parse_long(rule: Mapping[str, object]) -> Range:
    if unknown := set(rule) - LONG_FORM:
        name = min(unknown)
        raise ValueError(f"there is no key {name!r} in a range.{nearest(name, LONG_FORM)}")
    if "space" in rule:
        if len(rule) > 1:
            raise ValueError(f"`space` stands alone or with `when`, received {sorted(rule)}")
        return parse(rule["space"])
    if "values" in rule:
        if not isinstance(rule["values"], list):
            raise ValueError(f"values: expected a list, received {rule['values']!r}")
        return _choice(rule["values"], rule["values"])
    return _numbers(rule)


def _numbers(rule: Mapping[str, object]) -> Range:
    kind, low, high = rule.get("type", "float"), rule.get("low"), rule.get("high")
    if kind not in ("int", "float"):
        raise ValueError(f"type: expected int or float, received {kind!r}")
    for name, value in (("low", low), ("high", high), ("step", rule.get("step", 1))):
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"{name}: expected a number, received {value!r}")
    if not isinstance(log := rule.get("log", False), bool):
        raise ValueError(f"log: expected true or false, received {log!r}")
    return Range(low, high, kind == "int", log, rule.get("step"))  # type: ignore[arg-type]


def _range_faults(rule: Range) -> Iterator[str]:
    if rule.values:
        return
    if not (math.isfinite(rule.low) and math.isfinite(rule.high)):
        yield f"both ends must be finite, received low={rule.low:g}, high={rule.high:g}"
        return
    if rule.low > rule.high:
        yield f"low must not exceed high, received low={rule.low:g}, high={rule.high:g}"
    if rule.log and rule.low <= 0:
        yield f"a logarithmic range starts above 0, received low={rule.low:g}"
    if rule.integer and not (float(rule.low).is_integer() and float(rule.high).is_integer()):
        yield f"an int range has whole ends, received low={rule.low:g}, high={rule.high:g}"
    if rule.step is not None:
        yield from _step_faults(rule, rule.step)


def _steps(low: float, step: float, count: int) -> tuple[float, ...]:
    """Numbers as a person counts them, and Optuna: 0.1, 0.2, 0.3, not 0.30000000000000004."""
    first, width = Decimal(str(low)), Decimal(str(step))
    return tuple(float(first + i * width) for i in range(count))


def is_same(value: Scalar, wanted: Scalar) -> bool:
    """Whether they are equal, but for what a suggestion in steps of floats is off."""
    if isinstance(value, float) and isinstance(wanted, int | float):
        return math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-12)
    return value == wanted


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-9


def _step_faults(rule: Range, step: float) -> Iterator[str]:
    if rule.log:
        yield "a logarithmic range has no steps"
    elif not (math.isfinite(step) and step > 0):
        yield f"step must be finite and above 0, received {step!r}"
    elif rule.integer and not float(step).is_integer():
        yield f"an int range has whole steps, received step={step:g}"
    elif not _is_whole((rule.high - rule.low) / step):
        effective = rule.low + step * int((rule.high - rule.low) / step)
        yield f"high is not reached in steps of {step:g}: the last value would be {effective:g}"
