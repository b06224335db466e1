"""Recurrent text classifier."""

from __future__ import annotations

from typing import Annotated

import keras
from annotated_types import Ge, Lt


def text_lstm(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    sizes: list[int],
    embedding: Annotated[int, Ge(1)] = 64,
    units: Annotated[int, Ge(1)] = 64,
    depth: Annotated[int, Ge(1)] = 1,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.5,
    bidirectional: bool = True,
) -> keras.Model:
    """Logits from the last state of `depth` LSTM layers that skip padding and unseen words.

    Args:
        input_shape: (length,), words as integer codes.
        num_outputs: units of the linear output.
        sizes: one number, the codes that exist; 0 stands for padding and unseen words.
        embedding: numbers that stand for one word.
        units: of each LSTM (Hochreiter & Schmidhuber 1997), in each direction.
        depth: recurrent layers, each on the states of the one below.
        dropout: share of the word vectors' and of each layer's outputs left out in training.
        bidirectional: whether a second LSTM reads each text from its end.

    Raises:
        ValueError: the examples are no rows of words.
    """
    if len(input_shape) != 1 or len(sizes) != 1:
        raise ValueError(
            f"model text_lstm needs rows of words (length,), received examples of shape "
            f"{tuple(input_shape)} with code columns {sizes}; data=text_csv gives such rows, "
            "model=mlp takes rows of numbers"
        )
    codes = keras.Input(input_shape, dtype="int32")
    hidden = keras.layers.Embedding(sizes[0], embedding, mask_zero=True)(codes)
    hidden = keras.layers.Dropout(dropout)(hidden)
    for layer in range(depth):
        reader = keras.layers.LSTM(units, return_sequences=layer < depth - 1)
        hidden = (keras.layers.Bidirectional(reader) if bidirectional else reader)(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.Model(codes, keras.layers.Dense(num_outputs)(hidden), name="text_lstm")
