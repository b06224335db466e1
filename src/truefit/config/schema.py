"""What a configuration may say: typed sections, `_target_` arguments, rules across sections."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from truefit.config.renamed import renamed
from truefit.core import allowed, signatures
from truefit.core.errors import nearest
from truefit.core.trees import blocks, flatten, get
from truefit.core.words import VerdictName, YardstickKind

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
OWN_KEYS = {"data": {"split", "normalize"}, "task": {"target"}}
Share = Annotated[float, Gt(0), Lt(1)]


class Section(BaseModel):
    """A block of the configuration: every key is known and of its type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Target(BaseModel):
    """A block that names a function or class by `_target_`; the other keys are its arguments."""

    model_config = ConfigDict(extra="allow", strict=True)
    target_: str = Field(alias="_target_")


class Split(Section):
    """Shares of the rows, or the groups themselves; what is left is trained on."""

    validation: Share | list[str | int]
    test: Share | list[str | int]
    stratify: bool | Literal["auto"]
    group: Annotated[str, MinLen(1)] | None = None
    time: Annotated[str, MinLen(1)] | bool | None = None
    duplicates: Literal["apart", "together"] = "apart"


class Data(Target):
    """A source by `_target_`, and how its rows are split."""

    split: Split
    normalize: bool


class Task(Target):
    """A task by `_target_`, and the kind of target that it predicts."""

    target: Literal["classes", "number", "labels", "input", "next", "auto"]


class FineTune(Section):
    """The last epochs of a training, in which frozen layers learn too."""

    epochs: Annotated[int, Ge(1)]
    layers: Annotated[int, Ge(1)]
    learning_rate: Annotated[float, Gt(0)]


class Training(Section):
    """One training; times in seconds."""

    epochs: Annotated[int, Ge(1)]
    batch_size: Annotated[int, Ge(1)]
    patience: Annotated[int, Ge(0)] | None
    min_delta: Annotated[float, Ge(0)]
    restore_best_weights: bool
    schedule: Literal["constant", "cosine"]
    warmup: Annotated[float, Ge(0), Lt(1)]
    resume: bool
    time_limit: Annotated[float, Gt(0)] | None
    fine_tune: FineTune | None
    seed: Annotated[int, Ge(0), Lt(2**31)] | None


class Regularization(Section):
    """Penalties on kernels, and how soft targets are."""

    l1: Annotated[float, Ge(0)]
    l2: Annotated[float, Ge(0)]
    label_smoothing: Annotated[float, Ge(0), Lt(1)]


class Finalists(Section):
    """How many of the best trials are trained again, over how many seeds; whether models stay."""

    n_finalists: Annotated[int, Ge(0)]
    n_seeds: Annotated[int, Ge(2)]
    models: bool


class MaxGap(Section):
    """The gap beyond which the sampler looks elsewhere: both the absolute and the share of loss."""

    absolute: Annotated[float, Ge(0)]
    relative: Annotated[float, Ge(0)]


class Folds(Section):
    """Cross-validation as the value of a trial."""

    n_splits: Annotated[int, Ge(2)] | None
    n_repeats: Annotated[int, Ge(1)]


class LocalEngine(Section):
    """Workers on this machine."""

    name: Literal["local"]


class RayEngine(Section):
    """Workers as actors of a Ray cluster."""

    name: Literal["ray"]
    address: Annotated[str, MinLen(1)]
    workers: Annotated[int, Ge(1)]
    cpus: Annotated[float, Gt(0)]
    gpus: Annotated[float, Ge(0)]
    folder: Annotated[str, MinLen(1)] | None


class SlurmEngine(Section):
    """Workers as an array of SLURM jobs; memory in GiB."""

    name: Literal["slurm"]
    cluster: Literal["slurm", "local"]
    workers: Annotated[int, Ge(1)]
    cpus: Annotated[int, Ge(1)]
    gpus: Annotated[int, Ge(0)]
    memory: Annotated[float, Gt(0)]
    minutes: Annotated[int, Ge(1)]
    warning: Annotated[int, Ge(1)]
    partition: Annotated[str, MinLen(1)] | None
    setup: list[str]


class Search(Section):
    """How many trials, of what, and which wins; times in seconds."""

    n_trials: Annotated[int, Ge(0)]
    sampler: Target
    objective: Literal["loss", "penalized", "pareto"]
    gap_weight: Annotated[float, Ge(0)]
    max_gap: MaxGap | None
    tolerance: Annotated[float, Ge(0)]
    folds: Folds
    finalists: Finalists
    time_limit: Annotated[float, Gt(0)] | None
    gpu_hours: Annotated[float, Gt(0)] | None
    patience: Annotated[int, Ge(1)] | None
    warm_start: Annotated[str, MinLen(1)] | None
    engine: Annotated[LocalEngine | RayEngine | SlurmEngine, Field(discriminator="name")]
    window: Annotated[int, Ge(1)]
    workers: Annotated[int, Ge(1)] | Literal["auto"]
    trials_per_gpu: Annotated[int, Ge(1)]
    lease: Annotated[float, Ge(5)]
    retries: Annotated[int, Ge(0)]
    space: dict[str, Any]


class Runtime(Section):
    """Where and how a training computes; memory in GiB."""

    device: Literal["auto", "cpu"]
    memory_limit: Annotated[float, Gt(0)] | None
    threads: Annotated[int, Ge(1)]
    deterministic: bool


class Repeats(Section):
    """Further trainings of the winner, for each share of the training rows."""

    n_seeds: Annotated[int, Ge(0)]
    shares: Annotated[list[Annotated[float, Gt(0), Le(1)]], MinLen(1)]


