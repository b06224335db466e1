"""The model around the configured body: raw rows in front of it, predictions behind it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.prepared.facts import Facts
from truefit.core.targets import make, target
from truefit.training.tasks import SoftLoss, Task

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config

# Activations that keep a last layer from giving any number: the task has its own behind it.
BOUNDED = {"softmax", "log_softmax", "sigmoid", "log_sigmoid", "hard_sigmoid", "relu", "tanh"}


def make_task(config: Config, facts: Facts) -> Task:
    """The configured task, told what dataset.json says.

    Raises:
        ValueError: the task does not fit the target.
    """
    block = {key: value for key, value in config["task"].items() if key != "target"}
    # What a task names in turn (a judge) is made by its scoring, which knows the rest of it.
    # Own tasks read the plain values of dataset.json.
    task: Task = make(block, "task", config["packages"], nested=False, facts=facts.to_json())
    return task


def build(
    config: Config,
    facts: Facts,
    task: Task,
    tables: dict[str, np.ndarray],
    soft_loss: SoftLoss | None = None,
) -> keras.Model:
    """The uncompiled model from prepared rows to logits: normalisation, then the configured body.

    A body that takes `statistics` normalises by itself and is the model, with its own training
    step if it has one. `soft_loss` is what another model learns by, if not by the task's loss.

    Raises:
        ValueError: the model does not take examples of this shape, or its output is not what the
            task needs.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

    shape = tuple(facts.input_shape)
    columns = [column["name"] for column in facts.columns or [] if column["kind"] == "code"]
    known = {
        "sizes": facts.sizes,
        "tables": [tables.get(name) for name in columns],
        "statistics": facts["statistics"],  # plain values, as own models read them
    }
    called = target(config["model"], "model", config["packages"])
    taken = inspect.signature(called).parameters
    given = {name: value for name, value in known.items() if name in taken}
    body = called(input_shape=shape, num_outputs=task.num_outputs, **given)
    where = f"model {config['model']['_target_']}"
    if not isinstance(body, keras.layers.Layer):
        raise ValueError(f"{where}: expected that it returns a keras.Model, received {body!r:.80}")
    if "statistics" in taken:
        return body if soft_loss is None else _soften(body.input, body.output, body, soft_loss)
    inputs = keras.Input(shape, name="rows", dtype="int32" if facts.sizes else None)
    hidden = _normalization(facts)(inputs) if facts.normalize else inputs
    _check_inputs(where, body, shape)
    outputs = body(hidden)
    _check_outputs(where, outputs, facts, task)
    _check_linear(where, body, facts)
    if soft_loss is None:
        return keras.Model(inputs, outputs, name=body.name)
    return _soften(inputs, outputs, body, soft_loss)


def _check_inputs(where: str, body: keras.Model, shape: tuple[int, ...]) -> None:
    """Keras asks for a dictionary of inputs, which is no way out here: a row is one array."""
    taken = getattr(body, "inputs", None) or []
    if len(taken) > 1:
        raise ValueError(
            f"{where}: expected one input of shape {(None, *shape)}, received {len(taken)} inputs: "
            "take one keras.Input(input_shape) and split it inside: rows[:, :3], rows[:, 3:]"
        )


def _check_outputs(where: str, outputs: keras.KerasTensor, facts: Facts, task: Task) -> None:
    """Losses stretch targets over outputs of another shape, and learn something else."""
    kind = facts.target.kind
    if kind == "input":
        return  # the row itself, of whatever shape it is
    places = facts.input_shape if kind == "next" else []
    expected = (None, *places, task.num_outputs)
    received = tuple(getattr(outputs, "shape", ())) or f"{type(outputs).__name__} of outputs"
    if not isinstance(received, tuple) or not _fits(received, expected):
        raise ValueError(
            f"{where}: expected one output of shape {expected} for the task {task.name}, received "
            f"{received}: end the model in Dense(num_outputs), behind Flatten() where there are "
            "more axes"
        )


