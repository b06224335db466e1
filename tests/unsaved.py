"""Models that train, and are lost once they are saved; reached by `_target_` like any other."""

from __future__ import annotations

from typing import Any

import keras

own = keras.saving.register_keras_serializable("unsaved")


class Bare(keras.layers.Layer):  # type: ignore[misc] # Keras has no stubs
    """Not registered."""

    def call(self, x: Any) -> Any:
        return x + 0.0


class Inner(keras.Model):  # type: ignore[misc]
    """A model by subclassing that is not registered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dense = keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(x)


@own
class Held(keras.layers.Layer):  # type: ignore[misc]
    """Registered, with an argument that is no part of its description."""

    def __init__(self, held: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.held = held

    def call(self, x: Any) -> Any:
        return x + 0.0


@own
class Narrow(keras.layers.Layer):  # type: ignore[misc]
    """Registered, and cannot be made of what Keras writes about it."""

    def __init__(self) -> None:
        super().__init__()

    def call(self, x: Any) -> Any:
        return x + 0.0


@own
class Forgetful(keras.layers.Layer):  # type: ignore[misc]
    """Registered, and its description leaves its only argument out."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())


class Level(keras.initializers.Initializer):  # type: ignore[misc]
    """Not registered."""

    def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
        return keras.ops.ones(shape, dtype)


class Small(keras.regularizers.Regularizer):  # type: ignore[misc]
    """Registered nowhere, and without a description."""

    def __call__(self, x: Any) -> Any:
        return 0.01 * keras.ops.sum(keras.ops.square(x))


def twice(x: Any) -> Any:
    """An activation that is not registered."""
    return 2 * x


def dense(**options: Any) -> Any:
    return keras.layers.Dense(4, **options)


KINDS: dict[str, tuple[Any, str]] = {
    "layer": (Bare, "class Bare is not registered"),
    "model": (Inner, "class Inner is not registered"),
    "argument": (lambda: Held(object()), "Held does not say how it is made"),
    "description": (Narrow, "Narrow"),
    "forgotten": (lambda: Forgetful(2.0), "predicts otherwise once it is loaded"),
    "activation": (lambda: dense(activation=twice), "function twice is not registered"),
    "lambda": (lambda: dense(activation=lambda x: 2 * x), "it has a lambda"),
    "Lambda": (lambda: keras.layers.Lambda(lambda x: 2 * x), "it has a lambda"),
    "initializer": (
        lambda: dense(kernel_initializer=Level()),
        "initializer Level is not registered",
    ),
    "regularizer": (lambda: dense(kernel_regularizer=Small()), "Small does not say how it is made"),
}


def with_part(input_shape: tuple[int, ...], num_outputs: int, *, part: str = "layer") -> Any:
    """A linear model with one of the parts above, or `relu`."""
    made = keras.layers.ReLU() if part == "relu" else KINDS[part][0]()
    inputs = keras.Input(input_shape)
    hidden = made(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden))