class Evaluation(Section):
    """The bootstrap behind the intervals, the yardsticks, and the repeats."""

    repeats: Repeats
    yardsticks: Literal["auto"] | list[YardstickKind] | None

    n_resamples: Annotated[int, Ge(100)]
    confidence_level: Annotated[float, Ge(0.5), Le(0.999)]
    batch_size: Annotated[int, Ge(1)]


class Promotion(Section):
    """What a model needs to become the champion."""

    model: Annotated[str, MinLen(1)] | None
    score: Annotated[str, MinLen(1)] | None
    verdicts: Annotated[list[VerdictName], MinLen(1)]
    max_gap: float | None
    verified: bool


class Config(Section):
    """The whole of `resolved.yaml`."""

    mlflow_experiment: Annotated[str, MinLen(1)]
    seed: Annotated[int, Ge(0), Lt(2**31)]
    backend: Literal["tensorflow", "torch", "jax"]
    path: Annotated[str, MinLen(1)]
    packages: list[str]
    data: Data
    task: Task
    model: Target
    optimizer: Target
    regularization: Regularization
    augmentation: Target
    training: Training
    pruner: Target
    search: Search
    runtime: Runtime
    evaluation: Evaluation
    promotion: Promotion


def faults(config: dict[str, Any]) -> list[str]:
    """Every fault of the composed configuration, one sentence each; empty means valid."""
    return (
        [*_missing(config), *_section_faults(config)]
        or [*_target_faults(config)]
        or [*_cross_faults(config)]
    )


def refused_targets(config: dict[str, Any], packages: list[str]) -> list[str]:
    """What is wrong with each `_target_` of a configuration, which need not be one's own.

    Args:
        config: any configuration, composed.
        packages: those whose code may run here, whatever the configuration says.
    """
    named = [(where, str(block["_target_"])) for where, block in blocks(config)]
    found = [allowed.fault(where, target, packages) for where, target in named]
    return [message for message in found if message]


def known_keys(config: dict[str, Any]) -> list[str]:
    """Every dotted key that can be set: the configuration's and its targets' arguments."""
    keys = list(flatten(config))
    for where, given in GIVEN.items():
        try:
            block = get(config, where)
            arguments = signatures.signature(str(block["_target_"])).arguments
        except (LookupError, TypeError, KeyError):
            continue
        keys += [f"{where}.{name}" for name in arguments if name not in given]
    return sorted(set(keys))


def _missing(config: dict[str, Any]) -> Iterator[str]:
    for key, value in flatten(config).items():
        if value == "???":
            yield (
                f"{key} has no value (`???`): give it one under `set:` in params.yaml, "
                f"or `dvc exp run -S '++set.{key}=...'`"
            )


def _section_faults(config: dict[str, Any]) -> Iterator[str]:
    try:
        Config.model_validate(config)
    except ValidationError as error:
        known = known_keys(config)
        items: dict[str, list[Any]] = {}
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


def _section_fault(where: str, items: list[Any], known: list[str]) -> str:
    """One sentence for a key, also where several types may stand there."""
    kind = items[0]["type"]
    if kind == "extra_forbidden" and (message := renamed(where)):
        return message
    if kind == "extra_forbidden":
        prefix = where.rpartition(".")[0]
        right = [k for k in known if k != where and not k.startswith(f"{where}.")]
        beside = [k for k in right if k.startswith(f"{prefix}.")] if prefix else right
        return f"{where}: there is no such key.{nearest(where, beside or right)}"
    if kind == "missing":
        return f"{where}: this key is needed and is not there"
    return f"{where}: {_lower(signatures.expected(items))}, received {items[0]['input']!r}"


def _target_faults(config: dict[str, Any]) -> Iterator[str]:
    if refused := refused_targets(config, config["packages"]):
        yield from refused
        return
    for where, block in blocks(config):
        arguments = {key: value for key, value in block.items() if key != "_target_"}
        yield from _argument_faults(where, str(block["_target_"]), arguments)


def _argument_faults(where: str, target: str, block: dict[str, Any]) -> Iterator[str]:
    takes = signatures.signature(target)
    own, given = OWN_KEYS.get(where, set()), GIVEN.get(where, set())
    names = set(takes.arguments) - given
    # Keras refuses what none of a class' bases names, although their signatures end in **kwargs.
    is_open = takes.open and not target.startswith("keras.")
    for name, value in block.items():
        if name in own:
            continue
        if name in given:
            yield f"{where}.{name}: the pipeline passes this argument itself; remove it"
        elif name in names:
            if message := signatures.fault(takes.arguments[name], value):
                yield f"{where}.{name}: {_lower(message)}, received {value!r}"
        elif not is_open and (message := renamed(f"{where}.{name}")):
            yield message
        elif not is_open:
            yield f"{where}.{name}: {target} takes no such argument.{nearest(name, names)}"
    for name in sorted(takes.required - given - set(block)):
        yield f"{where}.{name}: {target} needs this argument"


def _cross_faults(config: dict[str, Any]) -> Iterator[str]:
    yield from _split_faults(config["data"]["split"])
    tuning, epochs = config["training"]["fine_tune"], config["training"]["epochs"]
    if tuning and tuning["epochs"] >= epochs:
        yield (
            f"training.fine_tune.epochs: they are the last of training.epochs ({epochs}) and must "
            f"leave one before them, received {tuning['epochs']}"
        )
    if importlib.util.find_spec(backend := config["backend"]) is None:
        yield f"backend: {backend} is not installed; `pip install 'truefit[{backend}]'`"
    sampler = config["search"]["sampler"]["_target_"]
    if "seed" not in signatures.signature(sampler).arguments:
        yield f"search.sampler: {sampler} takes no `seed`, so a study could not be repeated"


def _split_faults(split: dict[str, Any]) -> Iterator[str]:
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
