"""Calling what a `_target_` names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate


def make(block: dict[str, Any], *, if_taken: dict[str, Any] | None = None, **given: Any) -> Any:
    """What `block["_target_"]` returns for the block's other keys and `given`, as plain values.

    Args:
        block: `_target_` and keyword arguments.
        if_taken: passed too, those whose names the target's signature has.
        given: passed always.

    Raises:
        Exception: whatever the target raises, as it raised it: its message is meant to be read.
    """
    call = target(block)
    names = inspect.signature(call).parameters if if_taken else {}
    taken = {name: value for name, value in (if_taken or {}).items() if name in names}
    return call(**given, **taken)  # outside Hydra, which would turn a tuple into a list


def target(block: dict[str, Any]) -> Callable[..., Any]:
    """What `block["_target_"]` names, the block's other keys already given."""
    try:
        call: Callable[..., Any] = instantiate({**block, "_partial_": True}, _convert_="all")
    except InstantiationException as error:
        raise (error.__cause__ or error) from None
    return call