def _fits(shape: tuple[int | None, ...], expected: tuple[int | None, ...]) -> bool:
    """Whether it may be that shape; an own layer need not know all of its sizes."""
    known = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(None in pair or pair[0] == pair[1] for pair in known)


def _check_linear(where: str, body: keras.Model, facts: Facts) -> None:
    """The loss takes logits, or deviations from the mean: neither has an end."""
    if facts.target.kind == "input":
        return
    last = _last_operation(body)
    if not type(last).__module__.startswith("keras."):
        return  # what an own layer does with an activation is its own affair
    activation = getattr(getattr(last, "activation", None), "__name__", type(last).__name__.lower())
    if activation in BOUNDED:
        raise ValueError(
            f"{where}: expected a linear output, as the task adds softmax or sigmoid itself and "
            f"numbers are learned in deviations from their mean; received one behind {activation}: "
            "take it off the last layer"
        )


def _last_operation(body: keras.Model) -> keras.Operation | None:
    """What makes the output; of a model by subclassing nothing is known."""
    import keras  # noqa: PLC0415

    last = body
    while isinstance(last, keras.Model):
        if isinstance(last, keras.Sequential):
            last = last.layers[-1] if last.layers else None
        elif hasattr(last, "operations"):
            # Its `output` is that of the call that it stands in, where it is a part of another.
            last = last.outputs[0]._keras_history.operation  # noqa: SLF001 - Keras has no other way
        else:
            return None
    return last


def _soften(
    inputs: keras.KerasTensor,
    outputs: keras.KerasTensor,
    body: keras.Model,
    soft_loss: SoftLoss,
) -> keras.Model:
    from truefit.training.regularization import Softened, has_own_loss  # noqa: PLC0415 - needs Keras

    if has_own_loss(body):
        raise ValueError(
            "regularization.label_smoothing and augmentation need a model that learns by its "
            "task's loss, and this one has its own: set them to 0 and none"
        )
    model = Softened(inputs, outputs, name=body.name)
    model.soft_loss = soft_loss
    return model


def predictor(model: keras.Model, facts: Facts, task: Task) -> keras.Model:
    """What is saved: from rows as they came to probabilities, or to values in their own unit.

    Rows of a table or texts enter as they are (`truefit.training.raw.RawRows`). Of a generation the
    generator is what is saved: from random numbers to rows.
    """
    import keras  # noqa: PLC0415

    if task.name == "generation":
        return model.generator
    # In float32 whatever the model's own layers compute in (Keras' guide to mixed precision).
    outputs = keras.layers.Activation(task.activation, name="predict", dtype="float32")(
        model.output
    )
    described = facts.target
    if described.kind == "number":
        unit = keras.layers.Rescaling(described.scale, described.mean, name="unit", dtype="float32")
        outputs = unit(outputs)
    if task.name == "reconstruction" and facts.normalize:
        outputs = _normalization(facts, invert=True)(outputs)
    core = keras.Model(model.input, outputs, name=model.name)
    if not facts.columns:
        return core
    from truefit.training.raw import RawRows  # noqa: PLC0415 - it subclasses Keras' Model

    return RawRows(core, facts.columns, name=model.name)


def thaw(model: keras.Model, count: int) -> None:
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


def _leaves(layer: keras.Layer) -> list[keras.Layer]:
    """The layers of a model in their order, those of nested models among them."""
    inner = getattr(layer, "layers", None)
    return [leaf for one in inner for leaf in _leaves(one)] if inner else [layer]


def _normalization(facts: Facts, *, invert: bool = False) -> keras.Layer:
    import keras  # noqa: PLC0415

    statistics = facts.moments()
    return keras.layers.Normalization(
        mean=statistics.mean,
        variance=statistics.variance,
        invert=invert,
        name="unit" if invert else "normalize",
    )
