"""A model that takes rows as they came: a table with its texts, missing values and categories."""

from __future__ import annotations

from typing import TypedDict

import keras
import numpy as np
import pandas as pd

from truefit.core.prepared.coding import Coding, is_words
from truefit.core.prepared.columns import as_categories, as_levels
from truefit.core.prepared.table import apply_coding

UNSEEN = "\ufffe"  # Keras needs a name for what is in no training row; no text has this character
PIECE = 65_536  # rows that are coded at a time


class RawRowsConfig(TypedDict):
    """What Keras writes of the model; `core` as Keras' own serialisation has it."""

    core: dict[str, object]
    columns: list[Coding]
    name: str


@keras.saving.register_keras_serializable("truefit")
class RawRows(keras.Model):  # type: ignore[misc] # Keras has no stubs
    """`core` behind the look-up of categories, codes, words and characters that training used.

    `predict` takes a DataFrame, a dictionary of columns, or for a single column the list of its
    values, on every backend. Called as a layer it takes rows that are coded already.
    """

    def __init__(self, core: keras.Model, columns: list[Coding], **options: object) -> None:
        """`core` takes coded rows; `columns` is what dataset.json says of them."""
        super().__init__(**options)
        self.core, self.columns = core, columns
        self.layers_of = {c["name"]: _layer(c, core) for c in columns}
        self.built = True  # the core is, and nothing else has weights

    def predict(self, x: object, **options: object) -> np.ndarray:
        """The predictions for raw rows; options as of `keras.Model.predict`.

        Raises:
            ValueError: a column is missing; the message says which were expected.
        """
        predicted: np.ndarray = self.core.predict(self.encode(x), **options)
        return predicted

    def call(self, rows: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """The core's output for coded rows."""
        return self.core(rows, training=training)

    def encode(self, x: object) -> np.ndarray:
        """The codes or features of raw rows: what the core was trained on."""
        frame = self._frame(x)
        pieces = [frame[start : start + PIECE] for start in range(0, max(1, len(frame)), PIECE)]
        return np.concatenate([self._encode(piece) for piece in pieces])

    def _encode(self, frame: pd.DataFrame) -> np.ndarray:
        parts = [self._column(frame[[column["name"]]], column) for column in self._used()]
        return np.concatenate(parts, axis=1)

    def _column(self, frame: pd.DataFrame, column: Coding) -> np.ndarray:
        layer = self.layers_of[column["name"]]
        if layer is None:
            return apply_coding(frame, [column])
        values = frame[column["name"]]
        as_texts = as_categories if column["kind"] == "category" else as_levels
        texts = as_texts(values).mask(values.isna(), "").to_numpy(dtype=object)
        looked_up = np.array(keras.ops.convert_to_numpy(layer(texts.astype(str))))
        looked_up = looked_up.reshape(len(frame), -1)
        if column["kind"] == "category":  # unknown stands first in Keras and last in the features
            looked_up[values.isna()] = np.eye(looked_up.shape[1])[0]
            return np.asarray(np.roll(looked_up, -1, axis=1), np.float32)
        looked_up[values.isna()] = 0
        return np.asarray(looked_up, np.int32)

    def _frame(self, x: object) -> pd.DataFrame:
        names = [column["name"] for column in self._used()]
        if isinstance(x, dict):
            x = pd.DataFrame(x)
        if not isinstance(x, pd.DataFrame):
            values = np.asarray(x, dtype=object)
            x = pd.DataFrame(values.reshape(len(values), -1), columns=names)
        x = x.rename(columns=str)
        if missing := [name for name in names if name not in x]:
            raise ValueError(f"expected the columns {', '.join(names)}; {missing[0]!r} is missing")
        named: pd.DataFrame = x
        return named

    def _used(self) -> list[Coding]:
        return [column for column in self.columns if column["kind"] != "drop"]

    def get_config(self) -> RawRowsConfig:
        """What makes the same model again."""
        core = keras.saving.serialize_keras_object(self.core)
        return {"core": core, "columns": self.columns, "name": self.name}

    @classmethod
    def from_config(cls, config: RawRowsConfig, custom_objects: object = None) -> RawRows:
        """The model that `get_config` described."""
        core = keras.saving.deserialize_keras_object(config["core"], custom_objects)
        return cls(core, config["columns"], name=config["name"])


def _layer(column: Coding, core: keras.Model) -> keras.Layer | None:
    """Keras' look-up for a column, with the codes that the training rows were given."""
    if column["kind"] == "category":
        return _string_lookup(column["levels"], "one_hot")
    if column["kind"] == "code":
        return _string_lookup(column["levels"], "int")
    if is_words(column):
        words = column["kind"] == "text"
        return keras.layers.TextVectorization(
            vocabulary=column["levels"],
            standardize="lower_and_strip_punctuation" if words else None,
            split="whitespace" if words else "character",
            output_sequence_length=core.input_shape[1],
        )
    return None


def _string_lookup(levels: list[str], mode: str) -> keras.Layer:
    return keras.layers.StringLookup(vocabulary=levels, output_mode=mode, oov_token=UNSEEN)
