"""`truefit predict`: what a trained model says of rows in a file."""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from truefit.core.allowed import is_importable
from truefit.core.backend import import_keras, set_environment
from truefit.core.errors import UserError, plain
from truefit.core.files import replacing, write_text
from truefit.core.paths import PREPARED, TRAIN
from truefit.core.prepared.coding import Coding, Words, is_words
from truefit.core.prepared.columns import as_categories, as_numbers
from truefit.core.prepared.facts import Target
from truefit.core.prepared.findings import few_of
from truefit.core.prepared.folder import read_facts
from truefit.core.prepared.table import words_of
from truefit.core.resolved import load
from truefit.datasets.layouts import Layout
from truefit.datasets.quantities import refuse_other_signs
from truefit.datasets.rows import Rows, read_rows
from truefit.tracking.models import fetch_model
from truefit.tracking.registry import CHAMPION, address, model_name
from truefit.training.saved import load_saved, modules_of

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config

NOT_A_TABLE = (
    "a model of running text says how likely each character is at each place, which is no line of "
    'a table: `truefit generate "A beginning"` continues a text; `--output FILE.npy` takes the '
    "probabilities for the texts of a table's column"
)
# Names a registered model's version or alias, a logged model, or a run's model.
ADDRESS = re.compile(r"models:/[^/@]+([/@][^/@]+)?|runs:/[^/]+/.+")


def predict(file: Path, model: str, output: Path | None) -> str:
    """Predict the rows of `file`; a CSV, or nothing where `output` takes them.

    Args:
        file: as `datasets.rows.read_rows` takes it.
        model: `here` (outputs/train), `champion`, or MLflow's address of a model (`models:/...`,
            `runs:/RUN_ID/model`).
        output: a .csv or .npy file.

    Raises:
        UserError: the rows cannot be read or do not fit the model, or there is no such model.
    """
    config = load()
    if output and output.suffix not in (".csv", ".npy"):
        raise UserError(f"--output: expected a .csv or .npy file, received {output}")
    as_table = not (output and output.suffix == ".npy")
    if as_table and config["task"]["target"] == "next" and file.suffix.lower() == ".txt":
        raise UserError(f"{file}: {NOT_A_TABLE}")
    try:
        rows = read_rows(file, config["data"])
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    loaded, target = load_trained(config, model)
    if as_table and target.kind == "next":
        raise UserError(NOT_A_TABLE)
    try:
        refuse_other_signs(rows, getattr(loaded, "columns", []), Layout.of(config["data"]))
        predicted = np.asarray(loaded.predict(_fitting(rows, loaded), verbose=0))
    except (ValueError, TypeError) as error:
        raise UserError(f"{file} does not fit the model: {error}") from error
    if as_table and predicted.ndim > 2:
        raise UserError(
            f"a prediction has the shape {predicted.shape[1:]}, which is no line of a table: "
            "`--output FILE.npy` takes it"
        )
    text = str(as_frame(predicted, target).to_csv(index=False)) if as_table else ""
    if not output:
        return text
    try:
        if as_table:
            write_text(output, text)
        else:
            _save(output, predicted)
    except OSError as error:
        raise UserError(f"--output: {output} cannot be written: {error.strerror}") from None
    return ""


def as_frame(predicted: np.ndarray, target: Target) -> pd.DataFrame:
    """A line for each row: `prediction`, and the probability of each class or label as `p_NAME`.

    Args:
        predicted: (rows, outputs); of two classes the probability of the second alone.
        target: what they are of.
    """
    predicted = predicted.reshape(len(predicted), -1)
    if target.kind == "classes":
        names = np.array(target.classes)
        if predicted.shape[1] == 1:
            predicted = np.concatenate([1 - predicted, predicted], axis=1)
        frame = pd.DataFrame(predicted, columns=[f"p_{name}" for name in names])
        frame.insert(0, "prediction", names[predicted.argmax(axis=1)])
        return frame
    if target.kind == "labels":
        return pd.DataFrame(predicted, columns=[f"p_{name}" for name in target.labels])
    count = predicted.shape[1]
    outputs = ["prediction"] if count == 1 else [f"output_{number}" for number in range(count)]
    return pd.DataFrame(predicted, columns=outputs)


