"""Dense autoencoder, denoising on request."""

from __future__ import annotations

from typing import Annotated, Literal

import keras
from annotated_types import Ge, Lt


def autoencoder(
    input_shape: tuple[int, ...],
    num_outputs: int,  # noqa: ARG001 - every model is called with it
    *,
    depth: Annotated[int, Ge(0)] = 1,
    units: Annotated[int, Ge(1)] = 256,
    bottleneck: Annotated[int, Ge(1)] = 32,
    noise: Annotated[float, Ge(0)] = 0.0,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    activation: Literal["relu", "gelu", "silu", "tanh", "elu"] = "relu",
) -> keras.Model:
    """Encoder, a linear layer named `bottleneck`, and a decoder that gives the input back.

    Args:
        input_shape: of one example, and of the output, which is in the input's (normalised) units.
        num_outputs: not used: the output is as large as the input.
        depth: hidden layers of the encoder, and as many of the decoder.
        units: in each of them.
        bottleneck: numbers that one example is reduced to.
        noise: standard deviation of the noise added to the input in training, in the input's
            (normalised) units (denoising, Vincent et al. 2008).
        dropout: share of the hidden units left out in training.
        activation: of the hidden layers.
    """
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten()(inputs)
    hidden = keras.layers.GaussianNoise(noise)(flat) if noise else flat
    hidden = _dense(hidden, depth, units, dropout, activation)
    code = keras.layers.Dense(bottleneck, name="bottleneck")(hidden)
    hidden = _dense(code, depth, units, dropout, activation)
    outputs = keras.layers.Reshape(input_shape)(keras.layers.Dense(flat.shape[-1])(hidden))
    return keras.Model(inputs, outputs, name="autoencoder")


def _dense(
    hidden: keras.KerasTensor, depth: int, units: int, dropout: float, activation: str
) -> keras.KerasTensor:
    for _ in range(depth):
        hidden = keras.layers.Dense(units, activation=activation)(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    return hidden
