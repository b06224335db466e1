"""What a task means: the size of the output, how logits become predictions, the loss, the curves.

A function here takes what dataset.json says of the target and returns a `Task`. Keras is imported
only when a loss or metric is made, so reading a task costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Task:
    """One kind of prediction.

    Models end in `num_outputs` linear units (logits); `activation` turns those into predictions:
    probabilities, or the standardised target. `headline` is the score that a person asks for first.
    """

    name: Literal["binary", "multiclass", "regression"]
    num_outputs: int
    activation: Literal["sigmoid", "softmax", "linear"]
    headline: str
    loss: Callable[[], keras.losses.Loss]
    metrics: Callable[[], list[keras.metrics.Metric]]


def auto(*, target: str, classes: list[str] | None) -> Task:
    """The task that fits the target: numbers, two classes, or more."""
    del target
    if classes is None:
        return regression(target="number", classes=None)
    return (binary if len(classes) == 2 else multiclass)(target="classes", classes=classes)


def binary(*, target: str, classes: list[str] | None) -> Task:
    """One of two classes; the prediction is the probability of the second.

    Raises:
        ValueError: the target does not have two classes.
    """
    if classes is None or len(classes) != 2:
        raise ValueError(f"task binary needs two classes, received {_say(target, classes)}")
    return Task("binary", 1, "sigmoid", "accuracy", _binary_loss, _binary_metrics)


def multiclass(*, target: str, classes: list[str] | None) -> Task:
    """One of several classes; the prediction is a probability for each.

    Raises:
        ValueError: the target is a number.
    """
    if classes is None:
        raise ValueError(f"task multiclass needs classes, received {_say(target, classes)}")
    return Task(
        "multiclass", len(classes), "softmax", "accuracy", _multiclass_loss, _multiclass_metrics
    )


def regression(*, target: str, classes: list[str] | None) -> Task:
    """A number; trained on the standardised target, predicted in its own unit.

    Raises:
        ValueError: the target has classes.
    """
    if classes is not None:
        raise ValueError(f"task regression needs a number, received {_say(target, classes)}")
    return Task("regression", 1, "linear", "mae", _regression_loss, _regression_metrics)


def _say(target: str, classes: list[str] | None) -> str:
    return f"a target of kind {target!r} with classes {classes}"


def _binary_loss() -> keras.losses.Loss:
    import keras  # noqa: PLC0415 - see the module's docstring

    return keras.losses.BinaryCrossentropy(from_logits=True)


def _binary_metrics() -> list[keras.metrics.Metric]:
    import keras  # noqa: PLC0415

    return [
        keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
    ]  # a logit of 0 is even odds


def _multiclass_loss() -> keras.losses.Loss:
    import keras  # noqa: PLC0415

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _multiclass_metrics() -> list[keras.metrics.Metric]:
    import keras  # noqa: PLC0415

    return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def _regression_loss() -> keras.losses.Loss:
    import keras  # noqa: PLC0415

    return keras.losses.MeanSquaredError()


def _regression_metrics() -> list[keras.metrics.Metric]:
    import keras  # noqa: PLC0415

    return [keras.metrics.MeanAbsoluteError(name="mae")]
