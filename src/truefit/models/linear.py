"""Linear, logistic and softmax regression."""

from __future__ import annotations

from typing import Annotated

import keras
from annotated_types import Ge


def linear(
    input_shape: tuple[int, ...], num_outputs: int, *, l2: Annotated[float, Ge(0)] = 0.0
) -> keras.Model:
    """One dense layer on the flattened input.

    Args:
        input_shape: of one example.
        num_outputs: units of the linear output.
        l2: weight of the squared kernel in the loss.
    """
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten()(inputs)
    head = keras.layers.Dense(num_outputs, kernel_regularizer=keras.regularizers.L2(l2))
    return keras.Model(inputs, head(flat), name="linear")
