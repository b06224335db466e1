"""Small convolutional network for images."""

from __future__ import annotations

from typing import Annotated

import keras
from annotated_types import Ge, Lt


def cnn(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    depth: Annotated[int, Ge(1)] = 2,
    filters: Annotated[int, Ge(1)] = 16,
    units: Annotated[int, Ge(1)] = 64,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
) -> keras.Model:
    """`depth` blocks of 3 x 3 convolution and pooling, a dense layer, and a linear output.

    Args:
        input_shape: (height, width, channels).
        num_outputs: units of the linear output.
        depth: blocks; each halves the image and doubles the filters.
        filters: of the first block.
        units: of the dense layer.
        dropout: share of its units left out in training.

    Raises:
        ValueError: the input is no image, or too small for `depth` halvings.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"model cnn needs images (height, width, channels), received examples of shape "
            f"{tuple(input_shape)}; model=mlp takes any"
        )
    if min(input_shape[:2]) < 2**depth:
        raise ValueError(
            f"model.depth={depth} halves an image of {input_shape[0]} x {input_shape[1]} below one "
            "pixel: lower model.depth and its range"
        )
    inputs = keras.Input(input_shape)
    hidden = inputs
    for block in range(depth):
        hidden = keras.layers.Conv2D(filters * 2**block, 3, padding="same", activation="relu")(
            hidden
        )
        hidden = keras.layers.MaxPooling2D()(hidden)
    hidden = keras.layers.Dense(units, activation="relu")(keras.layers.Flatten()(hidden))
    hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden), name="cnn")
