"""What is wrong with a configuration: its keys, its `_target_` arguments, its sections together."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import is_typeddict

from truefit.config.schema import ADAPTER, Config, Split, Training
from truefit.core import allowed, signatures
from truefit.core.errors import closest, nearest
from truefit.core.renamed import renamed
from truefit.core.trees import blocks, flatten, get

# What the pipeline itself passes to each kind of `_target_`.
GIVEN = {
    "data": {"seed"},
    "model": {"input_shape", "num_outputs", "sizes", "tables", "statistics"},
    "task": {"facts"},
    "task.judge": {"input_shape", "num_outputs"},
    "optimizer": set[str](),
    "augmentation": {"facts", "seed"},
    "search.sampler": {"seed", "search_space"},
    "pruner": set[str](),
}
KINDS = ("int", "float", "bool", "none")  # of a union: pydantic names the one that it tried
ENGINE = re.compile(r"search\.engine\.(local|ray|slurm)")  # pydantic names the chosen one
MANY = 16  # names that a message still lists
OWN_KEYS = {"data": {"split", "normalize"}, "task": {"target"}}


@dataclass(frozen=True)
class Fault:
    """A fault in one sentence; `foreign` is its key where nothing takes that, nor one like it."""

    sentence: str
    foreign: str | None = None


def faults(config: Mapping[str, object]) -> list[Fault]:
    """Every fault of the composed configuration; empty means valid."""
    found = [*map(Fault, _missing(config)), *_section_faults(config)]
    if all(fault.foreign for fault in found):  # what the sections take is valid
        found += _target_faults(config)
    return found or [*map(Fault, _cross_faults(config))]


def not_known(where: str, what: str, key: str, known: Collection[str]) -> Fault:
    """Return the fault of a key, with the known one that may be meant; without one it is foreign.

    Args:
        where: what stands there, which the message names.
        what: is wrong with it.
        key: dotted, of the configuration.
        known: dotted keys of the configuration.
    """
    block, dot, name = key.rpartition(".")
    inside = [k.removeprefix(block + dot) for k in known if k.startswith(block + dot)]
    beside = {k.partition(".")[0] for k in inside}
    same = [k for k in sorted(known) if k.rpartition(".")[2] == name]
    same += {k.partition(".")[0] for k in known} & {name}
    if close := closest(name, beside):
        near: str | None = f"{block}{dot}{close}"
    else:
        near = same[0] if same else None if beside else closest(key, known)
    hint = f" Did you mean `{near}`?" if near else ""
    listed = f" Known: {', '.join(sorted(beside))}." if 0 < len(beside) <= MANY else ""
    return Fault(f"{where}: {what}.{hint}{listed}", None if near else where)


def refused_targets(config: Mapping[str, object], packages: list[str]) -> list[str]:
    """What is wrong with each `_target_` of a configuration, which need not be one's own.

    Args:
        config: any configuration, composed.
        packages: those whose code may run here, whatever the configuration says.
    """
    named = [(where, str(block["_target_"])) for where, block in blocks(config)]
    found = [allowed.fault(where, target, packages) for where, target in named]
    return [message for message in found if message]


def known_keys(config: Mapping[str, object]) -> list[str]:
    """Every dotted key that can be set: the configuration's, those left out, targets' arguments."""
    keys = [*flatten(config), *declared(Config)]
    for where, given in GIVEN.items():
        try:
            block = get(config, where)
            arguments = signatures.signature(str(block["_target_"])).arguments
        except (LookupError, TypeError, KeyError):
            continue
        keys += [f"{where}.{name}" for name in arguments if name not in given]
    return sorted(set(keys))


def declared(kind: type, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys that the sections of the schema have, also those that may be left out.

    What belongs to a `_target_` is not among them, nor a section of which there are several kinds.

    Args:
        kind: a section, or the whole configuration.
        prefix: of its keys.
    """
    is_target = "_target_" in kind.__annotations__
    for name, field in get_type_hints(kind).items():
        sections = [one for one in (field, *get_args(field)) if is_typeddict(one)]
        if len(sections) == 1:
            yield from declared(sections[0], f"{prefix}{name}.")
        elif prefix and not sections and not is_target and get_origin(field) is not dict:
            yield f"{prefix}{name}"


def _missing(config: Mapping[str, object]) -> Iterator[str]:
    for key, value in flatten(config).items():
        if value == "???":
            yield (
                f"{key} has no value (`???`): give it one under `set:` in params.yaml, "
                f"or `dvc exp run -S '++set.{key}=...'`"
            )


def _section_faults(config: Mapping[str, object]) -> Iterator[Fault]:
    try:
        ADAPTER.validate_python(config)
    except ValidationError as error:
        known = known_keys(config)
        items: dict[str, list[ErrorDetails]] = {}
        for item in error.errors():
            items.setdefault(_where(item["loc"]), []).append(item)
        for where, found in items.items():
            yield _section_fault(where, found, known)


def _where(place: tuple[int | str, ...]) -> str:
    """The dotted key, without what pydantic says of the types that it tried there."""
    parts = [
        str(part)
        for part in place
        if not str(part).startswith(("function-", "literal", "constrained-"))
    ]
    plain = [p for p in parts if p not in KINDS and not p.startswith("list[")]
    return ENGINE.sub("search.engine", ".".join(plain))


