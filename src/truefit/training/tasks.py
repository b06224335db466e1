"""What a task means: the size of the output, how logits become predictions, the loss, the curves.

A function here takes what dataset.json says and returns a `Task`. Keras is imported only when a
loss or metric is made, so reading a task costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

from truefit.core.balance import headline

if TYPE_CHECKING:
    import keras

    from truefit.core.prepared.facts import FactsJSON, TargetJSON

    Facts = FactsJSON  # the name by which own tasks know it
else:
    Facts = dict  # plain values; importing the records would make reading a task cost something

SoftLoss = Callable[["keras.KerasTensor", "keras.KerasTensor"], "keras.KerasTensor"]
SMOOTHABLE = ("classes", "labels", "next")  # kinds of target that are probabilities


@dataclass(frozen=True)
class Task:
    """One kind of prediction.

    Models end in `num_outputs` linear units (logits); `activation` turns those into predictions:
    probabilities, or the standardised target. `headline` is the score that a person asks for first:
    one that no constant answer reaches (`core.balance` says which for classes). `curves` is what
    the model's metrics are called, `scoring` the module that scores the predictions.
    `soft_loss` makes the loss for targets that are smoothed, or shares of several classes.
    """

    name: str
    num_outputs: int
    activation: Literal["sigmoid", "softmax", "linear"]
    headline: str
    loss: Callable[[], keras.Loss]
    metrics: Callable[[], list[keras.metrics.Metric]]
    curves: tuple[str, ...]
    scoring: str
    samples: Literal["images", "text"] | None = None
    soft_loss: Callable[[float], SoftLoss] | None = None


def auto(*, facts: FactsJSON) -> Task:
    """The task that fits the target: numbers, two classes, more, or several labels at once."""
    target = facts["target"]
    if target["kind"] == "classes":
        return (binary if len(target["classes"]) == 2 else multiclass)(facts=facts)
    return (multilabel if target["kind"] == "labels" else regression)(facts=facts)


def binary(*, facts: FactsJSON) -> Task:
    """One of two classes; the prediction is the probability of the second.

    Raises:
        ValueError: the target does not have two classes.
    """
    classes = _needs(facts, "binary", "classes", "two classes")["classes"]
    if len(classes) != 2:
        raise ValueError(f"task binary needs two classes, received {_say(facts)}")

    def metrics() -> list[keras.metrics.Metric]:
        import keras  # noqa: PLC0415 - see the module's docstring

        # A logit of 0 is even odds.
        return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]

    scoring = "truefit.evaluation.scoring.classification"
    curves = ("accuracy",)
    return Task(
        "binary", 1, "sigmoid", headline(_rows(facts)), _logistic, metrics, curves, scoring,
        soft_loss=_soft_logistic,
    )  # fmt: skip


def multiclass(*, facts: FactsJSON) -> Task:
    """One of several classes; the prediction is a probability for each.

    Raises:
        ValueError: the target has no classes.
    """
    count = len(_needs(facts, "multiclass", "classes", "classes")["classes"])
    scoring = "truefit.evaluation.scoring.classification"
    curves = ("accuracy",)
    return Task(
        "multiclass", count, "softmax", headline(_rows(facts)), _softmax, _hits, curves, scoring,
        soft_loss=_soft_softmax,
    )  # fmt: skip


def multilabel(*, facts: FactsJSON) -> Task:
    """Any of several labels at once; the prediction is a probability for each.

    Raises:
        ValueError: the target is no table of labels.
    """
    count = len(_needs(facts, "multilabel", "labels", "several 0/1 columns")["labels"])

    def metrics() -> list[keras.metrics.Metric]:
        import keras  # noqa: PLC0415

        return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]

    scoring = "truefit.evaluation.scoring.multilabel"
    curves = ("accuracy",)
    return Task(
        "multilabel", count, "sigmoid", "f1", _logistic, metrics, curves, scoring,
        soft_loss=_soft_logistic,
    )  # fmt: skip


def regression(*, facts: FactsJSON) -> Task:
    """A number; trained on the standardised target, predicted in its own unit.

    Raises:
        ValueError: the target is no number.
    """
    _needs(facts, "regression", "number", "a number")
    scoring = "truefit.evaluation.scoring.regression"
    return Task("regression", 1, "linear", "rmse", _squares, _absolute, ("mae",), scoring)


def ratings(*, facts: FactsJSON) -> Task:
    """The number that a user gives an item; scored as a number and as a ranking.

    Raises:
        ValueError: the rows are no pairs of codes, or the target is no number.
    """
    _needs(facts, "ratings", "number", "a number")
    if len(facts["sizes"] or []) != 2:
        raise ValueError("task ratings needs rows of two codes (user, item): `data: ratings`")
    scoring = "truefit.evaluation.scoring.ratings"
    return Task("ratings", 1, "linear", "ndcg_at_10", _squares, _absolute, ("mae",), scoring)


def reconstruction(*, facts: FactsJSON) -> Task:
    """The row itself, after it has passed through something narrower.

    The loss is the mean squared error in units of the training rows' standard deviation.
    """
    statistics = facts["statistics"]
    if not statistics:
        raise ValueError("task reconstruction needs rows of numbers")

    def loss() -> SoftLoss:
        from keras import ops  # noqa: PLC0415

        def squared_error(y: keras.KerasTensor, predicted: keras.KerasTensor) -> keras.KerasTensor:
            wanted = ops.cast(y, predicted.dtype)
            if facts["normalize"]:
                mean = ops.convert_to_tensor(statistics["mean"], predicted.dtype)
                variance = ops.convert_to_tensor(statistics["variance"], predicted.dtype)
                wanted = (wanted - mean) / ops.sqrt(variance)
            error = ops.square(wanted - predicted)
            return ops.mean(ops.reshape(error, (ops.shape(error)[0], -1)), axis=-1)

        return squared_error

    width, scoring = prod(facts["input_shape"]), "truefit.evaluation.scoring.reconstruction"
    return Task("reconstruction", width, "linear", "loss", loss, list, (), scoring)


def generation(*, facts: FactsJSON, judge: dict[str, object], judge_epochs: int = 10) -> Task:
    """New rows like those of the data; the model brings its own loss.

    Args:
        facts: what dataset.json says.
        judge: the classifier in whose features generated rows are compared with real ones.
        judge_epochs: how long it is trained, in the evaluate stage.

    Raises:
        ValueError: the data have no classes, so nothing can judge.
    """
    del judge, judge_epochs  # read by the scoring
    if not facts["target"].get("classes"):
        raise ValueError(
            "task generation needs data with classes: a classifier judges what is made"
        )
    curves = ("generator_loss", "discriminator_loss")
    width, scoring = prod(facts["input_shape"]), "truefit.evaluation.scoring.generation"
    return Task(
        "generation", width, "linear", "frechet", lambda: None, list, curves, scoring, "images"
    )


def next_token(*, facts: FactsJSON) -> Task:
    """The code that follows at each place; the prediction is a probability for each code.

    Raises:
        ValueError: the rows are no sequences of codes.
    """
    _needs(facts, "next_token", "next", "sequences of codes (`data: text`)")
    count, scoring = facts["sizes"][0], "truefit.evaluation.scoring.next_token"
    curves = ("accuracy",)
    return Task(
        "next_token", count, "softmax", "loss", _softmax, _hits, curves, scoring, "text",
        soft_loss=_soft_softmax,
    )  # fmt: skip


def _needs(facts: FactsJSON, task: str, kind: str, what: str) -> TargetJSON:
    target = facts["target"]
    if target["kind"] != kind:
        raise ValueError(f"task {task} needs {what}, received {_say(facts)}")
    return target


def _rows(facts: FactsJSON) -> list[int]:
    """How many training rows each class has, in the order of their codes."""
    counts = facts["splits"]["train"]["classes"]
    return [counts[name] for name in facts["target"]["classes"]]


def _say(facts: FactsJSON) -> str:
    target = facts["target"]
    named = target.get("classes") or target.get("labels")
    return f"a target of kind {target['kind']!r}" + (f" with {named}" if named else "")


def _logistic() -> keras.losses.Loss:
    import keras  # noqa: PLC0415

    return keras.losses.BinaryCrossentropy(from_logits=True)


def _softmax() -> keras.losses.Loss:
    import keras  # noqa: PLC0415

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _soft_logistic(smoothing: float) -> SoftLoss:
    import keras  # noqa: PLC0415

    return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)  # type: ignore[no-any-return]


def _soft_softmax(smoothing: float) -> SoftLoss:
    import keras  # noqa: PLC0415

    cross_entropy = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing
    )

    def loss(y: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        if len(y.shape) < len(logits.shape):
            y = keras.ops.one_hot(y, logits.shape[-1])
        return cross_entropy(y, logits)

    return loss


def _hits() -> list[keras.metrics.Metric]:
    import keras  # noqa: PLC0415

    return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def _squares() -> keras.losses.Loss:
    import keras  # noqa: PLC0415

    return keras.losses.MeanSquaredError()


def _absolute() -> list[keras.metrics.Metric]:
    import keras  # noqa: PLC0415

    return [keras.metrics.MeanAbsoluteError(name="mae")]
