"""Models of the user's own whose output no task can use, refused before they are trained."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import sections
from conftest import dataset_json
from keras import layers, ops

from truefit.core.prepared.facts import Facts
from truefit.training.building import build, predictor
from truefit.training.survival import lost_by_saving

own = keras.saving.register_keras_serializable("test_outputs")
SHAPE = (5,)


def facts(kind: str = "classes") -> Facts:
    target = {"kind": kind, "scale": 2.0, "mean": 1.0}
    return dataset_json(input_shape=list(SHAPE), normalize=False, target=target)


def built(
    monkeypatch: pytest.MonkeyPatch, body: Callable[..., Any], kind: str = "classes", width: int = 3
) -> Any:
    monkeypatch.setattr("truefit.training.building.target", lambda *_: body)
    config = sections.config(model={"_target_": "mine.body"}, packages=["mine"])
    task: Any = SimpleNamespace(name="some", num_outputs=width, activation="linear")
    return predictor(build(config, facts(kind), task, {}), facts(kind), task)


def ends(make: Callable[[Any, int], Any]) -> Callable[..., Any]:
    """A model that ends as `make` says of the hidden layer and the number of outputs."""

    def body(input_shape: tuple[int, ...], num_outputs: int) -> keras.Model:
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, make(layers.Dense(4)(inputs), num_outputs))

    return body


@pytest.mark.parametrize("kind", ["classes", "number", "labels"])
@pytest.mark.parametrize(
    "make",
    [
        lambda hidden, n: layers.Dense(n + 4)(hidden),
        lambda hidden, n: layers.Dense(n - 1)(hidden),
        lambda hidden, n: layers.Dense(n)(layers.Reshape((4, 1))(hidden)),
        lambda hidden, n: layers.Reshape((1, n))(layers.Dense(n)(hidden)),
        lambda hidden, n: {"out": layers.Dense(n)(hidden)},
        lambda hidden, n: [layers.Dense(n)(hidden), layers.Dense(2)(hidden)],
    ],
)
def test_an_output_of_another_shape_is_refused(
    monkeypatch: pytest.MonkeyPatch, make: Any, kind: str
) -> None:
    """Losses stretch targets over it, and the training ends well with the wrong thing learned."""
    with pytest.raises(ValueError, match=r"mine\.body: expected one output of shape \(None, 3\)"):
        built(monkeypatch, ends(make), kind)


def test_several_inputs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is one array: Keras would ask for a dictionary, which nobody can give it here."""

    def body(input_shape: tuple[int, ...], num_outputs: int) -> keras.Model:
        inputs = [keras.Input(input_shape), keras.Input(input_shape)]
        return keras.Model(inputs, layers.Dense(num_outputs)(layers.Concatenate()(inputs)))

    with pytest.raises(ValueError, match=r"mine\.body: expected one input .* received 2 inputs"):
        built(monkeypatch, body)


def test_what_is_no_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function without `return` gives None."""
    with pytest.raises(ValueError, match=r"expected that it returns a keras\.Model, received None"):
        built(monkeypatch, lambda **_: None)


@pytest.mark.parametrize(
    "make",
    [
        lambda hidden, n: layers.Dense(n, activation="softmax")(hidden),
        lambda hidden, n: layers.Dense(n, activation="sigmoid")(hidden),
        lambda hidden, n: layers.Dense(n, activation="relu")(hidden),
        lambda hidden, n: layers.Activation("tanh")(layers.Dense(n)(hidden)),
        lambda hidden, n: layers.Softmax()(layers.Dense(n)(hidden)),
        lambda hidden, n: ops.softmax(layers.Dense(n)(hidden)),
        lambda hidden, n: keras.Sequential([layers.Dense(n, activation="softmax")])(hidden),
    ],
)
@pytest.mark.parametrize("kind", ["classes", "number"])
def test_an_output_that_is_not_linear_is_refused(
    monkeypatch: pytest.MonkeyPatch, make: Any, kind: str
) -> None:
    """The task has its own softmax: of two, classes are never sure; numbers have no end."""
    with pytest.raises(ValueError, match="expected a linear output"):
        built(monkeypatch, ends(make), kind)


def test_other_linear_models_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer, a Sequential without a shape and a model with an activation inside are fine."""
    for body in (
        lambda input_shape, num_outputs: layers.Dense(num_outputs),  # noqa: ARG005
        lambda input_shape, num_outputs: keras.Sequential([layers.Dense(num_outputs)]),  # noqa: ARG005
        ends(lambda hidden, n: layers.Dense(n)(layers.Activation("softmax")(hidden))),
    ):
        assert built(monkeypatch, body).output_shape == (None, 3)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["classes", "number"])
def test_predictions_are_float32(monkeypatch: pytest.MonkeyPatch, policy: str, kind: str) -> None:
    """Whatever a model computes in: a table, a score and NumPy know no bfloat16."""
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        model = built(monkeypatch, ends(lambda hidden, n: layers.Dense(n)(hidden)), kind)
    finally:
        keras.config.set_dtype_policy(before)

    assert model.predict(np.ones((2, *SHAPE), np.float32), verbose=0).dtype == np.float32


@own
class Noisy(layers.Layer):  # type: ignore[misc] # Keras has no stubs
    """Dropout that does not ask whether it trains."""

    def call(self, x: Any) -> Any:
        return x * keras.random.uniform(ops.shape(x))


@own
class Counting(layers.Layer):  # type: ignore[misc]
    """A state that each call changes."""

    def build(self, _: Any) -> None:
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        self.calls.assign_add(1.0)
        return x / self.calls


@own
class Batch(layers.Layer):  # type: ignore[misc]
    """A normalisation by the batch that does not ask whether it trains."""

    def call(self, x: Any) -> Any:
        return x - ops.mean(x, axis=0, keepdims=True)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Noisy, "otherwise the second time"),
        (Counting, "otherwise the second time"),
        (Batch, "without the rows beside it"),
    ],
)
def test_an_answer_that_hangs_on_more_than_its_row_is_refused(layer: Any, expected: str) -> None:
    """Such a score cannot be had twice, and the message has what the layer does."""
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, layers.Dense(3)(layer()(inputs)))
    rows = np.random.default_rng(0).standard_normal((8, *SHAPE)).astype(np.float32)

    assert expected in lost_by_saving(model, rows)


def test_keras_own_layers_for_training_are_not_refused() -> None:
    """Dropout, noise and batch normalisation ask whether they train."""
    inputs = keras.Input(SHAPE)
    hidden = layers.GaussianNoise(1.0)(layers.Dropout(0.5)(layers.BatchNormalization()(inputs)))
    model = keras.Model(inputs, layers.Dense(3)(hidden))
    rows = np.random.default_rng(0).standard_normal((8, *SHAPE)).astype(np.float32)

    assert lost_by_saving(model, rows) == ""


@own
class Head(layers.Layer):  # type: ignore[misc]
    """A hidden part with an activation, and a linear end."""

    def __init__(self, width: int, **named: Any) -> None:
        super().__init__(**named)
        self.width, self.activation = width, keras.activations.relu
        self.inside, self.end = layers.Dense(4), layers.Dense(width)

    def call(self, rows: Any) -> Any:
        return self.end(self.activation(self.inside(rows)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


def test_an_own_layer_may_hold_an_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does with it is its own affair: its output is linear."""
    model = built(monkeypatch, ends(lambda hidden, n: Head(n)(hidden)))

    assert model.output_shape == (None, 3)
