"""Words and marks that stand for a missing value, or for themselves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from csv_files import table, write
from tables import read_table

from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.rows import read_rows


@pytest.mark.parametrize("source", ["csv", "text_csv"])
def test_none_is_a_class_and_a_category(tmp_path: Path, source: str) -> None:
    """Among texts the word None is a value; among numbers it is a missing one."""
    file = write(tmp_path, table(cap=["None", "red", "", "blue"], n=["1.5", "None"], y=[1, 2]))
    file = file if source == "csv" else write(tmp_path, "cap,n\nred,a\nNone,b\nblue,a\n")

    if source == "text_csv":
        assert text_csv(path=file, text="n", target="cap")["y"].tolist() == ["red", "None", "blue"]
        return
    frame = csv(path=file, target="y")["x"]
    assert frame["cap"][:4].fillna("(missing)").tolist() == ["None", "red", "(missing)", "blue"]
    assert frame["n"].sum() == 30
    assert csv(path=file, target="cap", missing_target="drop")["y"].unique().tolist() == [
        "None", "red", "blue"
    ]  # fmt: skip


def test_words_that_count_as_missing_may_be_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Among texts NA counts as missing, which is said with the setting that keeps it."""
    file = write(tmp_path, table(land=["NA", "EU"], n=["1.5", "NA"]))

    assert csv(path=file, target="y")["x"]["land"].isna().sum() == 20
    assert "20 of 40 values of 'land' are 'NA'" in (said := capsys.readouterr().out)
    assert "data.keep_default_na: false" in said
    frame = csv(path=file, target="y", keep_default_na=False)["x"]
    assert set(frame["land"]) == {"NA", "EU"}
    assert frame["n"].isna().sum() == 20
    rows = read_rows(Path(file), {"keep_default_na": False})
    assert set(rows["land"]) == {"NA", "EU"}


def test_a_prediction_sees_the_word_none(tmp_path: Path) -> None:
    """Also where it is the only word of a column, as in a file of one row."""
    rows = read_rows(Path(write(tmp_path, "cap,n\nNone,1\n")), {})

    assert rows["cap"].tolist() == ["None"]


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["+", "-", "0"], ["+", "-", "0"]),
        (["-", "1"], ["-", "1"]),
        (["?", "0", "1"], [0, 1]),
        (["--", "1.5", "2.5", "3.5"], [1.5, 2.5, 3.5]),
    ],
)
def test_marks_may_be_the_classes_of_texts(
    tmp_path: Path, values: list[str], classes: list[Any]
) -> None:
    """Marks beside numbers are missing only if they are usual, and leave something to learn."""
    lines = [f"word{n},{values[n % len(values)]}" for n in range(40)]
    file = write(tmp_path, "\n".join(["text,y", *lines]) + "\n")

    y = text_csv(path=file, text="text", target="y", missing_target="drop")["y"]

    assert sorted(y.unique()) == classes


@pytest.mark.parametrize("share", [2, 5, 50])
@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_numbers_with_marks_are_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], share: int, source: str
) -> None:
    """However many are `?`, they count as missing, as is said; no spelling becomes a level."""
    texts = ["?" if n % share == 0 else f"{n}.00" for n in range(100)]
    frame = pd.DataFrame({"a": range(100), "price": texts, "y": [n % 2 for n in range(100)]})
    file = tmp_path / f"t.{source}"
    frame.to_csv(file, index=False) if source == "csv" else frame.to_parquet(file)

    x = {"csv": csv, "parquet": parquet}[source](path=str(file), target="y")["x"]

    assert x["price"].dtype == "float64"
    assert x["price"].isna().sum() == 100 // share
    said = f"{100 // share} of 100 values of 'price' are no numbers and count as missing"
    assert said in capsys.readouterr().out


def test_numbers_with_many_words_are_a_category_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words in a third of the cells may be levels; the note has both ways to make them missing."""
    file = write(tmp_path, table(n=["1", "2", "3+"]))

    assert csv(path=file, target="y")["x"]["n"].tolist()[:3] == ["1", "2", "3+"]
    said = capsys.readouterr().out
    assert "so it is taken for a category" in said
    assert "data.na_values: ['3+']" in said
    assert csv(path=file, target="y", types={"n": "number"})["x"]["n"].isna().sum() == 13
    assert csv(path=file, target="y", na_values=["3+"])["x"]["n"].isna().sum() == 13


def test_a_target_with_a_mark_is_missing(tmp_path: Path) -> None:
    """What is said to count as missing is left out with `missing_target: drop`."""
    file = write(tmp_path, table(mpg=[*map(str, range(39)), "?"]))

    y = csv(path=file, target="mpg", missing_target="drop")["y"]

    assert y.tolist() == list(range(39))


@pytest.mark.parametrize("source", ["csv", "parquet", "text_csv"])
def test_words_for_missing_are_set_in_every_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """`na_values` and `missing_target` mean the same whatever file holds the table."""
    labels = ["a", "b", "unknown", "a", "b"] * 8
    frame = pd.DataFrame(
        {"n": [-999, *range(39)], "s": ["none given", *"xyz" * 13], "t": "some text", "y": labels}
    )
    file = str(tmp_path / ("t.parquet" if source == "parquet" else "t.csv"))
    frame.to_parquet(file) if source == "parquet" else frame.to_csv(file, index=False)
    na_values = ["unknown", "none given", "-999"]
    read: dict[str, Callable[..., Any]] = {
        "csv": partial(csv, path=file, target="y", na_values=na_values),
        "parquet": partial(parquet, path=file, target="y", na_values=na_values),
        "text_csv": partial(text_csv, path=file, text="t", target="y", na_values=na_values),
    }

    assert read[source]()["y"].isna().sum() == 8
    kept = read[source](missing_target="drop")
    assert "8 of 40 rows are left out: they have no target" in capsys.readouterr().out
    assert kept["y"].tolist() == [label for label in labels if label != "unknown"]
    assert kept["lines"](np.array([2])) == [3 if source == "parquet" else 5]
    if source != "text_csv":
        assert kept["x"][["n", "s"]].isna().sum().tolist() == [1, 1]
        rows = read_table(Path(file), na_values=na_values)
        assert rows[["n", "s"]].isna().sum().tolist() == [1, 1]


def test_targets_of_texts_may_be_words_for_missing(tmp_path: Path) -> None:
    """The note on NA names a setting that texts have too."""
    file = write(tmp_path, "t,y\nsome text,NA\nother text,EU\n")

    assert text_csv(path=file, text="t", target="y", keep_default_na=False)["y"].tolist() == [
        "NA", "EU"
    ]  # fmt: skip
