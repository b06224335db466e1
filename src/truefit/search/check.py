"""Every fault of a search space, found before the first trial."""

from __future__ import annotations

from collections.abc import Iterator

from truefit.config import Tree, override
from truefit.errors import nearest
from truefit.schema import faults, known_keys
from truefit.search.space import parse
from truefit.trees import flatten

SEARCHED = ("model", "optimizer", "training", "runtime")  # what a training reads


def space_faults(config: Tree) -> list[str]:
    """Every fault of the configuration's search space, one sentence each, with the YAML path."""
    if config["search"]["n_trials"] == 0:
        return []
    return [message for key in config["search"]["space"] for message in _key_faults(config, key)]


def _key_faults(config: Tree, key: str) -> Iterator[str]:
    where, values = f"search.space.{key}", flatten(config)
    if key.partition(".")[0] not in SEARCHED or key.endswith("_target_"):
        yield f"{where}: a trial can change keys of {', '.join(SEARCHED)} only"
        return
    if key not in values:
        known = [k for k in known_keys(config) if not k.startswith("search.")]
        hint = " Give it a value first; it is trial 0." if key in known else nearest(key, known)
        yield f"{where}: the configuration has no value for {key}.{hint}"
        return
    try:
        rule = parse(config["search"]["space"][key])
    except ValueError as error:
        yield f"{where}: {error}"
        return
    if not rule.contains(values[key]):  # ends and steps
        yield f"{where}: the configured value {values[key]!r} is trial 0 and outside the range"
        return
    for end in rule.ends():
        yield from (f"{where}: reaches {m}" for m in faults(override(config, {key: end})))
