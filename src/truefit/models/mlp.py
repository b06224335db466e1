"""Multi-layer perceptron."""

from __future__ import annotations

from typing import Annotated, Literal

import keras
from annotated_types import Ge, Lt


def mlp(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    depth: Annotated[int, Ge(0)] = 2,
    units: Annotated[int, Ge(1)] = 64,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    activation: Literal["relu", "gelu", "silu", "tanh", "elu"] = "relu",
) -> keras.Model:
    """`depth` dense layers of `units`, each followed by dropout, and a linear output.

    Args:
        input_shape: of one example; images are flattened.
        num_outputs: units of the linear output.
        depth: hidden layers.
        units: in each of them.
        dropout: share of units left out in training (Srivastava et al. 2014).
        activation: of the hidden layers.
    """
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Flatten()(inputs)
    for _ in range(depth):
        hidden = keras.layers.Dense(units, activation=activation)(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden), name="mlp")
