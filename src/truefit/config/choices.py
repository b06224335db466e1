"""params.yaml: which files of conf/ it chooses, and which values it sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from truefit.config.edits import longer_keys
from truefit.core.errors import UserError, nearest
from truefit.core.renamed import renamed
from truefit.core.resolved import read_yaml

SWITCHED_ON = (
    "params.yaml holds a composed configuration, not choices: DVC's own Hydra composition is on. "
    "Switch it off with `dvc config hydra.enabled false` (and `--local`, `--global` if set there), "
    "then `git checkout HEAD -- params.yaml`"
)


def read_choices(params: object) -> tuple[dict[str, str], list[dict[str, object]]]:
    """params.yaml as group choices (`model: cnn`) and blocks of values, later ones winning.

    Raises:
        UserError: an unknown key or choice, or a file that Hydra composition overwrote.
    """
    blocks = _blocks(params)
    groups = {folder.name for folder in Path("conf").iterdir() if folder.is_dir()}
    plain = set(read_yaml(Path("conf/config.yaml"))) - {"defaults"}
    choices: dict[str, str] = {}
    values: list[dict[str, object]] = []
    for prefix, block in blocks:
        for key, value in block.items():
            where = f"params.yaml: {prefix}{key}"
            _require_key(key, value, groups | plain, prefix)
            if key in groups and isinstance(value, str):
                _require_choice(key, value, where)
                choices[key] = value
                continue
            if key in groups and not isinstance(value, dict | None):
                raise UserError(
                    f"{where}: expected the name of a file in conf/{key} or a block of values, "
                    f"received {value!r}"
                )
            inner = _inner_choices(key, value, where)
            choices |= {f"{key}/{name}": choice for name, choice in inner.items()}
            left = {key: _without_choices(value, inner)}
            values.append(left if prefix else _without_nulls(left))
    return choices, values


def _blocks(params: object) -> list[tuple[str, dict[str, object]]]:
    """The lines of params.yaml and those below `set:`, each with what comes before their keys."""
    if not isinstance(params, dict):
        raise UserError(f"params.yaml: expected `key: value` lines, received {params!r:.80}")
    given = _with_text_keys(params)
    if any(isinstance(v, dict) and "_target_" in v for v in given.values()):
        raise UserError(SWITCHED_ON)
    extra = given.get("set") or {}
    if not isinstance(extra, dict):
        raise UserError(f"params.yaml: set: expected a block of values, received {extra!r}")
    return [("", {k: v for k, v in given.items() if k != "set"}), ("set.", extra)]


def _require_key(key: str, value: object, existing: set[str], prefix: str) -> None:
    if key in existing:
        return
    if message := renamed(key):
        raise UserError(f"params.yaml: {prefix}{message}")
    hint = longer_keys(key, value, prefix) or nearest(key, existing)
    raise UserError(f"params.yaml: {prefix}{key}: there is no such key.{hint}")


def _inner_choices(group: str, block: object, where: str) -> dict[str, str]:
    """Choices of a group within a group: `search.engine: ray`, or a block with `name: ray`."""
    folders = [folder.name for folder in Path("conf", group).glob("*") if folder.is_dir()]
    held = block if isinstance(block, dict) else {}
    found = {name: held.get(name) for name in folders}
    chosen = {name: choice for name, choice in found.items() if isinstance(choice, str)}
    for name, inner in found.items():
        choice = inner.get("name") if isinstance(inner, dict) else None
        if Path("conf", group, name, f"{choice}.yaml").exists():
            chosen[name] = str(choice)
    for name, choice in chosen.items():
        _require_choice(f"{group}/{name}", choice, f"{where}.{name}")
    return chosen


def _without_choices(block: object, chosen: dict[str, str]) -> object:
    """The values of a block; a block of values beside its choice stays."""
    if not chosen or not isinstance(block, dict):
        return block
    return {k: v for k, v in block.items() if k not in chosen or isinstance(v, dict)}


def _with_text_keys(block: Mapping[object, object]) -> dict[str, object]:
    """YAML reads `0:` as a number; in a configuration it is a name."""
    return {
        str(key): _with_text_keys(inner) if isinstance(inner, dict) else inner
        for key, inner in block.items()
    }


def _without_nulls(block: Mapping[str, object]) -> dict[str, object]:
    """A `null` outside `set:` means "as in conf/"."""
    kept = {k: _without_nulls(v) if isinstance(v, dict) else v for k, v in block.items()}
    return {k: v for k, v in kept.items() if v is not None and v != {}}


def _require_choice(group: str, name: str, where: str) -> None:
    options = {file.stem for file in Path("conf", group).glob("[!_]*.yaml")}
    if name not in options:
        raise UserError(f"{where}: there is no conf/{group}/{name}.yaml.{nearest(name, options)}")
