"""Stacked LSTM for sequences of numbers, and for images row by row."""

from __future__ import annotations

from typing import Annotated

import keras
from annotated_types import Ge, Lt


def lstm(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    depth: Annotated[int, Ge(1)] = 2,
    units: Annotated[int, Ge(1)] = 50,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
) -> keras.Model:
    """`depth` LSTM layers (Hochreiter & Schmidhuber 1997) and a linear output from the last step.

    Args:
        input_shape: (steps, features), or (height, width, channels): an image is `height` steps
            of width x channels numbers.
        num_outputs: units of the linear output.
        depth: LSTM layers.
        units: in each of them.
        dropout: share of the units left out in training after each of them.

    Raises:
        ValueError: the input is neither a sequence nor an image.
    """
    inputs = keras.Input(input_shape)
    hidden = _steps(inputs)
    for layer in range(depth):
        hidden = keras.layers.LSTM(units, return_sequences=layer < depth - 1)(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden), name="lstm")


def _steps(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """`inputs` as (steps, features)."""
    shape = tuple(inputs.shape[1:])
    if len(shape) == 2:
        return inputs
    if len(shape) == 3:
        return keras.layers.Reshape((shape[0], shape[1] * shape[2]))(inputs)
    raise ValueError(
        f"model lstm needs sequences (steps, features) or images (height, width, channels), "
        f"received examples of shape {shape}; model=mlp takes any"
    )
