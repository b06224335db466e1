"""Ratings from who rates what: matrix factorisation, features, or both."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import keras
from annotated_types import Ge, Lt

SIDES = ("user", "item")
Tables = list[Any]


@keras.saving.register_keras_serializable("truefit")
class Codes(keras.layers.Layer):  # type: ignore[misc]  # Keras has no stubs
    """A trained vector for each known code; zeros, and nothing trained, for code 0 (unseen)."""

    def __init__(self, size: int, width: int, l2: float, **layer: object) -> None:
        """`size` counts code 0; `l2` is the weight of the squared vectors in the loss."""
        super().__init__(**layer)
        self.size, self.width, self.l2 = size, width, l2

    def build(self, _: object) -> None:
        """A row for each code from 1."""
        self.vectors = self.add_weight(
            shape=(max(1, self.size - 1), self.width),
            initializer=keras.initializers.RandomNormal(stddev=0.05),
            regularizer=keras.regularizers.L2(self.l2),
            name="vectors",
        )

    def call(self, codes: keras.KerasTensor) -> keras.KerasTensor:
        """(rows,) -> (rows, width)."""
        rows = keras.ops.take(self.vectors, keras.ops.maximum(codes - 1, 0), axis=0)
        return rows * keras.ops.expand_dims(keras.ops.cast(codes > 0, rows.dtype), -1)

    def get_config(self) -> dict[str, object]:
        """What `__init__` takes."""
        own = {"size": self.size, "width": self.width, "l2": self.l2}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("truefit")
class Rating(keras.layers.Layer):  # type: ignore[misc]  # Keras has no stubs
    """The mean rating, plus both biases, plus the product of both factors."""

    def build(self, _: object) -> None:
        """The mean over all ratings is learned."""
        self.mean = self.add_weight(shape=(1,), initializer="zeros", name="mean")

    def call(self, sides: keras.KerasTensor) -> keras.KerasTensor:
        """Two (rows, factors + 1), the bias last in each -> (rows, 1)."""
        user, item = sides
        product = keras.ops.sum(user[:, :-1] * item[:, :-1], axis=-1, keepdims=True)
        return self.mean + user[:, -1:] + item[:, -1:] + product


def recommender(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    sizes: list[int],
    tables: Tables | None = None,
    kind: Literal["auto", "collaborative", "content", "together"] = "collaborative",
    factors: Annotated[int, Ge(1)] = 16,
    l2: Annotated[float, Ge(0)] = 3.0e-5,
    depth: Annotated[int, Ge(0)] = 1,
    units: Annotated[int, Ge(1)] = 64,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.2,
) -> keras.Model:
    """Rating = mean + user's bias + item's bias + user's factors x item's factors.

    This is the biased matrix factorisation of Koren, Bell & Volinsky (2009). A code 0 (not seen
    in training) has bias 0 and factors 0, or what its features say.

    Args:
        input_shape: (2,), the codes of user and item.
        num_outputs: 1, the rating.
        sizes: how many codes user and item have, 0 (unseen) among them.
        tables: features of user and of item, a row for each code; `None` where there are none.
        kind: where bias and factors come from: `collaborative`, learned for each code;
            `content`, from the features; `together`, their sum; `auto`, together where there are
            features, else collaborative.
        factors: numbers that describe a user or an item.
        l2: weight of the squared vectors of the codes in the loss.
        depth: dense layers between features and factors.
        units: in each of them.
        dropout: share of their outputs left out in training.

    Raises:
        ValueError: the examples are no pairs of codes, or `kind` needs features that are missing.
    """
    _check(input_shape, num_outputs, sizes)
    if kind == "auto":
        has_features = any(table is not None for table in tables or ())
        kind = "together" if has_features else "collaborative"
    found = _tables(tables, sizes, kind)
    codes = keras.Input(input_shape, dtype="int32")
    both = []
    for column, (side, size) in enumerate(zip(SIDES, sizes, strict=True)):
        code, parts = codes[:, column], []
        if kind != "content":
            parts.append(Codes(size, factors + 1, l2, name=side)(code))
        if side in found:
            hidden = _features(code, found[side], f"{side}_features")
            parts.append(_dense(hidden, depth, units, dropout, factors + 1))
        both.append(keras.layers.Add()(parts) if len(parts) > 1 else parts[0])
    return keras.Model(codes, Rating(name="rating")(both), name="recommender")


def _check(input_shape: tuple[int, ...], num_outputs: int, sizes: list[int]) -> None:
    if tuple(input_shape) != (2,) or len(sizes) != 2:
        raise ValueError(
            f"model recommender needs pairs of codes (user, item), received examples of shape "
            f"{tuple(input_shape)} with code columns {sizes}; data=ratings gives such pairs, "
            "model=mlp takes rows of numbers"
        )
    if num_outputs != 1:
        raise ValueError(
            f"model recommender predicts one number, the rating; the task asks for {num_outputs} "
            "outputs: task=ratings asks for one"
        )


def _tables(tables: Tables | None, sizes: list[int], kind: str) -> dict[str, keras.KerasTensor]:
    """The tables that this kind uses, as tensors, checked."""
    if kind == "collaborative":
        return {}
    pairs = zip(SIDES, tables or (None, None), strict=True)
    given = {side: table for side, table in pairs if table is not None}
    if not given or (kind == "content" and len(given) < len(SIDES)):
        raise ValueError(
            f"model.kind={kind} needs features of users and items, received tables of "
            f"{sorted(given) or 'neither'}: set data.user_features and data.item_features, or "
            "model.kind=collaborative"
        )
    for side, size in zip(SIDES, sizes, strict=True):
        if side in given and len(given[side]) != size:
            raise ValueError(
                f"the table of {side} features has {len(given[side])} rows for {size} codes"
            )
    return {side: keras.ops.convert_to_tensor(table, "float32") for side, table in given.items()}


def _features(code: keras.KerasTensor, table: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Each code's features; the table is a constant weight, so it is saved with the model."""
    lookup = keras.layers.Embedding(*table.shape, trainable=False, name=name)
    features = lookup(code)
    lookup.embeddings.assign(table)
    return features


def _dense(
    hidden: keras.KerasTensor, depth: int, units: int, dropout: float, outputs: int
) -> keras.KerasTensor:
    for _ in range(depth):
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
        hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.layers.Dense(outputs)(hidden)
