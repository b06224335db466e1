"""The arguments of a `_target_`, read from its source, without importing it.

Importing Keras to look at one signature would cost seconds in a stage that takes a fraction of one.
"""

from __future__ import annotations

import ast
import collections.abc
import functools
import importlib.util
import sys
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import annotated_types
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from truefit.core.moved import current

NAMES = {**vars(collections.abc), **vars(typing), **vars(annotated_types)}
OTHER_TYPE = ("_type", "literal_error", "none_required")  # how pydantic names a value of another
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Argument:
    """One argument: its annotation and default as source, `None` where there is none."""

    annotation: str | None
    default: str | None


@dataclass(frozen=True)
class Signature:
    """The arguments by name, and whether others are taken too (`**kwargs`)."""

    arguments: dict[str, Argument]
    open: bool

    @property
    def required(self) -> set[str]:
        """The names without a default."""
        return {name for name, argument in self.arguments.items() if argument.default is None}


def signature(target: str) -> Signature:
    """The signature of the function or class that `target` names, e.g. `keras.optimizers.Adam`.

    Raises:
        LookupError: there is no such module, function or class; the message says which.
    """
    module, definition = _find(target)
    if isinstance(definition, ast.ClassDef):
        return _class_signature(module, definition)
    return _function_signature(definition.args, skip=0)


def definition(target: str) -> tuple[str, Definition]:
    """The module that defines what `target` names, and its source there.

    Raises:
        LookupError: as `signature`.
    """
    return _find(target)


@functools.cache
def bases(target: str) -> frozenset[str]:
    """The classes that a class is a subclass of, by the modules that define them.

    A function has none. A base that a module makes while it is imported is not seen.

    Raises:
        LookupError: as `signature`.
    """
    return frozenset(_bases(*_find(target)))


def defined(module: str) -> list[str]:
    """The functions and classes that a module defines, in order."""
    return [node.name for node in _body(module) if isinstance(node, Definition)]


def imported(module: str) -> list[str]:
    """The names that a module imports from others, in order."""
    imports = [node for node in _body(module) if isinstance(node, ast.ImportFrom)]
    return [alias.asname or alias.name for node in imports for alias in node.names]


def _body(module: str) -> list[ast.stmt]:
    file = _file(module)
    return _parse(file).body if file else []


def source_file(target: str) -> Path:
    """The file that defines what `target` names.

    Raises:
        LookupError: as `signature`.
    """
    module, _ = _find(target)
    file = _file(module)
    if file is None:
        raise LookupError(f"{target} has no source")
    return file


def package_files(package: str) -> list[Path]:
    """Every source file of a package or module by its import name, in order."""
    file = _file(package)
    if file is None:
        return []
    return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]


def fault(argument: Argument, value: object) -> str | None:
    """What is wrong with `value` for `argument`, in words; `None` if nothing is known to be.

    Annotations are checked strictly (an int is no bool, a string no number). Where a library has
    none, the type of the default decides. A nested `_target_` or `None` is left to the library.
    """
    if isinstance(value, dict) and "_target_" in value:
        return None
    if argument.annotation is not None:
        return _annotation_fault(argument.annotation, value)
    return _default_fault(argument.default, value)


def _annotation_fault(annotation: str, value: object) -> str | None:
    adapter = _adapter(annotation)
    if adapter is None:
        return None
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as error:
        return expected(error.errors())
    return None


def expected(errors: Sequence[ErrorDetails]) -> str:
    """What pydantic expected of one value, without the types that it is plainly not meant to be.

    Args:
        errors: those of one place, one for each type that may stand there.
    """
    close = [error for error in errors if not error["type"].endswith(OTHER_TYPE)]
    named = [error for error in errors if error["type"] != "none_required"]
    found = [*dict.fromkeys(error["msg"] for error in close or named or errors)]
    return " or ".join([found[0], *(words[:1].lower() + words[1:] for words in found[1:])])


@functools.cache
def _adapter(annotation: str) -> TypeAdapter[object] | None:
    try:
        return TypeAdapter(eval(annotation, dict(NAMES)))  # noqa: S307 - our own or an installed package's source
    except Exception:  # noqa: BLE001 - whatever a library annotates with is not ours to judge
        return None


