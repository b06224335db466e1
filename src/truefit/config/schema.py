"""What a configuration may say: the keys of each section, their types and ranges.

The same types check resolved.yaml when it is composed, and the code that reads it when mypy runs. A
configuration stays the plain dictionary that YAML holds, so that a search can `override` its dotted
keys. Other rooms import these types under `if TYPE_CHECKING:` alone: they need them to be checked
and not to run, so an edit here runs no stage again and makes no other study.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ConfigDict, Field, GetPydanticSchema, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from truefit.core.words import VerdictName, YardstickKind

Share = Annotated[float, Gt(0), Lt(1)]

# Every key is known and of its type.
section = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
# A function or class by `_target_`, and its arguments.
target = with_config(ConfigDict(extra="allow", strict=True))


@target
class TargetBlock(TypedDict):
    """A block that names a function or class by `_target_`; the other keys are its arguments."""

    _target_: str


# A tree, as what else it holds is for the function to say, which may be the user's own.
Block = Annotated[dict[str, Any], GetPydanticSchema(lambda _, handler: handler(TargetBlock))]


@section
class Split(TypedDict):
    """Shares of the rows, or the groups themselves; what is left is trained on."""

    validation: Share | list[str | int]
    test: Share | list[str | int]
    stratify: bool | Literal["auto"]
    group: NotRequired[Annotated[str, MinLen(1)] | None]
    time: NotRequired[Annotated[str, MinLen(1)] | bool | None]
    duplicates: NotRequired[Literal["apart", "together"]]


@target
class Data(TargetBlock):
    """A source by `_target_`, and how its rows are split."""

    split: Split
    normalize: bool
    path: NotRequired[Any]  # an argument of the sources that read files


@target
class Task(TargetBlock):
    """A task by `_target_`, and the kind of target that it predicts."""

    target: Literal["classes", "number", "labels", "input", "next", "auto"]
    judge: NotRequired[Any]  # an argument of `generation`, as is the next
    judge_epochs: NotRequired[Any]


@section
class FineTune(TypedDict):
    """The last epochs of a training, in which frozen layers learn too."""

    epochs: Annotated[int, Ge(1)]
    layers: Annotated[int, Ge(1)]
    learning_rate: Annotated[float, Gt(0)]


@section
class Decay(TypedDict):
    """How the schedules `step`, `exponential` and `plateau` lower the learning rate."""

    factor: Annotated[float, Gt(0), Lt(1)]
    epochs: Annotated[int, Ge(1)]
    lowest: Annotated[float, Ge(0)]


@section
class Training(TypedDict):
    """One training; times in seconds."""

    epochs: Annotated[int, Ge(1)]
    batch_size: Annotated[int, Ge(1)]
    patience: Annotated[int, Ge(0)] | None
    min_delta: Annotated[float, Ge(0)]
    restore_best_weights: bool
    schedule: Literal["constant", "cosine", "one_cycle", "exponential", "step", "plateau"]
    warmup: Annotated[float, Ge(0), Lt(1)]
    decay: Decay
    accumulate: Annotated[int, Ge(1)]
    clip_norm: Annotated[float, Gt(0)] | None
    resume: bool
    time_limit: Annotated[float, Gt(0)] | None
    fine_tune: FineTune | None
    seed: Annotated[int, Ge(0), Lt(2**31)] | None


@section
class Regularization(TypedDict):
    """Penalties on kernels, and how soft targets are."""

    l1: Annotated[float, Ge(0)]
    l2: Annotated[float, Ge(0)]
    label_smoothing: Annotated[float, Ge(0), Lt(1)]


@section
class Finalists(TypedDict):
    """How many of the best trials are trained again, over how many seeds; whether models stay."""

    n_finalists: Annotated[int, Ge(0)]
    n_seeds: Annotated[int, Ge(2)]
    models: bool


@section
class MaxGap(TypedDict):
    """The gap beyond which the sampler looks elsewhere: both the absolute and the share of loss."""

    absolute: Annotated[float, Ge(0)]
    relative: Annotated[float, Ge(0)]


@section
class Folds(TypedDict):
    """Cross-validation as the value of a trial."""

    n_splits: Annotated[int, Ge(2)] | None
    n_repeats: Annotated[int, Ge(1)]


@section
class LocalEngine(TypedDict):
    """Workers on this machine."""

    name: Literal["local"]


@section
class RayEngine(TypedDict):
    """Workers as actors of a Ray cluster."""

    name: Literal["ray"]
    address: Annotated[str, MinLen(1)]
    workers: Annotated[int, Ge(1)]
    cpus: Annotated[float, Gt(0)]
    gpus: Annotated[float, Ge(0)]
    folder: Annotated[str, MinLen(1)] | None


@section
class SlurmEngine(TypedDict):
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


Engine = Annotated[LocalEngine | RayEngine | SlurmEngine, Field(discriminator="name")]


@section
class Search(TypedDict):
    """How many trials, of what, and which wins; times in seconds."""

    n_trials: Annotated[int, Ge(0)]
    sampler: Block
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
    engine: Engine
    window: Annotated[int, Ge(1)]
    workers: Annotated[int, Ge(1)] | Literal["auto"]
    trials_per_gpu: Annotated[int, Ge(1)]
    lease: Annotated[float, Ge(5)]
    retries: Annotated[int, Ge(0)]
    space: dict[str, object]


@section
class Runtime(TypedDict):
    """Where and how a training computes; memory in GiB."""

    device: Literal["auto", "cpu"]
    memory_limit: Annotated[float, Gt(0)] | None
    threads: Annotated[int, Ge(1)]
    deterministic: bool


@section
class Repeats(TypedDict):
    """Further trainings of the winner, for each share of the training rows."""

    n_seeds: Annotated[int, Ge(0)]
    shares: Annotated[list[Annotated[float, Gt(0), Le(1)]], MinLen(1)]


@section
class Evaluation(TypedDict):
    """The bootstrap behind the intervals, the yardsticks, and the repeats."""

    repeats: Repeats
    yardsticks: Literal["auto"] | list[YardstickKind] | None

    n_resamples: Annotated[int, Ge(100)]
    confidence_level: Annotated[float, Ge(0.5), Le(0.999)]
    batch_size: Annotated[int, Ge(1)]


@section
class Promotion(TypedDict):
    """What a model needs to become the champion."""

    model: Annotated[str, MinLen(1)] | None
    score: Annotated[str, MinLen(1)] | None
    verdicts: Annotated[list[VerdictName], MinLen(1)]
    max_gap: float | None
    verified: bool


@section
class Config(TypedDict):
    """The whole of `resolved.yaml`."""

    mlflow_experiment: Annotated[str, MinLen(1)]
    seed: Annotated[int, Ge(0), Lt(2**31)]
    backend: Literal["tensorflow", "torch", "jax"]
    path: Annotated[str, MinLen(1)]
    packages: list[str]
    data: Data
    task: Task
    model: Block
    optimizer: Block
    regularization: Regularization
    augmentation: Block
    training: Training
    pruner: Block
    search: Search
    runtime: Runtime
    evaluation: Evaluation
    promotion: Promotion


ADAPTER = TypeAdapter(Config)
