"""A model made ready to train: penalties, the loss that it learns by, the optimizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split
from truefit.training.constant import constant_loss
from truefit.training.passes import Augment, Passes, Rows
from truefit.training.tasks import SoftLoss, Task

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config


def penalise_weights(model: keras.Model, config: Config) -> None:
    """Put the configured penalties on the kernels that are trained."""
    from truefit.training.regularization import penalise  # noqa: PLC0415 - it subclasses Keras' Model

    penalise(model, config["regularization"])


def loss_of_constant(
    model: keras.Model, task: Task, facts: Facts, fit_on: Rows, validate_on: Rows
) -> float | None:
    """The validation loss of the constant answer; `None` where there is no such answer."""
    from truefit.training.regularization import has_own_loss  # noqa: PLC0415 - it subclasses Keras' Model

    if has_own_loss(model):
        return None
    return constant_loss(task, facts, model.output_shape, fit_on, validate_on)


def soft_loss(task: Task, config: Config, augment: Augment | None) -> SoftLoss | None:
    """The loss to learn by where targets are smoothed, or may be mixed; else `None`.

    Raises:
        ValueError: targets are to be smoothed, and the task has no classes.
    """
    smoothing = config["regularization"]["label_smoothing"]
    if smoothing and task.soft_loss is None:
        raise ValueError(
            f"regularization.label_smoothing: the task {task.name} has no classes to smooth; set "
            "it to 0, and its range search.space.regularization.label_smoothing to null"
        )
    return task.soft_loss(smoothing) if task.soft_loss and (smoothing or augment) else None


def compiled(
    model: keras.Model,
    task: Task,
    config: Config,
    rows: Rows,
    augment: Augment | None,
    *,
    fine: bool = False,
) -> Passes:
    """The passes of a model over its rows, with optimizer, loss and metrics in place.

    With `fine` the learning rate is that of the last epochs, in which frozen layers learn too.
    """
    from truefit.training.optimizing import make_optimizer  # noqa: PLC0415 - it imports Keras

    training = config["training"]
    tuning = training["fine_tune"]
    epochs = training["epochs"] - (tuning["epochs"] if tuning else 0)
    batches = math.ceil(len(rows[1]) / training["batch_size"])
    rate = tuning["learning_rate"] if tuning and fine else None
    optimizer = make_optimizer(config, model, epochs, batches, rate=rate)
    model.compile(optimizer=optimizer, loss=task.loss(), metrics=task.metrics())
    return Passes(model, training["batch_size"], rows, augment)


def as_trained(split: Split, facts: Facts) -> Rows:
    """Return a split with the targets of its loss: a number in units of its standard deviation."""
    target = facts.target
    match target.kind:
        case "number":
            return split.x, ((split.y - target.mean) / target.scale).astype(np.float32)
        case "labels":
            return split.x, split.y.astype(np.float32)
        case "input":
            return split.x, split.x
    return split.x, split.y
