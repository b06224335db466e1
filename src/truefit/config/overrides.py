"""What to say to `dvc exp run -S`, so that params.yaml changes by what is meant and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from truefit.core.resolved import Params, read_yaml
from truefit.core.trees import flatten, get

PLAIN = re.compile(r"(?:[A-Za-z_/]|\.{1,2}/)(?:[\w./:@ -]*[\w./-])?")  # Hydra reads it as it is
NO_TEXTS = ("true", "false", "null", "nan", "inf")  # unless they are in quotes
RAW = "data/raw"  # the folder of params.yaml's `path` where nothing is chosen


def made(params: Mapping[str, object]) -> dict[str, object]:
    """What params.yaml sets, as dotted keys; what it leaves as in conf/ is not among it."""
    top = flatten({key: value for key, value in params.items() if key != "set"})
    chosen = {key: value for key, value in top.items() if value is not None and value != {}}
    if chosen.get("path") == RAW:
        del chosen["path"]
    return chosen | flatten(below_set(params))


def below_set(params: Mapping[str, object]) -> dict[str, object]:
    """What params.yaml says below `set:`; nothing where that is no block."""
    below = params.get("set")
    return below if isinstance(below, dict) else {}


def options(overrides: list[str]) -> str:
    """Overrides as options of `dvc exp run`, each quoted for a shell."""
    quoted = (override.replace("'", "'\"'\"'") for override in overrides)
    return "".join(f" -S '{override}'" for override in quoted)


def as_overrides(wanted: Params) -> list[str]:
    """Overrides that set dotted keys and choose files, and keep all else that params.yaml says.

    DVC would put a block in the place of a choice, and a choice in that of a block; here a choice
    goes to the top then and the values below `set:`, which win.

    Args:
        wanted: dotted keys with values, and groups with the name of a choice.
    """
    change = _Change(read_yaml(Path("params.yaml")) or {})
    for key, value in wanted.items():
        if isinstance(value, str) and "." not in key:
            change.choose(key, value)
        else:
            change.put(key, value)
    return change.said


def assignment(dotted: str, value: object) -> str:
    """Return `key=value`; a text that Hydra would read as a sweep or a number is in quotes."""
    if not isinstance(value, str):
        return f"{dotted}={json.dumps(value)}"
    is_plain = PLAIN.fullmatch(value) and value.lower() not in NO_TEXTS
    doubled = re.sub(r'(\\+)(?="|\Z)', r"\1\1", value)  # else Hydra takes them for escapes
    quoted = doubled.replace('"', '\\"')
    return f"{dotted}={value}" if is_plain else f'{dotted}="{quoted}"'


def has(tree: Mapping[str, object], dotted: str) -> bool:
    """Return whether a block has the dotted key, whatever its value."""
    *path, last = dotted.split(".")
    block: object = get(tree, ".".join(path)) if path else tree
    return isinstance(block, dict) and last in block


class _Change:
    """params.yaml as it will be, and what has been said for it."""

    def __init__(self, params: Mapping[str, object]) -> None:
        self._params: dict[str, object] = {**params, "set": below_set(params)}
        self.said: list[str] = []

    def choose(self, group: str, name: str) -> None:
        top, below = self._params.get(group), below_set(self._params).get(group)
        if isinstance(below, dict):
            self._choose_on_top(group, name)
        elif below is None and group in self._params and not isinstance(top, dict):
            self._say(group, name)
        else:
            self._say(f"set.{group}", name)

    def put(self, key: str, value: object) -> None:
        below = below_set(self._params)
        group, _, inner = key.partition(".")
        if has(self._params, key) and not has(below, key):
            self._say(key, value)
            return
        if inner and isinstance(choice := below.get(group), str):
            self._choose_on_top(group, choice)
        self._say(f"set.{key}", value)

    def _choose_on_top(self, group: str, name: str) -> None:
        values = self._params.get(group)
        self._say(group, name)
        for key, value in flatten(values if isinstance(values, dict) else {}).items():
            if value is not None and not has(below_set(self._params), f"{group}.{key}"):
                self._say(f"set.{group}.{key}", value)

    def _say(self, dotted: str, value: object) -> None:
        is_line = not dotted.startswith("set.") and has(self._params, dotted)
        self.said.append(f"{'' if is_line else '++'}{assignment(dotted, value)}")
        self._params = _with(self._params, dotted, value)


def _with(tree: object, dotted: str, value: object) -> dict[str, object]:
    """A copy with the key set; what is no block on its way becomes one."""
    first, _, rest = dotted.partition(".")
    block: dict[str, object] = dict(tree) if isinstance(tree, dict) else {}
    block[first] = _with(block.get(first), rest, value) if rest else value
    return block
