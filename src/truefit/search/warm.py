"""A warm start: the best of an earlier study is tried first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from truefit.core.errors import UserError, nearest
from truefit.core.resolved import Params
from truefit.core.trees import get
from truefit.search.space import Space
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study

if TYPE_CHECKING:
    from truefit.config.schema import Config

BEST = 3  # of the earlier study's trials


def warm_starts(storage: Storage, config: Config, space: Space) -> list[Params]:
    """Parameters of the earlier study's best trials, as far as this space holds them.

    A parameter that the earlier study did not search takes its configured value. A trial with a
    value outside its range here is left out.

    Raises:
        UserError: there is no such study.
    """
    name = config["search"]["warm_start"]
    if name is None:
        return []
    names = [study.study_name for study in storage.studies()]
    if name not in names:
        raise UserError(
            f"search.warm_start: there is no study {name!r} in the storage.{nearest(name, names)}"
        )
    trials = Study.of(storage, name, 1).trials()
    slots = [trial.record.slot for trial in trials if trial.record]
    best = sorted((s for s in slots if s.can_win), key=lambda s: (s.value, s.slot))
    found = [_fitted(config, space, slot.params) for slot in best]
    usable = [params for params in found if params is not None][:BEST]
    storage.say(f"warm start: {len(usable)} of the best trials of {name} come first")
    return usable


def _fitted(config: Config, space: Space, earlier: Params) -> Params | None:
    params: Params = {}
    for key, parameter in space.items():
        if parameter.is_active(params):
            value = earlier[key] if key in earlier else get(config, key)
            if not parameter.range.contains(value):
                return None
            params[key] = value
    return params
