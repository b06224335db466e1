"""What a `_target_` may name, by where it stands in the configuration.

A package's name would allow too much: `keras.saving.load_model` runs what a file says. So the kind
of thing is checked: a subclass of the place's base class that its public module offers, a function
of the room that truefit keeps for the place, or code of the user's own packages. The source
decides, and nothing is imported for it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from truefit.core import signatures
from truefit.core.errors import nearest
from truefit.core.moved import current
from truefit.core.signatures import Definition


@dataclass(frozen=True)
class Offered:
    """Classes that a library's public module offers, below a base class of the same module."""

    module: str
    base: str

    def __str__(self) -> str:
        return f"a class of {self.module} (a kind of {self.base})"


@dataclass(frozen=True)
class Room:
    """Functions that a module of truefit, or a module in a package of it, defines for one place.

    `positional` are their positional arguments, which tell them from helpers beside them;
    `returns` is what their annotation says that they return, where they have one.
    """

    module: str
    positional: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()

    def __str__(self) -> str:
        taken = ", ".join(self.positional) or "keyword arguments alone"
        return f"a function of {self.module} that takes {taken}"


Kind = Offered | Room
OPTIMIZER = Offered("keras.optimizers", "Optimizer")
SAMPLER = Offered("optuna.samplers", "BaseSampler")
CROSSOVER = Offered("optuna.samplers.nsgaii", "BaseCrossover")
PRUNER = Offered("optuna.pruners", "BasePruner")
MODEL = Room("truefit.models", ("input_shape", "num_outputs"))
# What an argument of a model, an optimizer and so on may be made of.
PARTS = (
    OPTIMIZER,
    Offered("keras.optimizers.schedules", "LearningRateSchedule"),
    Offered("keras.losses", "Loss"),
    Offered("keras.metrics", "Metric"),
    Offered("keras.regularizers", "Regularizer"),
    Offered("keras.initializers", "Initializer"),
    Offered("keras.constraints", "Constraint"),
    Offered("keras.layers", "Layer"),
)
# Layers that hold code, or that load a program from a file.
HOLD_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
PLACES: dict[str, tuple[Kind, ...]] = {
    "data": (Room("truefit.datasets", returns=("Source", "dict")),),
    "model": (MODEL,),
    "task": (Room("truefit.training.tasks", returns=("Task",)),),
    "task.judge": (MODEL,),
    "optimizer": (OPTIMIZER,),
    "augmentation": (Room("truefit.training.augmentation"),),
    "search.sampler": (SAMPLER,),
    "pruner": (PRUNER,),
}
# In the arguments of what stands there; in all other places PARTS.
INSIDE: dict[str, tuple[Kind, ...]] = {
    "search.sampler": (SAMPLER, CROSSOVER),
    "pruner": (PRUNER,),
}


def fault(where: str, target: str, packages: Collection[str]) -> str | None:
    """What is wrong with a `_target_`, in one sentence; `None` if it may be called.

    Args:
        where: the dotted key of its block, such as `optimizer` or `optimizer.learning_rate`.
        target: what the block names.
        packages: the user's own, whose functions and classes may stand anywhere.
    """
    kinds = kinds_at(where)
    if message := _fault(current(target), kinds, packages):
        return f"{where}._target_: expected {_said(kinds)}, received {target!r}{message}"
    return None


def _fault(target: str, kinds: tuple[Kind, ...], packages: Collection[str]) -> str:
    if _is_private(target):
        return ": each part of it must be a name that does not begin with `_`"
    if not (is_own := _top(target) in packages) and not any(_is_near(k, target) for k in kinds):
        way = "Add your own to `packages` in conf/config.yaml"
        return f", which is not allowed there.{_hint(target, kinds)} {way}"
    try:
        module, definition = signatures.definition(target)
    except LookupError as error:
        return f", which cannot be found: {error}.{_hint(target, kinds)}"
    if is_own:
        return "" if _top(module) in packages else f", which is not yours: {module} defines it"
    if any(_is_of(kind, target, module, definition) for kind in kinds):
        return ""
    return f", which is no such thing.{_hint(target, kinds)}"


