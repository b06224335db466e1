"""Trials that stand for all others of a study: with one value of a parameter, and what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from truefit.core.resolved import Params
from truefit.core.trees import flatten
from truefit.search.space import Space, configured_params

if TYPE_CHECKING:
    from truefit.config.schema import Config


def example(config: Config, space: Space, wanted: Params) -> Params:
    """Return a trial's parameters with the wanted ones among them, and those that they hang on."""
    for parent, allowed in space[next(iter(wanted))].when.items():
        wanted = {**example(config, space, {parent: allowed[0]}), **wanted}
    values = flatten(config)
    params: Params = {}
    for key, parameter in space.items():
        if parameter.is_active(params):
            params[key] = wanted.get(key, values.get(key, parameter.range.ends()[0]))
    return params


def models(config: Config, space: Space) -> tuple[Params, ...]:
    """Parameters of the trials whose models differ in what they are made of.

    Those of trial 0, and for each text that a key of the model may be (an activation, a function of
    one's own), those of a trial that has it.
    """
    texts: list[Params] = [
        {key: value}
        for key, parameter in space.items()
        for value in parameter.range.values
        if key.startswith("model.") and isinstance(value, str)
    ]
    return (configured_params(config, space), *(example(config, space, text) for text in texts))