def load_trained(config: Config, model: str) -> tuple[keras.Model, Target]:
    """The model that `predict` names so, and what its output means.

    Raises:
        UserError: there is no such model, or it cannot be loaded in Keras' safe mode.
    """
    set_environment(config["backend"], config["runtime"]["device"])
    if model == "here":
        if not (TRAIN / "model.keras").exists():
            raise UserError(f"there is no {TRAIN}/model.keras yet: run `dvc repro`")
        target = read_facts(PREPARED).target
        return _read(config, TRAIN / "model.keras", modules_of(config)), target
    if model == CHAMPION:
        model = address(model_name(config))
    if not ADDRESS.fullmatch(model):
        raise UserError(
            f"--model: expected `here`, `{CHAMPION}`, or an address of MLflow's such as "
            f"`models:/NAME/1` or `runs:/RUN_ID/model`, received {model!r}"
        )
    with tempfile.TemporaryDirectory(prefix="truefit-model-") as place:
        fetched = fetch_model(model, Path(place))
        return _read(config, fetched.file, fetched.modules), fetched.target


def _read(config: Config, file: Path, modules: list[str]) -> keras.Model:
    """In Keras' safe mode; code is imported from packages that the configuration names alone."""
    import_keras()
    for module in modules:
        if not is_importable(module, config["packages"]):
            raise UserError(
                f"the model needs {module}: add its package to `packages` in conf/config.yaml if "
                "you trust it"
            )
        importlib.import_module(module)
    try:
        return load_saved(file)
    except ValueError as error:
        raise UserError(f"the model cannot be loaded in safe mode: {error}") from error


def _fitting(rows: Rows, model: keras.Model) -> Rows:
    """Arrays in the shape of the model's input, where they hold as many numbers a row."""
    if isinstance(rows, pd.DataFrame):
        if not hasattr(model, "core"):
            return rows.to_numpy(np.float32)
        for strange in few_of([*strange_values(rows, model.columns)], "more columns have some"):
            print(f"note: {plain(strange)}", file=sys.stderr)
        return rows
    shape = tuple(getattr(model, "core", model).input_shape[1:])
    if None not in shape and rows.shape[1:] != shape:
        if np.prod(rows.shape[1:]) != np.prod(shape):
            raise ValueError(f"expected rows of shape {shape}, received {rows.shape[1:]}")
        rows = rows.reshape(len(rows), *shape)
    return rows


def strange_values(frame: pd.DataFrame, columns: list[Coding]) -> Iterator[str]:
    """What of the rows the model cannot know; `columns` are those of dataset.json."""
    for column in columns:
        if column["name"] not in frame:
            continue
        values = frame[column["name"]]
        what = "were in no training row"
        if column["kind"] == "number":
            numbers = as_numbers(values, force=True)
            strange = values[values.notna() & (numbers is None or numbers.isna())]
            what = "are no numbers and count as missing"
        elif column["kind"] == "category":
            strange = _no_level(values, column["levels"])
            if column.get("rare"):
                count = len(column["levels"])
                what += f", or are rarer than the {count} categories with a code of their own"
        elif column["kind"] == "code":
            strange = _no_level(values, column["levels"][: column["trained"]])
        elif is_words(column):
            yield from _strange_texts(values, column)
            continue
        else:
            continue
        if len(strange):
            yield (
                f"{len(strange)} of {len(values)} values of {column['name']!r} {what}, such as "
                f"{strange.iloc[:1].tolist()[0]!r:.40}"  # a number as Python writes it
            )


def _strange_texts(texts: pd.Series, column: Words) -> Iterator[str]:
    """How many texts the model sees nothing of, or not all; they are predicted all the same."""
    unit, length = "word" if column["kind"] == "text" else "character", column["length"]
    cut_up: Callable[[str], list[str]] = words_of if column["kind"] == "text" else list
    parts = [cut_up(text) for text in texts.astype(str)]
    known = {*column["levels"]}
    counts = {
        f"hold no {unit}, and are predicted all the same": sum(not part for part in parts),
        f"hold no {unit} that the model knows": sum(
            bool(part) and known.isdisjoint(part[:length]) for part in parts
        ),
        f"are longer than {length} {unit}s and are cut": sum(len(part) > length for part in parts),
    }
    for what, count in counts.items():
        if count:
            yield f"{count} of {len(parts)} texts of {column['name']!r} {what}"


def _no_level(values: pd.Series, levels: list[str]) -> pd.Series:
    """The values, but for missing ones, that are none of the levels."""
    return values[values.notna() & ~as_categories(values).isin(levels)]


def _save(output: Path, predicted: np.ndarray) -> None:
    with replacing(output) as building, building.open("wb") as file:
        np.save(file, predicted)
