"""Nested plain dictionaries, of the configuration and of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Block = dict[str, object]  # `_target_` and arguments, which belong to the function that it names


def flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; lists and the search space's entries stay whole."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value and f"{prefix}{key}" != "search.space":
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def get(config: Mapping[str, object], dotted: str) -> Any:
    """The value at a dotted key, or `None`."""
    value: Any = config
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def only(config: Mapping[str, T], keys: Iterable[str]) -> dict[str, T]:
    """The wanted keys of a block, in that order."""
    return {key: config[key] for key in keys}


def fields_of(kind: type[DataclassInstance], tree: Mapping[str, object]) -> dict[str, Any]:
    """What a tree says of a record's fields; other keys are of another version."""
    return {one.name: tree[one.name] for one in fields(kind) if one.name in tree}


def blocks(value: object, where: str = "") -> Iterator[tuple[str, Block]]:
    """Every block with a `_target_` and its dotted key, however deep, also in lists."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield where, value
        for key, inner in value.items():
            yield from blocks(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from blocks(inner, f"{where}[{number}]")


def targets(value: object) -> set[str]:
    """What all blocks of a tree name by `_target_`."""
    return {str(block["_target_"]) for _, block in blocks(value)}
