"""Numbers, texts and rows of other people's files: read as they are meant, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from truefit.core.prepared.coding import Coding
from truefit.core.prepared.table import fit_coding
from truefit.datasets.frames import csv, text_csv
from truefit.serving.predict import strange_values


def write(folder: Path, values: list[str], separator: str = ";", encoding: str = "utf-8") -> str:
    """A file of prices, and of a target."""
    lines = [f"{value}{separator}{number % 2}" for number, value in enumerate(values)]
    file = folder / "t.csv"
    file.write_text(f"price{separator}y\n" + "\n".join(lines) + "\n", encoding=encoding)
    return str(file)


@pytest.mark.parametrize(
    ("values", "settings", "said", "mended"),
    [
        (["775", "1,665", "12,000"], {}, "data.thousands: ','", {"thousands": ","}),
        (
            ["7,5", "1.665", "2,5"],
            {"decimal": ","},
            "set `data.thousands: '.'` if these are numbers",
            {"decimal": ",", "thousands": "."},
        ),
        (["7,5", "16,65", "1,0"], {}, "data.decimal: ','", {"decimal": ","}),
        (
            ["775", "1.665", "980"],
            {"decimal": ","},
            "set `data.thousands: '.'` if these are numbers",
            {"decimal": ",", "thousands": "."},
        ),
        (
            ["1.200,50", "999,00", "3.000.000,10"],
            {},
            "`data.thousands: '.'` and `data.decimal: ','`",
            {"decimal": ",", "thousands": "."},
        ),
        (["1'200", "3'400", "500"], {}, 'data.thousands: "\'"', {"thousands": "'"}),
    ],
)
def test_numbers_with_other_signs_are_refused_by_name(
    tmp_path: Path, values: list[str], settings: Any, said: str, mended: Any
) -> None:
    """No sign for thousands or decimals is misread; the setting that is named reads them."""
    file = write(tmp_path, values * 4)

    with pytest.raises(ValueError, match="'price' holds") as refusal:
        csv(path=file, target="y", **settings)
    assert said in str(refusal.value)

    read = csv(path=file, target="y", **mended)["x"]["price"]
    assert pd.api.types.is_numeric_dtype(read)
    assert read.max() == max(
        float(v.replace("'", "").replace(".", "").replace(",", "." if "decimal" in mended else ""))
        for v in values
    )
    kept = csv(path=file, target="y", types={"price": "category"})["x"]["price"]
    assert str(kept.tolist()[1]) == values[1]


def test_points_and_exponents_are_numbers_as_they_are(tmp_path: Path) -> None:
    """Plain numbers pass, and texts that only look a little like numbers stay texts."""
    assert csv(path=write(tmp_path, ["1.5", "2e3", "-7"]), target="y")["x"]["price"].max() == 2000
    dates = ["2024-01-05", "5.11.2024", "1,2,3"] * 3
    assert csv(path=write(tmp_path, dates), target="y")["x"]["price"].tolist() == dates


def test_values_that_are_no_numbers_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Few texts among numbers count as missing, which is said."""
    csv(path=write(tmp_path, ["1.5"] * 30 + ["much"]), target="y")

    assert "1 of 31 values of 'price' are no numbers" in capsys.readouterr().out


def test_rows_without_a_target_are_left_out_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `missing_target: drop`, and their number is said."""
    (tmp_path / "t.csv").write_text("a,y\n1,0\n2,\n3,1\n")

    source = csv(path=str(tmp_path / "t.csv"), target="y", missing_target="drop")

    assert source["x"]["a"].tolist() == [1, 3]
    assert source["y"].tolist() == [0, 1]
    assert "1 of 3 rows are left out" in capsys.readouterr().out


def test_quotes_may_be_part_of_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A quote that begins a text and does not end swallows rows; `quote: null` reads each."""
    file = tmp_path / "t.csv"
    file.write_text('1\t"so he said\n0\tfine\n1\tand" he went\n0\twell\n')
    common: dict[str, Any] = {"text": "1", "target": "0", "sep": "\t", "header": False}

    text_csv(path=str(file), **common)
    assert "1 of 2 texts go over several lines" in capsys.readouterr().out
    source = text_csv(path=str(file), **common, quote=None)
    assert source["x"]["1"].tolist() == ['"so he said', "fine", 'and" he went', "well"]
    assert source["y"].tolist() == [1, 0, 1, 0]


def test_another_encoding_can_be_named(tmp_path: Path) -> None:
    """cp1252 reads what UTF-8 refuses; one that is not known is refused."""
    file = write(tmp_path, ["Zürich", "Genève"] * 5, encoding="cp1252")

    assert csv(path=file, target="y", encoding="cp1252")["x"]["price"][0] == "Zürich"
    with pytest.raises(ValueError, match="unknown encoding"):
        csv(path=file, target="y", encoding="utf-x")


@pytest.mark.parametrize("sep", [None, ";", r"\s*;\s*"])
@pytest.mark.parametrize(
    ("encoding", "why"), [("utf-88", "unknown encoding"), ("utf-16", "does not start with BOM")]
)
def test_a_wrong_encoding_is_refused_with_the_way_out(
    tmp_path: Path, sep: str | None, encoding: str, why: str
) -> None:
    """Whether or not a separator is set, the message has the file, the setting and the reason."""
    file = write(tmp_path, ["Bern", "Basel"] * 5)

    with pytest.raises(
        ValueError, match=rf"`data.encoding: {encoding}`: .*{why}.*; leave it out"
    ) as refused:
        csv(path=file, target="y", sep=sep, encoding=encoding)

    assert str(refused.value).startswith(file)


def test_a_single_column_needs_no_separator(tmp_path: Path) -> None:
    """Commas in the texts of a file of one column are part of them."""
    (tmp_path / "t.csv").write_text("said\nyes, of course\nno\n")

    assert csv(path=str(tmp_path / "t.csv"), target=None)["x"]["said"][0] == "yes, of course"


def test_a_prediction_says_what_the_model_does_not_know() -> None:
    """Texts where numbers were learned, and categories that were never seen."""
    columns: list[Coding] = [
        {"name": "age", "kind": "number", "fill": 1.0, "indicator": False},
        {"name": "town", "kind": "category", "levels": ["Bern"]},
        {"name": "id", "kind": "drop", "why": "id-like"},
    ]
    frame = pd.DataFrame({"age": ["7", "many", None], "town": ["Bern", "Ulm", "Ulm"]})

    assert list(strange_values(frame, columns)) == [
        "1 of 3 values of 'age' are no numbers and count as missing, such as 'many'",
        "2 of 3 values of 'town' were in no training row, such as 'Ulm'",
    ]


def test_a_prediction_does_not_take_a_rare_category_for_an_unseen_one() -> None:
    """Beyond `max_categories` a category was in training rows and has no code of its own."""
    train = pd.DataFrame({"town": [*["Bern"] * 9, *["Chur"] * 8, *["Genf"] * 7, "Ulm"]})
    frame = pd.DataFrame({"town": ["Bern", "Ulm"]})
    few, all_of_them = (
        fit_coding(train, types={"town": "category"}, max_categories=most) for most in (4, 5)
    )

    [said] = strange_values(frame, few)
    assert "no training row, or are rarer than the 3 categories with a code of their own" in said
    assert list(strange_values(frame, all_of_them)) == []
    assert list(strange_values(frame.replace("Ulm", "Rom"), all_of_them)) == [
        "1 of 2 values of 'town' were in no training row, such as 'Rom'"
    ]
