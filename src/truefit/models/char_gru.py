"""Recurrent language model over characters."""

from __future__ import annotations

from typing import Annotated

import keras
from annotated_types import Ge, Lt


def char_gru(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    sizes: list[int],
    embedding: Annotated[int, Ge(1)] = 64,
    units: Annotated[int, Ge(1)] = 256,
    depth: Annotated[int, Ge(1)] = 1,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.2,
) -> keras.Model:
    """Logits (length, `num_outputs`) for the character after each place of a window.

    The state starts at zero in every window, so a place knows what stands before it there.

    Args:
        input_shape: (length,), characters as integer codes.
        num_outputs: characters that can follow.
        sizes: one number, the codes that exist, 0 (unseen) among them.
        embedding: numbers that stand for one character.
        units: of each gated recurrent layer (Cho et al. 2014).
        depth: recurrent layers, each on the states of the one below.
        dropout: share of each layer's outputs left out in training (Zaremba et al. 2014).

    Raises:
        ValueError: the examples are no windows of codes.
    """
    if len(input_shape) != 1 or len(sizes) != 1:
        raise ValueError(
            f"model char_gru needs windows of characters (length,), received examples of shape "
            f"{tuple(input_shape)} with code columns {sizes}; data=text gives such windows"
        )
    codes = keras.Input(input_shape, dtype="int32")
    hidden = keras.layers.Embedding(sizes[0], embedding)(codes)
    for _ in range(depth):
        hidden = keras.layers.GRU(units, return_sequences=True)(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.Model(codes, keras.layers.Dense(num_outputs)(hidden), name="char_gru")
