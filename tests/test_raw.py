"""The saved model takes rows as they came, and codes them as training did."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import dataset_json, run
from hypothesis import given, settings
from hypothesis import strategies as st

from truefit.core.prepared.coding import Coding
from truefit.core.prepared.table import apply_coding, fit_coding, sizes
from truefit.tracking.models import save_model
from truefit.training.raw import RawRows

pytestmark = pytest.mark.slow
TRAIN = pd.DataFrame(
    {
        "age": [31.0, None, 45.0, 28.0] * 10,
        "city": ["Bern", "Rom", None, "Bern"] * 10,
        "rooms": [1, None, 2, 1] * 10,
        "constant": "x",
    }
)
CODING = fit_coding(TRAIN, types={"city": "category", "rooms": "category"})
TEXTS = pd.DataFrame({"text": ["A cat, a dog!", "the cat's  tail", "dog\tdog dog dog dog"] * 3})


def raw_model(coding: list[Coding], width: int) -> RawRows:
    inputs = keras.Input((width,), dtype="int32" if sizes(coding) else "float32")
    hidden = keras.ops.cast(inputs, "float32")
    return RawRows(keras.Model(inputs, keras.layers.Dense(2)(hidden)), coding, name="m")


TABLE = raw_model(CODING, 8)
WORDS = raw_model(fit_coding(TEXTS, types={"text": "text"}, length=4), 4)
characters = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=False, width=32),
            st.none() | st.sampled_from(["Bern", "Rom", "Oslo", "bern", ""]),
            st.none() | st.integers(0, 3),
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(deadline=None, max_examples=60)
def test_a_table_is_coded_as_in_training(
    rows: list[tuple[float | None, str | None, int | None]],
) -> None:
    """Missing numbers, unseen and missing categories: layers and preprocessing say the same.

    Whole numbers have the same code whether others of the column are missing or not.
    """
    frame = pd.DataFrame(rows, columns=["age", "city", "rooms"])
    frame = frame.astype({"age": float, "city": object})
    frame["constant"] = "y"

    coded = TABLE.encode(frame)

    assert coded.dtype == np.float32
    assert np.array_equal(coded, apply_coding(frame, CODING))
    places = {1: 0, 2: 1}
    assert [row[5:].argmax() for row in coded] == [places.get(row[2] or 0, 2) for row in rows]


@given(st.lists(characters, min_size=1, max_size=6))
@settings(deadline=None, max_examples=150)
def test_words_are_coded_as_in_training(texts: list[str]) -> None:
    """Any text gives the same words and codes in Keras' layer as in preprocessing."""
    assert np.array_equal(
        WORDS.encode(texts), apply_coding(pd.DataFrame({"text": texts}), WORDS.columns)
    )


@given(st.lists(characters, min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_characters_are_coded_as_in_training(texts: list[str]) -> None:
    """A language model reads all but the last character of a window; shorter texts are padded."""
    coding = fit_coding(pd.DataFrame({"text": ["abc é ", "xyzäb "]}), types={"text": "characters"})
    model = raw_model(coding, 5)

    coded = model.encode(texts)

    assert np.array_equal(coded, apply_coding(pd.DataFrame({"text": texts}), coding)[:, :-1])


def test_a_saved_model_takes_a_frame_a_dictionary_or_a_list(tmp_path: Path) -> None:
    """Loaded in safe mode it predicts the same, in whatever form the raw rows come."""
    TABLE.save(tmp_path / "table.keras")
    WORDS.save(tmp_path / "words.keras")
    table = keras.saving.load_model(tmp_path / "table.keras", safe_mode=True)
    words = keras.saving.load_model(tmp_path / "words.keras", safe_mode=True)

    expected = TABLE.predict(TRAIN, verbose=0)
    again = table.predict(
        {name: TRAIN[name].tolist() for name in ("city", "rooms", "age")}, verbose=0
    )
    texts = words.predict(TEXTS["text"].tolist(), verbose=0)

    assert np.array_equal(expected, again)
    assert np.array_equal(texts, WORDS.predict(TEXTS, verbose=0))
    with pytest.raises(
        ValueError, match="expected the columns age, city, rooms; 'city' is missing"
    ):
        table.predict({"age": [3.0]})


def test_mlflow_loads_it_with_the_code_beside_it(tmp_path: Path) -> None:
    """In another process, `mlflow.pyfunc` predicts raw rows of a table as the model does."""
    save_model(
        TABLE,
        dataset_json(columns=CODING),
        tmp_path / "model",
        ["truefit.training.raw"],
    )
    code = (
        "import sys, json, mlflow, pandas\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "rows = pandas.DataFrame({'age': [31, 40], 'city': ['Rom', 'Oslo'], 'rooms': [1, 7]})\n"
        "print(json.dumps(model.predict(rows).tolist()))\n"
    )

    done = run(sys.executable, "-c", code, str(tmp_path / "model"), cwd=tmp_path)

    rows = pd.DataFrame({"age": [31, 40], "city": ["Rom", "Oslo"], "rooms": [1, 7]})
    assert done.returncode == 0, done.stderr
    assert np.allclose(json.loads(done.stdout.splitlines()[-1]), TABLE.predict(rows, verbose=0))
