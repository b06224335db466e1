"""The files of truefit that a module runs, found by following its imports.

This is the one place that says what a result depends on: dvc.yaml is held to it, and so is the
study's identity.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# These refuse, record, show or word what was computed, and do not change it: an edit of them makes
# no other result.
SPECTATORS = (
    "config",
    "core.allowed",
    "core.errors",
    "core.files",
    "core.inputs",
    "core.moved",
    "core.own_code",
    "core.paths",
    "core.readable",
    "core.signatures",
    "core.words",
    "evaluation.advice",
    "evaluation.report.plots",
    "evaluation.report.summary",
    "search.doubts",
    "stages.run",
    "tracking",
)


@functools.cache
def reached(*modules: str) -> tuple[Path, ...]:
    """Every file of truefit that these modules import, directly or not, and their own.

    Args:
        modules: names below truefit, such as `training.train`.
    """
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in seen and not is_spectator(name):
            seen.add(name)
            waiting += imports(file_of(name))
    return tuple(sorted(file_of(name) for name in seen))


def is_spectator(module: str) -> bool:
    """Whether an edit of the module changes no result."""
    return any(module == name or module.startswith(f"{name}.") for name in SPECTATORS)


def file_of(module: str) -> Path:
    """The source of a module below truefit."""
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def imports(file: Path) -> Iterator[str]:
    """The modules of truefit that a file imports to run, anywhere in it, as names below truefit.

    What it imports under `if TYPE_CHECKING:` is for mypy alone.
    """
    for node in _run(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            named = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        else:
            continue
        ours = (name.removeprefix("truefit.") for name in named if name.startswith("truefit."))
        yield from (name for name in ours if file_of(name).is_file())


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """All that is below a node, but for what mypy alone reads."""
    below = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        below = iter(node.orelse)
    for inner in below:
        yield inner
        yield from _run(inner)
