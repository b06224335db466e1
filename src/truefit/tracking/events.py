"""What an event of the journal holds: the line of one, or of an older version, or none at all."""

from __future__ import annotations

import json
from typing import Any

from truefit.core.resolved import Tree

# What each event cannot do without, and what another version may have left out.
NEEDS: dict[str, tuple[str, ...]] = {
    "open": (), "close": (), "start": (), "epoch": ("metrics",), "log": (), "scores": ("metrics",),
    "text": ("path", "text"), "file": ("kept",), "model": ("kept",), "card": ("kept",),
    "view": ("columns",), "end": ("state",),
}  # fmt: skip
MISSING: dict[str, Tree] = {
    "start": {
        "kind": "train", "tags": {}, "params": {}, "dataset": None, "tries": 0,
        "if_missing": False, "taken_over": False,
    },
    "file": {"folder": None},
    "end": {"reason": "", "metrics": {}, "has_result": False},
}  # fmt: skip
TYPES: dict[str, type | tuple[type, ...]] = {
    "run": str, "kind": str, "name": str, "project": str, "study": str, "key": str,
    "tags": dict, "params": dict, "metrics": dict, "dataset": (dict, type(None)), "tries": int,
    "step": int, "path": str, "text": str, "kept": str, "folder": (str, type(None)),
    "columns": list, "state": str, "reason": str, "on": (dict, type(None)),
}  # fmt: skip


def parse(line: bytes, t: int) -> Tree | None:
    """The event in a line of the journal; `None` if it holds none that can be sent.

    Args:
        line: JSON, as `Journal.write` wrote it.
        t: milliseconds, for an event that does not say when it was.
    """
    try:
        event: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("op") not in NEEDS:
        return None
    op = event["op"]
    event = {"run": "", **MISSING.get(op, {}), **event}
    if not isinstance(event.get("t"), int):
        event["t"] = t
    if op == "start":
        event.setdefault("name", event["run"])
    return event if _is_whole(event) else None


def _is_whole(event: Tree) -> bool:
    op = event["op"]
    needs = (*NEEDS[op], *(("key",) if "study" in event else ()))
    typed = all(isinstance(event[name], TYPES[name]) for name in event if name in TYPES)
    of_a_run = op in ("open", "close") or bool(event["run"])
    return typed and of_a_run and all(name in event for name in needs)
