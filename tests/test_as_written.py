"""Tables as they are written: no row, name or value is changed on the way in without a word."""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from csv_files import refusal, table, write
from tables import levels, read_table

from truefit.core.prepared.table import fit_coding
from truefit.datasets.checks import Source
from truefit.datasets.frames import csv, text_csv
from truefit.datasets.ratings import ratings
from truefit.datasets.rows import read_rows
from truefit.datasets.target import code_target, doubts_of
from truefit.serving.predict import strange_values


@pytest.mark.parametrize(
    "source", ["csv", "text_csv", "predict", "ratings", "features", "ratings predict"]
)
def test_a_cell_of_many_lines_is_named_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """A quote that is closed lines later is said with its line, blank lines counted too."""
    lines = ["a,said,y", "", *(f"{n},word {n},{n % 2}" for n in range(30))]
    lines[5], lines[25] = '3,"word 3,1', '23,word" 23,1'
    file = write(tmp_path, "\n".join(lines) + "\n")
    who: dict[str, Any] = {"user": "a", "item": "said", "rating": "y"}
    rated = write(tmp_path, "a,said,y\n" + "".join(f"{n},{n},1\n" for n in range(30)), "r.csv")
    read: dict[str, Callable[..., Any]] = {
        "ratings": lambda **more: ratings(path=file, **who, **more)["y"],
        "ratings predict": lambda **more: read_rows(Path(file), who | more),
        "features": lambda **more: ratings(path=rated, user_features=file, **who, **more)["tables"][
            "a"
        ],
        "csv": lambda **more: csv(path=file, target="y", **more)["y"],
        "text_csv": lambda **more: text_csv(path=file, text="said", target="y", **more)["y"],
        "predict": lambda **more: read_rows(Path(file), {"target": "y", **more}),
    }

    assert len(read[source]()) == 10
    said = "".join(capsys.readouterr())
    assert "1 of 10 texts go over several lines" in said
    assert "begins in line 6 and ends in line 26" in said
    assert "data.quote: null" in said
    assert len(read[source](quote=None)) == 30
    assert "several lines" not in "".join(capsys.readouterr())


SHORT = "\n".join(
    ["a,b,r,y", "", *(f"{n},{n + 5},{n % 2}" + ",z" * (n not in {1, 3}) for n in range(30)), ""]
)


@pytest.mark.parametrize("source", ["csv", "text_csv", "predict", "ratings", "features", "rows"])
def test_lines_with_too_few_cells_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """What is filled with missing values is said with its lines, blank ones counted too."""
    file = write(tmp_path, SHORT)
    rated = write(tmp_path, SHORT.replace(",1\n", ",1,z\n"), "r.csv")
    who: dict[str, Any] = {"user": "a", "item": "b", "rating": "r"}
    read: dict[str, Callable[[], Any]] = {
        "csv": lambda: csv(path=file, target="r")["findings"],
        "text_csv": lambda: text_csv(path=file, text="b", target="r")["findings"],
        "predict": lambda: read_rows(Path(file), {}),
        "ratings": lambda: ratings(path=file, **who)["findings"],
        "features": lambda: ratings(path=rated, user_features=file, **who)["findings"],
        "rows": lambda: read_rows(Path(file), who),
    }

    found = read[source]()
    said = " ".join(map(str, found)) if isinstance(found, list) else capsys.readouterr().err

    assert "2 of 30 rows of t.csv have fewer cells than the first line (4)" in said
    assert "lines 4, 6" in said


@pytest.mark.parametrize(
    ("content", "more", "expected"),
    [
        (SHORT.replace("y\n", "y,\n"), {}, 2),
        (SHORT.replace(",", "::"), {"sep": "::"}, 2),
        (SHORT.replace(",", " \t"), {"sep": r"\s+"}, 2),
        (SHORT.replace("a,b,r,y\n", "8,8,0,x\n"), {"header": False, "target": 2}, 2),
        (SHORT.replace(",z", ",").replace("1\n", "1,\n"), {}, 0),
        (SHORT.replace(",y", ",y,").replace(",z", ",z,").replace("1\n", "1,,\n"), {}, 0),
    ],
)
def test_short_lines_are_counted_however_cells_are_separated(
    tmp_path: Path, content: str, more: dict[str, Any], expected: int
) -> None:
    """An empty last cell is a cell, and a separator at the end of the names asks for none."""
    findings = csv(path=write(tmp_path, content), **{"target": "r", **more})["findings"]

    assert [finding.count for finding in findings] == [expected] * (expected > 0)


@pytest.mark.parametrize("rest", ["", "\n" + "8,1\n" * 5])
def test_a_quote_that_is_never_closed_is_named_by_line(tmp_path: Path, rest: str) -> None:
    """The file cannot be read; the message has the line in which the quote begins."""
    file = write(tmp_path, table(10) + '7,"0' + rest)

    message = refusal(csv, path=file, target="y")

    assert "the quote that begins in line 12 is not closed" in message
    rows = 11 + rest.count("8")
    assert len(csv(path=file, target="y", quote=None, types={"y": "category"})["y"]) == rows


def test_a_trailing_separator_makes_no_column_of_texts(tmp_path: Path) -> None:
    """Also where the words of a column are looked up in the file again."""
    file = write(
        tmp_path, table(cap=["None", "", "blue"]).replace("\n", ",\n").replace("y,", "y", 1)
    )

    assert csv(path=file, target="y")["x"]["cap"][:3].fillna("-").tolist() == ["None", "-", "blue"]
    assert text_csv(path=file, text="a", target="cap")["x"]["a"][:2].tolist() == ["0.0", "0.5"]


