"""The search space: ranges in Hydra's sweep grammar or long form, by dotted key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from truefit.core.errors import nearest
from truefit.core.resolved import Params, Scalar
from truefit.core.trees import flatten
from truefit.search.ranges import Range, is_same, parse, plain

if TYPE_CHECKING:
    from truefit.config.schema import Config

SMOOTHING = "regularization.label_smoothing"


@dataclass(frozen=True)
class Parameter:
    """A range, and the values of other parameters under which it counts."""

    range: Range
    when: dict[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def is_active(self, params: Params) -> bool:
        """Whether a trial with `params` so far has this parameter."""
        return all(
            key in params and any(is_same(params[key], value) for value in values)
            for key, values in self.when.items()
        )


Space = dict[str, Parameter]


def parse_space(rules: Mapping[str, object]) -> Space:
    """Parameters by dotted key, each after those that its `when` names.

    Sorted, so that their order in YAML never matters.

    Raises:
        ValueError: as `parse`, or a `when` that cannot be followed.
    """
    parsed = {key: _parameter(key, rules[key]) for key in sorted(rules)}
    for key, parameter in parsed.items():
        for parent, values in parameter.when.items():
            if message := next(_when_faults(parsed, parent, values), None):
                raise ValueError(f"{key}: when: {message}")
    sorter = TopologicalSorter({key: sorted(parsed[key].when) for key in parsed})
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        circle = " <- ".join(error.args[1])
        raise ValueError(f"{error.args[1][0]}: when: goes round in a circle: {circle}") from None
    return {key: parsed[key] for key in order if key in parsed}


def configured_params(config: Config, space: Space) -> Params:
    """Trial 0: the configured value of every parameter that counts under the others."""
    values = flatten(config)
    params: Params = {}
    for key, parameter in space.items():
        if parameter.is_active(params):
            params[key] = values.get(key, parameter.range.ends()[0])
    return params


def _parameter(key: str, rule: object) -> Parameter:
    if not isinstance(rule, dict) or "when" not in rule:
        return Parameter(parse(rule))
    when = rule["when"]
    if not isinstance(when, dict) or not when:
        raise ValueError(f"{key}: when: expected `parameter: value`, received {when!r}")
    conditions = {
        parent: tuple(value) if isinstance(value, list) else (value,)
        for parent, value in flatten(when).items()
    }
    return Parameter(parse(plain(rule)), conditions)


def _when_faults(parsed: Space, parent: str, values: tuple[Scalar, ...]) -> Iterator[str]:
    if parent not in parsed:
        yield f"{parent} is not searched.{nearest(parent, parsed)}"
        return
    choices = parsed[parent].range
    if not values:
        yield f"{parent}: expected at least one value, received []"
    if choices.points() is None:
        yield f"{parent} has no end of values; a condition needs choices or whole numbers"
        return
    for value in values:
        if not choices.contains(value):
            yield f"{parent} is never {value!r}"


def no_classes(kind: str) -> str:
    """What is wrong with smoothing targets that are no classes."""
    return (
        f"search.space.{SMOOTHING}: a target of kind {kind!r} has no classes to smooth; "
        f"`-S '++set.search.space.{SMOOTHING}=null'` takes it out"
    )
