"""Calling what a `_target_` names, if it may stand where it does."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from truefit.core.allowed import Offered, fault, kinds_at
from truefit.core.errors import UserError
from truefit.core.moved import current
from truefit.core.trees import Block


def make(
    block: Block,
    place: str,
    packages: Collection[str] = (),
    *,
    if_taken: Mapping[str, object] | None = None,
    nested: bool = True,
    **given: object,
) -> Any:
    """What `block["_target_"]` returns for the block's other keys and `given`, as plain values.

    Args:
        block: `_target_` and keyword arguments.
        place: the block's dotted key, which decides what `_target_` may name.
        packages: the user's own, as the configuration names them.
        if_taken: passed too, those whose names the target's signature has.
        nested: make what the arguments name by `_target_` too.
        given: passed always.

    Raises:
        UserError: the block may not name that.
        Exception: whatever the target raises, as it raised it: its message is meant to be read.
    """
    call = target(block, place, packages, nested=nested)
    names = inspect.signature(call).parameters if if_taken else {}
    taken = {name: value for name, value in (if_taken or {}).items() if name in names}
    return call(**given, **taken)


def target(
    block: Block, place: str, packages: Collection[str] = (), *, nested: bool = True
) -> Callable[..., Any]:
    """What `block["_target_"]` names, the block's other keys already given.

    Raises:
        UserError: as `make`.
    """
    call = _named(place, str(block["_target_"]), packages)
    arguments = {
        key: _made(value, f"{place}.{key}", packages) if nested else value
        for key, value in block.items()
        if key != "_target_"
    }
    return functools.partial(call, **arguments)


def _named(place: str, name: str, packages: Collection[str]) -> Callable[..., object]:
    """The function or class, which is of the kind that its source promised."""
    if message := fault(place, name, packages):
        raise UserError(message)
    module, _, attribute = current(name).rpartition(".")
    found: Callable[..., object] = getattr(importlib.import_module(module), attribute)
    for kind in kinds_at(place):
        if isinstance(kind, Offered) and kind.module == module:
            base = getattr(importlib.import_module(kind.module), kind.base)
            if not (isinstance(found, type) and issubclass(found, base)):
                raise UserError(f"{place}._target_: expected {kind}, received {found!r}")
    return found


def _made(value: object, where: str, packages: Collection[str]) -> object:
    """A copy of the value in which every block with a `_target_` is what it names."""
    if isinstance(value, dict):
        if "_target_" in value:
            return target(value, where, packages)()
        return {key: _made(inner, f"{where}.{key}", packages) for key, inner in value.items()}
    if isinstance(value, list):
        return [_made(inner, f"{where}[{n}]", packages) for n, inner in enumerate(value)]
    return value