def _section_fault(where: str, items: list[ErrorDetails], known: list[str]) -> Fault:
    """One sentence for a key, also where several types may stand there."""
    kind = items[0]["type"]
    if kind == "extra_forbidden" and (message := renamed(where)):
        return Fault(message)
    if kind == "extra_forbidden":
        right = [k for k in known if k != where and not k.startswith(f"{where}.")]
        return not_known(where, "there is no such key", where, right)
    if kind == "missing":
        return Fault(f"{where}: this key is needed and is not there")
    expected = _lower(signatures.expected(items))
    return Fault(f"{where}: {expected}, received {items[0]['input']!r}")


def _target_faults(config: Mapping[str, Any]) -> Iterator[Fault]:
    if refused := refused_targets(config, config["packages"]):
        yield from map(Fault, refused)
        return
    for where, block in blocks(config):
        arguments = {key: value for key, value in block.items() if key != "_target_"}
        yield from _argument_faults(where, str(block["_target_"]), arguments)


def _argument_faults(where: str, target: str, block: Mapping[str, object]) -> Iterator[Fault]:
    takes = signatures.signature(target)
    own, given = OWN_KEYS.get(where, set()), GIVEN.get(where, set())
    names = set(takes.arguments) - given
    # Keras refuses what none of a class' bases names, although their signatures end in **kwargs.
    is_open = takes.open and not target.startswith("keras.")
    for name, value in block.items():
        if name in own:
            continue
        if name in given:
            yield Fault(f"{where}.{name}: the pipeline passes this argument itself; remove it")
        elif name in names:
            if message := signatures.fault(takes.arguments[name], value):
                yield Fault(f"{where}.{name}: {_lower(message)}, received {value!r}")
        elif not is_open and (message := renamed(f"{where}.{name}")):
            yield Fault(message)
        elif not is_open:
            what = f"{target} takes no such argument.{nearest(name, names)}"
            key = f"{where}.{name}"
            yield Fault(f"{key}: {what}", None if closest(name, names) else key)
    for name in sorted(takes.required - given - set(block)):
        yield Fault(f"{where}.{name}: {target} needs this argument")


def _cross_faults(config: Mapping[str, Any]) -> Iterator[str]:
    yield from _split_faults(config["data"]["split"])
    tuning, epochs = config["training"]["fine_tune"], config["training"]["epochs"]
    if tuning and tuning["epochs"] >= epochs:
        yield (
            f"training.fine_tune.epochs: they are the last of training.epochs ({epochs}) and must "
            f"leave one before them, received {tuning['epochs']}"
        )
    if config["training"]["schedule"] == "plateau":
        yield from _plateau_faults(config["training"])
    yield from _optimizer_faults(config["optimizer"], config["training"])
    if importlib.util.find_spec(backend := config["backend"]) is None:
        yield f"backend: {backend} is not installed; `pip install 'truefit[{backend}]'`"
    sampler = config["search"]["sampler"]["_target_"]
    if "seed" not in signatures.signature(sampler).arguments:
        yield f"search.sampler: {sampler} takes no `seed`, so a study could not be repeated"


def _plateau_faults(training: Training) -> Iterator[str]:
    """What keeps the learning rate from falling on a plateau."""
    if training["warmup"]:
        yield "training.warmup: expected 0 with the schedule plateau, which has no warm-up"
    patience, epochs = training["patience"], training["decay"]["epochs"]
    if patience is not None and epochs >= patience:
        yield (
            f"training.decay.epochs: expected fewer than training.patience ({patience}) with the "
            f"schedule plateau, received {epochs}: the training would end before its rate fell"
        )


def _optimizer_faults(optimizer: Mapping[str, Any], training: Mapping[str, Any]) -> Iterator[str]:
    """What `training` sets of the optimizer is not set twice, and the optimizer can be told."""
    if training["schedule"] != "constant" and isinstance(optimizer.get("learning_rate"), Mapping):
        yield (
            f"training.schedule: expected constant where optimizer.learning_rate is a schedule of "
            f"its own, received {training['schedule']}"
        )
    target = str(optimizer["_target_"])
    takes = signatures.signature(target)
    for key, argument, is_set in (
        ("accumulate", "gradient_accumulation_steps", training["accumulate"] > 1),
        ("clip_norm", "global_clipnorm", training["clip_norm"] is not None),
    ):
        known = argument in takes.arguments or takes.open
        if is_set and (not known or target.endswith(".LossScaleOptimizer")):
            yield f"training.{key}: {target} takes no `{argument}`, which it needs for that"
    if "gradient_accumulation_steps" in optimizer:
        yield "optimizer.gradient_accumulation_steps: it is called training.accumulate"
    clips = [key for key in ("clipnorm", "clipvalue", "global_clipnorm") if optimizer.get(key)]
    if training["clip_norm"] is not None and clips:
        yield f"training.clip_norm: optimizer.{clips[0]} clips gradients already; set one of them"


def _split_faults(split: Split) -> Iterator[str]:
    held_out = [split["validation"], split["test"]]
    shares = [share for share in held_out if isinstance(share, float)]
    if sum(shares) >= 1:
        yield (
            f"data.split: validation + test must leave rows to train on (below 1), "
            f"received {' + '.join(map(str, shares))} = {sum(shares):g}"
        )
    if split.get("group") and split.get("time"):
        yield "data.split: rows are split by `group` or by `time`, received both"
    if split.get("duplicates") == "together" and (split.get("group") or split.get("time")):
        yield "data.split.duplicates: `together` is a grouping of its own, without group or time"
    if len(shares) < 2 and not split.get("group"):
        yield "data.split: `validation` and `test` name groups, and `group` does not say of what"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
