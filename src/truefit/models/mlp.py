"""Multi-layer perceptron."""

from __future__ import annotations

from typing import Annotated, Literal

import keras
from annotated_types import Ge, Gt, Le, Lt


def mlp(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    depth: Annotated[int, Ge(0)] = 2,
    units: Annotated[int, Ge(1)] = 64,
    taper: Annotated[float, Gt(0), Le(1)] = 1.0,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    activation: Literal["relu", "gelu", "silu", "tanh", "elu"] = "relu",
) -> keras.Model:
    """`depth` dense layers, the first of `units`, each followed by dropout, and a linear output.

    Args:
        input_shape: of one example; images are flattened.
        num_outputs: units of the linear output.
        depth: hidden layers.
        units: of the first of them.
        taper: factor from each to the next: 64 units and 0.5 give 64, 32, 16.
        dropout: share of units left out in training (Srivastava et al. 2014).
        activation: of the hidden layers.
    """
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Flatten()(inputs)
    for layer in range(depth):
        width = max(1, round(units * taper**layer))
        hidden = keras.layers.Dense(width, activation=activation)(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden), name="mlp")