def kinds_at(where: str) -> tuple[Kind, ...]:
    """What may stand at a dotted key, beside code of the user's own packages."""
    if where in PLACES:
        return PLACES[where]
    around = (place for place in PLACES if where.startswith((f"{place}.", f"{place}[")))
    place = max(around, key=len, default=None)
    return () if place is None else INSIDE.get(place, PARTS)


def is_importable(module: str, packages: Collection[str]) -> bool:
    """Whether a module may be imported because a saved model needs its layers."""
    module = current(module)
    is_ours = module == "truefit.training.raw" or module.startswith(f"{MODEL.module}.")
    return not _is_private(module) and (is_ours or _top(module) in packages)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_private(name: str) -> bool:
    return any(part.startswith("_") or not part.isidentifier() for part in name.split("."))


def _is_near(kind: Kind, target: str) -> bool:
    """Whether the name alone lets it be of the kind."""
    module = target.rpartition(".")[0]
    return kind.module in (module, module.rpartition(".")[0] if isinstance(kind, Room) else "")


def _is_of(kind: Kind, target: str, module: str, definition: Definition) -> bool:
    above, _, name = target.rpartition(".")
    if isinstance(kind, Offered):
        base = f"{kind.module}.{kind.base}"
        is_public = above == kind.module and name not in HOLD_CODE
        return is_public and _name_of(base) in signatures.bases(target)
    if module != above or not _is_near(kind, target) or not isinstance(definition, ast.FunctionDef):
        return False
    positional = (*definition.args.posonlyargs, *definition.args.args)
    is_alike = tuple(argument.arg for argument in positional) == kind.positional
    return is_alike and _returns(definition, kind.returns)


def _returns(function: ast.FunctionDef, kinds: tuple[str, ...]) -> bool:
    """Whether it returns one of these, or does not say what; `dict[str, Any]` is a `dict`."""
    if not kinds or function.returns is None:
        return True
    return ast.unparse(function.returns).partition("[")[0] in kinds


@functools.cache
def _name_of(target: str) -> str:
    module, definition = signatures.definition(target)
    return f"{module}.{definition.name}"


def _said(kinds: tuple[Kind, ...]) -> str:
    if kinds == PARTS:
        said = f"a class of {', '.join(str(kind.module) for kind in PARTS)}"
    else:
        said = " or ".join(map(str, kinds))
    return f"{said}, or code of your own `packages`" if said else "code of your own `packages`"


def _hint(target: str, kinds: tuple[Kind, ...]) -> str:
    """The nearest name that is there, or that a misspelt module has."""
    known = [name for kind in kinds for name in _names(kind)]
    if hint := nearest(target, known):
        return hint
    last = target.rpartition(".")[2]
    return nearest(last, {name.rpartition(".")[2] for name in known})


@functools.cache
def _names(kind: Kind) -> tuple[str, ...]:
    return tuple(_offered(kind) if isinstance(kind, Offered) else _in_room(kind))


def _offered(kind: Offered) -> Iterator[str]:
    for name in signatures.imported(kind.module):
        if name[0].isupper() and not name.isupper() and name not in {kind.base, *HOLD_CODE}:
            yield f"{kind.module}.{name}"


def _in_room(kind: Room) -> Iterator[str]:
    for file in signatures.package_files(kind.module):
        is_package = file.name == "__init__.py" or file.stem != kind.module.rpartition(".")[2]
        module = f"{kind.module}.{file.stem}" if is_package else kind.module
        for name in (name for name in signatures.defined(module) if not name.startswith("_")):
            target = f"{module}.{name}"
            if _is_of(kind, target, *signatures.definition(target)):
                yield target
