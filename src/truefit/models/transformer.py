"""Small Transformers (Vaswani et al. 2017): a language model and a text classifier."""

from __future__ import annotations

from typing import Annotated

import keras
from annotated_types import Ge, Lt


@keras.saving.register_keras_serializable("truefit")
class Positions(keras.layers.Layer):  # type: ignore[misc]  # Keras has no stubs
    """Adds a learned vector for each place in the sequence."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        """One vector per place of (rows, length, width)."""
        self.places = self.add_weight(
            shape=tuple(input_shape[1:]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="places",
        )

    def call(self, vectors: keras.KerasTensor) -> keras.KerasTensor:
        """The same shape, each vector moved by its place's."""
        return vectors + self.places


def char_transformer(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    sizes: list[int],
    width: Annotated[int, Ge(1)] = 128,
    heads: Annotated[int, Ge(1)] = 4,
    depth: Annotated[int, Ge(1)] = 4,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
) -> keras.Model:
    """Logits (length, `num_outputs`) for the character after each place of a window.

    A place attends to itself and to what stands before it in its window, never to what follows.

    Args:
        input_shape: (length,), characters as integer codes.
        num_outputs: characters that can follow.
        sizes: one number, the codes that exist, 0 (unseen) among them.
        width: numbers that stand for one place; a multiple of `heads`.
        heads: of each attention layer.
        depth: blocks of attention and two dense layers, normalised before (Xiong et al. 2020).
        dropout: share left out in training, of attention weights and of each part's outputs.

    Raises:
        ValueError: the examples are no windows of codes, or `heads` does not divide `width`.
    """
    _check("char_transformer", "data=text", input_shape, sizes, width, heads)
    codes = keras.Input(input_shape, dtype="int32")
    hidden = _vectors(codes, sizes[0], width, dropout)
    for _ in range(depth):
        hidden = _block(hidden, heads, dropout, causal=True)
    hidden = keras.layers.LayerNormalization()(hidden)
    outputs = keras.layers.Dense(num_outputs)(hidden)
    return keras.Model(codes, outputs, name="char_transformer")


def text_transformer(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    sizes: list[int],
    width: Annotated[int, Ge(1)] = 64,
    heads: Annotated[int, Ge(1)] = 4,
    depth: Annotated[int, Ge(1)] = 1,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.3,
) -> keras.Model:
    """Logits from the mean over a text's words, after `depth` blocks of attention among them.

    Args:
        input_shape: (length,), words as integer codes.
        num_outputs: units of the linear output.
        sizes: one number, the codes that exist; 0 stands for padding and unseen words, which
            are neither attended to nor averaged.
        width: numbers that stand for one word; a multiple of `heads`.
        heads: of each attention layer.
        depth: blocks of attention and two dense layers, normalised before (Xiong et al. 2020).
        dropout: share left out in training, of attention weights and of each part's outputs.

    Raises:
        ValueError: the examples are no rows of words, or `heads` does not divide `width`.
    """
    _check("text_transformer", "data=text_csv", input_shape, sizes, width, heads)
    codes = keras.Input(input_shape, dtype="int32")
    known = keras.ops.not_equal(codes, 0)
    hidden = _vectors(codes, sizes[0], width, dropout)
    for _ in range(depth):
        hidden = _block(hidden, heads, dropout, known=known)
    hidden = keras.layers.LayerNormalization()(hidden)
    hidden = keras.layers.Dropout(dropout)(_mean(hidden, known))
    outputs = keras.layers.Dense(num_outputs)(hidden)
    return keras.Model(codes, outputs, name="text_transformer")


def _check(
    model: str, data: str, input_shape: tuple[int, ...], sizes: list[int], width: int, heads: int
) -> None:
    if len(input_shape) != 1 or len(sizes) != 1:
        raise ValueError(
            f"model {model} needs rows of codes (length,), received examples of shape "
            f"{tuple(input_shape)} with code columns {sizes}; {data} gives such rows"
        )
    if width % heads:
        raise ValueError(
            f"model.heads={heads} does not divide model.width={width}: each head takes an equal "
            "share of the width"
        )


def _vectors(codes: keras.KerasTensor, size: int, width: int, dropout: float) -> keras.KerasTensor:
    """(rows, length) -> (rows, length, width): what stands at a place, and which place it is."""
    small = keras.initializers.RandomNormal(stddev=0.02)
    vectors = keras.layers.Embedding(size, width, embeddings_initializer=small)(codes)
    return keras.layers.Dropout(dropout)(Positions()(vectors))


def _block(
    hidden: keras.KerasTensor,
    heads: int,
    dropout: float,
    *,
    causal: bool = False,
    known: keras.KerasTensor | None = None,
) -> keras.KerasTensor:
    """Attention, then two dense layers, each added to what it was given."""
    width = hidden.shape[-1]
    attention = keras.layers.MultiHeadAttention(heads, width // heads, dropout=dropout)
    mask = None if known is None else keras.ops.expand_dims(known, 1)
    normal = keras.layers.LayerNormalization()(hidden)
    attended = attention(normal, normal, attention_mask=mask, use_causal_mask=causal)
    hidden = hidden + keras.layers.Dropout(dropout)(attended)
    normal = keras.layers.LayerNormalization()(hidden)
    inner = keras.layers.Dense(4 * width, activation="gelu")(normal)
    return hidden + keras.layers.Dropout(dropout)(keras.layers.Dense(width)(inner))


def _mean(hidden: keras.KerasTensor, known: keras.KerasTensor) -> keras.KerasTensor:
    """The mean over known words; zeros, not NaN, for a text that has none."""
    weight = keras.ops.expand_dims(keras.ops.cast(known, hidden.dtype), -1)
    count = keras.ops.maximum(keras.ops.sum(weight, axis=1), 1.0)
    return keras.ops.sum(hidden * weight, axis=1) / count
