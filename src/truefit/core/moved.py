"""Names of modules before they moved, which a project's conf/, its code and saved models still say.

An import of the old name gives the module of the new one.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

MOVED = {
    "truefit.augmentation": "truefit.training.augmentation",
    "truefit.balance": "truefit.core.balance",
    "truefit.compose": "truefit.stages.compose",
    "truefit.errors": "truefit.core.errors",
    "truefit.leftovers": "truefit.stages.leftovers",
    "truefit.raw": "truefit.training.raw",
    "truefit.repeats": "truefit.stages.repeat",
    "truefit.scoring": "truefit.evaluation.scoring",
    "truefit.stage": "truefit.stages.run",
    "truefit.tasks": "truefit.training.tasks",
    "truefit.train": "truefit.stages.train",
}


def current(name: str) -> str:
    """The dotted name as it is now; a name that did not move is returned as it is."""
    parts = name.split(".")
    moved = MOVED.get(".".join(parts[:2]))
    return ".".join([moved, *parts[2:]]) if moved else name


class Finder:
    """Lets Python import a module by its old name; finder and loader in one.

    `importlib.abc` has base classes for both, whose import takes longer than all of this package.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return a specification for an old name, `None` for every other."""
        del path, target
        if current(fullname) == fullname:
            return None
        loader: Any = self  # typeshed asks for `load_module`, which Python has given up
        return ModuleSpec(fullname, loader)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of the new name in the place of the old one."""
        sys.modules[module.__name__] = importlib.import_module(current(module.__name__))

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code that `python -m` runs."""
        from importlib.util import find_spec  # noqa: PLC0415 - `python -m` alone asks

        spec = find_spec(current(fullname))
        loader: Any = spec.loader if spec else None  # one that has code, as every source has
        code: CodeType | None = loader.get_code(current(fullname)) if loader else None
        return code