def _default_fault(default: str | None, value: object) -> str | None:
    try:
        known = ast.literal_eval(default or "None")
    except ValueError:
        return None
    if known is None or value is None:
        return None
    number = isinstance(known, int | float) and not isinstance(known, bool)
    expected: type | tuple[type, ...] = (int, float) if number else type(known)
    if isinstance(value, expected) and (isinstance(value, bool) == isinstance(known, bool)):
        return None
    return f"Input should be a {'number' if number else type(known).__name__}"


def _bases(module: str, definition: Definition) -> Iterator[str]:
    for base in definition.bases if isinstance(definition, ast.ClassDef) else ():
        try:
            where, parent = _find_in(module, ast.unparse(base).split("."))
        except LookupError:
            continue
        yield f"{where}.{parent.name}"
        yield from _bases(where, parent)


def _class_signature(module: str, definition: ast.ClassDef) -> Signature:
    """The arguments of `__init__`, with those of the bases where it passes `**kwargs` on."""
    init = next(
        (n for n in definition.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"),
        None,
    )
    own = _function_signature(init.args, skip=1) if init else Signature({}, open=True)
    if not own.open:
        return own
    arguments, is_open = dict(own.arguments), bool(init) and not definition.bases
    for base in definition.bases:
        try:
            where, parent = _find_in(module, ast.unparse(base).split("."))
        except LookupError:
            is_open = True
            continue
        if isinstance(parent, ast.ClassDef):
            above = _class_signature(where, parent)
            arguments = {**above.arguments, **arguments}
            is_open = is_open or above.open
    return Signature(arguments, is_open)


def _function_signature(arguments: ast.arguments, *, skip: int) -> Signature:
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    defaults = [None] * missing + list(arguments.defaults)
    pairs = [*zip(positional, defaults, strict=True)][skip:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return Signature(
        {
            a.arg: Argument(
                ast.unparse(a.annotation) if a.annotation else None,
                ast.unparse(d) if d is not None else None,
            )
            for a, d in pairs
        },
        open=arguments.kwarg is not None,
    )


@functools.cache
def _find(target: str) -> tuple[str, Definition]:
    parts = current(target).split(".")
    for cut in range(len(parts) - 1, 0, -1):
        if _file(".".join(parts[:cut])) is not None:
            try:
                return _find_in(".".join(parts[:cut]), parts[cut:])
            except RecursionError:
                raise LookupError(f"{target} is imported in a circle") from None
    module = target.rpartition(".")[0]
    raise LookupError(f"there is no module {module!r} (a package needs an `__init__.py`)")


def _find_in(module: str, names: list[str]) -> tuple[str, Definition]:
    """The definition of `names[0]` in `module`, followed through its imports."""
    file = _file(module)
    if file is None:
        raise LookupError(f"there is no module {module!r}")
    name = names[0]
    for node in reversed(_parse(file).body):
        if isinstance(node, Definition) and node.name == name and len(names) == 1:
            return module, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _follow(module, node, alias.name, names[1:])
    raise LookupError(f"{module} has no function or class {'.'.join(names)!r}")


def _follow(
    module: str, node: ast.ImportFrom, name: str, rest: list[str]
) -> tuple[str, Definition]:
    source = node.module or ""
    if node.level:
        package = module if _is_package(module) else module.rpartition(".")[0]
        source = importlib.util.resolve_name("." * node.level + source, package)
    if _file(f"{source}.{name}") is not None:
        if not rest:
            raise LookupError(f"{source}.{name} is a module, and no function or class")
        return _find_in(f"{source}.{name}", rest)
    return _find_in(source, [name, *rest])


@functools.cache
def _file(module: str) -> Path | None:
    """The source of `module`: found by walking folders, because `find_spec` imports the parents."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top) if top not in sys.modules else sys.modules[top].__spec__
    if spec is None or not spec.has_location or not str(spec.origin).endswith(".py"):
        return None
    if not rest:
        return Path(str(spec.origin))
    for folder in spec.submodule_search_locations or []:
        place = Path(folder, *rest)
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                return file
    return None


def _is_package(module: str) -> bool:
    file = _file(module)
    return file is not None and file.name == "__init__.py"


@functools.cache
def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise LookupError(f"{file.name} cannot be read: {error}") from error