def test_a_packed_file_is_read_as_the_file_in_it(tmp_path: Path) -> None:
    """Separator, encoding and lines of a .csv.gz are those of its text."""
    content = table(town=["Bern", "Zürich"]).replace(",", ";")
    plain = write(tmp_path, content)
    folder = tmp_path / "packed"
    folder.mkdir()
    packed = write(folder, gzip.compress(content.encode()), "t.csv.gz")

    for path in (packed, str(folder)):
        pd.testing.assert_frame_equal(
            csv(path=path, target="y")["x"], csv(path=plain, target="y")["x"]
        )
    pd.testing.assert_frame_equal(read_table(Path(packed)), read_table(Path(plain)))
    latin = write(folder, gzip.compress(content.encode("latin-1")), "t.csv.gz")
    assert "line 3 holds the byte 0xfc" in refusal(csv, path=latin, target="y")
    for broken in (b"a,y\n", gzip.compress(table(9000).encode())[:-4000]):
        file = write(folder, broken, "t.csv.gz")
        assert "cannot be unpacked" in refusal(csv, path=file, target="y")


@pytest.mark.parametrize(
    ("start", "expected"),
    [(b"\x1f\x8b\x08", ".gz"), (b"PK\x03\x04", "Excel"), (b"PAR1", "data: parquet")],
)
def test_what_is_no_text_is_refused_by_its_kind(
    tmp_path: Path, start: bytes, expected: str
) -> None:
    """A packed file or a workbook that is called .csv is named, not read as letters."""
    message = refusal(csv, path=write(tmp_path, start + b"\x00\xff,\n" * 40), target="y")

    assert "expected a text file" in message
    assert expected in message
    assert "cp1252" not in message


def test_a_letter_of_two_signs_is_the_same_letter(tmp_path: Path) -> None:
    """An ö that a Mac has written in two signs makes no second category, class, or user."""
    one, two = (unicodedata.normalize(form, "Köln") for form in ("NFC", "NFD"))
    x = csv(path=write(tmp_path, table(town=[one, two, "Bern"])), target="y")["x"]
    [_, town] = fit_coding(x, types={"a": "number"})
    folder = tmp_path / "rated"
    folder.mkdir()
    rated = write(folder, f"user_id,item_id,rating\n{one},1,3\n{two},2,4\n")
    codes, target = code_target({"x": x, "y": [one, two, "Bern", "Bern"]}, "classes")

    assert levels(town) == ["Bern", one]
    assert list(strange_values(pd.DataFrame({"town": [two]}), [town])) == []
    [user, _] = fit_coding(ratings(path=rated)["x"], types={"user_id": "code", "item_id": "code"})
    assert levels(user) == [one]
    assert target.classes == ["Bern", one]
    assert codes.tolist() == [1, 1, 0, 0]


def test_classes_that_differ_in_capitals_are_said() -> None:
    """They stay classes of their own, as Python has them."""
    y = ["Yes", "yes", "no", "maybe"] * 5

    source: Source = {"x": [[0]] * 20, "y": y}
    codes, target = code_target(source, "classes")

    assert target.classes == ["Yes", "maybe", "no", "yes"]
    [said] = doubts_of(source, "classes", codes, target)
    assert str(said).startswith("2 of 4 classes of the target look alike")
    assert "('Yes', 'yes')" in said.what
    plain: Source = {"x": [[0]] * 4, "y": ["yes", "no", "no", "yes"]}
    assert doubts_of(plain, "classes", *code_target(plain, "classes")) == []


def decimals(folder: Path, *rows: tuple[str, str]) -> str:
    lines = [f"{one};{other};{n % 2}" for n, (one, other) in enumerate(rows * 5)]
    return write(folder, "\n".join(["euro;dollar;y", *lines]) + "\n")


@pytest.mark.parametrize("decimal", [".", ","])
def test_columns_may_differ_in_their_decimal_sign(tmp_path: Path, decimal: Any) -> None:
    """The message has the setting for both columns, and it reads them."""
    file = decimals(tmp_path, ("7,5", "1.5"), ("1,665", "2.25"), ("2,0", "3"))

    assert "`data.decimal: {euro: ','}`" in refusal(csv, path=file, target="y", decimal=decimal)

    frame = csv(path=file, target="y", decimal={"euro": ","})["x"]
    assert frame["euro"].tolist()[:3] == [7.5, 1.665, 2.0]
    assert frame["dollar"].tolist()[:3] == [1.5, 2.25, 3.0]
    rows = read_table(Path(file), decimal={"euro": ","})
    pd.testing.assert_frame_equal(rows[["euro", "dollar"]], frame)


@pytest.mark.parametrize("decimal", [".", ","])
def test_two_decimal_signs_in_one_column_end_in_one_message(tmp_path: Path, decimal: Any) -> None:
    """No setting reads them, so none is named but that which keeps texts."""
    file = decimals(tmp_path, ("7,5", "1"), ("1.5", "2"))

    message = refusal(csv, path=file, target="y", decimal=decimal)

    assert "'7,5'" in message
    assert "'1.5'" in message
    assert "write them alike in the file" in message
    assert "data.decimal" not in message


def test_groups_of_thousands_are_strict(tmp_path: Path) -> None:
    """`thousands: ','` makes no 75 of 7,5; both columns can be read."""
    file = decimals(tmp_path, ("7,5", "1,665"), ("16,25", "12,000"))

    assert "decimal: {euro: ','}" in refusal(csv, path=file, target="y", thousands=",")

    frame = csv(path=file, target="y", thousands=",", decimal={"euro": ","})["x"]
    assert frame["euro"].tolist()[:2] == [7.5, 16.25]
    assert frame["dollar"].tolist()[:2] == [1665, 12000]
