"""The model around the configured body: raw rows in front of it, predictions behind it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from truefit.core.prepared.folder import Facts
from truefit.core.resolved import Tree
from truefit.core.targets import make, target
from truefit.training.tasks import Task


def make_task(config: Tree, facts: Facts) -> Task:
    """The configured task, told what dataset.json says.

    Raises:
        ValueError: the task does not fit the target.
    """
    block = {key: value for key, value in config["task"].items() if key != "target"}
    # What a task names in turn (a judge) is made by its scoring, which knows the rest of it.
    task: Task = make(block, "task", config["packages"], nested=False, facts=facts)
    return task


def build(
    config: Tree,
    facts: Facts,
    task: Task,
    tables: dict[str, np.ndarray],
    soft_loss: Callable[[Any, Any], Any] | None = None,
) -> Any:
    """The uncompiled model from prepared rows to logits: normalisation, then the configured body.

    A body that takes `statistics` normalises by itself and is the model, with its own training
    step if it has one. `soft_loss` is what another model learns by, if not by the task's loss.

    Raises:
        ValueError: the model does not take examples of this shape.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

    shape = tuple(facts["input_shape"])
    columns = [column["name"] for column in facts["columns"] or [] if column["kind"] == "code"]
    known = {
        "sizes": facts["sizes"],
        "tables": [tables.get(name) for name in columns],
        "statistics": facts["statistics"],
    }
    called = target(config["model"], "model", config["packages"])
    taken = inspect.signature(called).parameters
    given = {name: value for name, value in known.items() if name in taken}
    body = called(input_shape=shape, num_outputs=task.num_outputs, **given)
    if "statistics" in taken:
        return body if soft_loss is None else _soften(body.input, body.output, body, soft_loss)
    inputs = keras.Input(shape, name="rows", dtype="int32" if facts["sizes"] else None)
    hidden = _normalization(facts)(inputs) if facts["normalize"] else inputs
    if soft_loss is None:
        return keras.Model(inputs, body(hidden), name=body.name)
    return _soften(inputs, body(hidden), body, soft_loss)


def _soften(inputs: Any, outputs: Any, body: Any, soft_loss: Callable[[Any, Any], Any]) -> Any:
    from truefit.training.regularization import Softened, has_own_loss  # noqa: PLC0415 - needs Keras

    if has_own_loss(body):
        raise ValueError(
            "regularization.label_smoothing and augmentation need a model that learns by its "
            "task's loss, and this one has its own: set them to 0 and none"
        )
    model = Softened(inputs, outputs, name=body.name)
    model.soft_loss = soft_loss
    return model


def predictor(model: Any, facts: Facts, task: Task) -> Any:
    """What is saved: from rows as they came to probabilities, or to values in their own unit.

    Rows of a table or texts enter as they are (`truefit.training.raw.RawRows`). Of a generation the
    generator is what is saved: from random numbers to rows.
    """
    import keras  # noqa: PLC0415

    if task.name == "generation":
        return model.generator
    outputs = keras.layers.Activation(task.activation, name="predict")(model.output)
    described = facts["target"]
    if described["kind"] == "number":
        unit = keras.layers.Rescaling(described["scale"], described["mean"], name="unit")
        outputs = unit(outputs)
    if task.name == "reconstruction" and facts["normalize"]:
        outputs = _normalization(facts, invert=True)(outputs)
    core = keras.Model(model.input, outputs, name=model.name)
    if not facts["columns"]:
        return core
    from truefit.training.raw import RawRows  # noqa: PLC0415 - it subclasses Keras' Model

    return RawRows(core, facts["columns"], name=model.name)


def thaw(model: Any, count: int) -> None:
    """Let the last `count` frozen layers learn; batch normalisation stays as it was.

    A frozen net's batch statistics belong to the data that it was trained on (Keras' guide to
    transfer learning and fine-tuning).
    """
    import keras  # noqa: PLC0415

    normal = keras.layers.BatchNormalization
    leaves = [layer for layer in _leaves(model) if layer.weights]
    frozen = [one for one in leaves if not one.trainable and not isinstance(one, normal)]
    for layer in frozen[-count:]:
        layer.trainable = True


def _leaves(layer: Any) -> list[Any]:
    """The layers of a model in their order, those of nested models among them."""
    inner = getattr(layer, "layers", None)
    return [leaf for one in inner for leaf in _leaves(one)] if inner else [layer]


def _normalization(facts: Facts, *, invert: bool = False) -> Any:
    import keras  # noqa: PLC0415

    statistics = facts["statistics"]
    return keras.layers.Normalization(
        mean=statistics["mean"],
        variance=statistics["variance"],
        invert=invert,
        name="unit" if invert else "normalize",
    )
