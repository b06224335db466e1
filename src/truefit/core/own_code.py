"""Whose code an exception comes from: one of a user's own function is said in one message."""

from __future__ import annotations

import os
import traceback
from collections.abc import Collection
from pathlib import Path

VARIABLE = "TRUEFIT_TRACEBACK"
LONGEST = 600  # characters of an exception's own text
WAY_OUT = f"`{VARIABLE}=1 dvc repro` shows the whole traceback"


def own_fault(error: BaseException | None, packages: Collection[str]) -> str:
    """Say which function of the user's raised an exception, where, and with what text.

    Args:
        error: the exception, with its traceback.
        packages: the user's own, as the configuration names them.

    Returns:
        A line; empty if the innermost frame of truefit or of `packages` is truefit's.
    """
    frames = [*traceback.walk_tb(error.__traceback__)] if error else []
    modules = [str(frame.f_globals.get("__name__", "")) for frame, _ in frames]
    own = [number for number, module in enumerate(modules) if _top(module) in packages]
    if error is None or not own or "truefit" in map(_top, modules[own[-1] :]):
        return ""
    called, (raised, line) = frames[own[0]][0], frames[own[-1]]
    name = f"{modules[own[0]]}.{called.f_code.co_qualname}".replace(".<locals>", "")
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    file = _shown(raised.f_code.co_filename)
    return f"your function {name} ({file}, line {line}) raises {said:.{LONGEST}}"


def for_screen(reason: str, *, own: bool) -> str:
    """Return an ending's reason as the terminal shows it: an `own` fault of the user's in short."""
    if not own or is_asked():
        return reason
    return reason.partition("\n")[0]


def is_asked() -> bool:
    """Whether the whole traceback is asked for."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def _top(module: str) -> str:
    return module.partition(".")[0]


def _shown(file: str) -> str:
    """The file from the project's folder, where it lies in that."""
    path = Path(file).resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
