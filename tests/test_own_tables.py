"""What an own function returns is read by the rules that tables in files have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from truefit.datasets.checks import Source
from truefit.datasets.frames import csv, text_csv
from truefit.datasets.npz import npz
from truefit.datasets.rows import read_rows
from truefit.datasets.source import check_source
from truefit.datasets.target import code_target, doubts_of

ROWS = 60
NUMBERS = [str(n % 9) if n % 4 else ["?", "33.00", "33"][n // 4 % 3] for n in range(ROWS)]
MIXED = [n % 9 if n % 4 else "?" for n in range(ROWS)]
BLANKS = [["a", "a ", " b"][n % 3] for n in range(ROWS)]


def returned(**columns: Any) -> Source:
    x = pd.DataFrame({"n": np.arange(ROWS) / 2, **columns})
    return check_source({"x": x, "y": [0, 1] * (ROWS // 2)}, "mine.load")


@pytest.mark.parametrize("column", [NUMBERS, MIXED, BLANKS, pd.Categorical(BLANKS)])
def test_a_frame_is_read_as_the_same_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: Any
) -> None:
    """Marks, spellings of numbers and blanks mean the same; notes differ in the way out alone."""
    x = returned(c=column)["x"]
    said = capsys.readouterr().out
    x.assign(c=column, y=[0, 1] * (ROWS // 2)).to_csv(tmp_path / "t.csv", index=False)

    read = csv(path=str(tmp_path / "t.csv"), target="y")["x"]

    assert "data." not in said
    assert said.partition(";")[0].strip() == capsys.readouterr().out.partition(";")[0].strip()
    pd.testing.assert_frame_equal(x, read, check_dtype=False)


def test_rows_of_joined_frames_may_share_a_name() -> None:
    """`pd.concat` repeats the index of its frames; the rows stay in their order."""
    half = pd.DataFrame({"n": [str(n) for n in range(ROWS // 2)], "y": ["a", "b"] * (ROWS // 4)})
    whole = pd.concat([half, half])

    checked = check_source({"x": whole[["n"]], "y": whole["y"]}, "mine.load")

    assert checked["x"]["n"].tolist() == [*range(ROWS // 2)] * 2
    assert code_target(checked, "auto")[0].tolist() == [0, 1] * (ROWS // 2)


def test_a_column_may_be_called_self(tmp_path: Path) -> None:
    """A name that Python's methods use is a name as any other, in each way to read a table."""
    texts = ["1,5", "2,5", "3,5"] * (ROWS // 3)
    frame = pd.DataFrame({"said": ["so it is"] * ROWS, "self": texts})
    frame.to_csv(file := tmp_path / "t.csv", index=False, sep=";")
    numbers = [1.5, 2.5, 3.5] * (ROWS // 3)

    read = text_csv(path=str(file), text="said", target="self", sep=";", decimal=",")
    rows = read_rows(file, {"sep": ";", "decimal": ","})

    assert read["y"].tolist() == numbers
    assert rows["self"].tolist() == numbers
    assert returned(self=[text[0] for text in texts])["x"]["self"][:3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("column", "kind", "said"),
    [
        (["?", "1"] * 30, "category", "keeps them"),
        (["7:05", "8:10"] * 30, "category", "keeps them as they are"),
        (["$5", "$7"] * 30, "category", "if they are none"),
        (["007", "010"] * 30, "number", "takes them as numbers"),
        ([*map(str, range(45)), *["low"] * 15], "number", "if they mean that a value is missing"),
    ],
)
def test_a_note_on_an_own_table_has_the_line_that_the_function_returns(
    capsys: pytest.CaptureFixture[str], column: list[str], kind: str, said: str
) -> None:
    """No setting of files, which the function has not; the line settles what is asked."""
    returned(c=column)

    line = f'`"coding": {{"types": {{"c": "{kind}"}}}}` in what mine.load returns {said}'
    assert line in (shown := capsys.readouterr().out)
    assert "data." not in shown


def test_texts_that_are_looked_up_stay_as_they_are() -> None:
    """Codes and texts are no numbers, and an empty text is none that is missing."""
    x = pd.DataFrame({"said": ["7 ", "", "8"] * 20})
    coding = {"types": {"said": "text"}}

    checked = check_source({"x": x, "y": [0, 1] * 30, "coding": coding}, "mine.load")

    assert checked["x"]["said"][:3].tolist() == ["7 ", "", "8"]


def test_a_type_that_is_asked_for_keeps_texts() -> None:
    """`types` of an own function mean what those of a table do."""
    x, y = pd.DataFrame({"n": range(ROWS), "c": ["1", "2"] * 30}), [0, 1] * 30

    kept = check_source({"x": x, "y": y, "coding": {"types": {"c": "category"}}}, "mine.load")

    assert kept["x"]["c"].tolist() == ["1", "2"] * 30
    with pytest.raises(ValueError, match=r"mine.load: the type number is set, and none of"):
        check_source(
            {"x": x.assign(c="low"), "y": y, "coding": {"types": {"c": "number"}}}, "mine.load"
        )


@pytest.mark.parametrize("as_category", [False, True])
def test_blanks_around_a_class_make_no_other_class(tmp_path: Path, *, as_category: bool) -> None:
    """Whatever holds them, `a` and `a ` are one class."""
    y = pd.Categorical(BLANKS) if as_category else np.array(BLANKS)
    np.savez(tmp_path / "t.npz", x=np.zeros((ROWS, 2)), y=np.array(BLANKS))

    own: Source = {"x": np.zeros((ROWS, 2)), "y": y}

    for source in (own, npz(path=str(tmp_path / "t.npz"))):
        assert code_target(source, "auto")[1].classes == ["a", "b"]


def test_an_empty_class_is_missing() -> None:
    """Blanks alone name no class; the rows are named."""
    with pytest.raises(ValueError, match=r"missing in 20 of 60 rows \(rows 1, 4, "):
        code_target({"x": np.zeros((ROWS, 2)), "y": np.array(["a", "  ", "b"] * 20)}, "auto")


def test_a_blank_is_a_class_among_characters() -> None:
    """Where every label is one character, a space is one as well, and an empty one is missing."""
    x = np.zeros((ROWS, 2))

    assert code_target({"x": x, "y": np.array([" ", "a", "b"] * 20)}, "auto")[1].classes == [
        " ", "a", "b"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="missing in 20 of 60 rows"):
        code_target({"x": x, "y": np.array(["", "a", " "] * 20)}, "auto")


def test_labels_that_blanks_alone_tell_apart_are_named() -> None:
    """They become one class, which may not be what was meant."""
    source: Source = {"x": np.zeros((ROWS, 2)), "y": np.array(["aa", "aa ", "b"] * 20)}

    [finding] = doubts_of(source, "auto", *code_target(source, "auto"))

    assert str(finding).startswith(
        "2 of 3 labels of the target differ in the blanks around them alone ('aa', 'aa ')"
    )


@pytest.mark.parametrize("name", ["x", "y"])
def test_a_masked_array_does_not_lose_its_mask(name: str) -> None:
    """What NumPy hides would be learned from; a mask that hides nothing changes nothing."""
    numbers = {"x": np.arange(2.0 * ROWS).reshape(ROWS, 2), "y": np.arange(ROWS) % 2}
    values: Any = numbers[name]

    with pytest.raises(ValueError, match=rf"mine.load: \d+ of \d+ values of {name} are masked"):
        check_source(numbers | {name: np.ma.MaskedArray(values, values < 1)}, "mine.load")

    nothing = np.ma.MaskedArray(values, np.zeros(values.shape, bool))
    checked: Any = check_source(numbers | {name: nothing}, "mine.load")
    assert np.asarray(checked[name]).tolist() == values.tolist()
