"""What a configuration may say: the keys of each section, their types and ranges."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ConfigDict, Field

from truefit.core.words import VerdictName, YardstickKind

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
