"""Tables as they are written: no row, name or value is changed on the way in without a word."""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from truefit.core.prepared.table import fit_coding
from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.ratings import ratings
from truefit.datasets.rows import read_rows
from truefit.datasets.target import code_target, doubts_of
from truefit.serving.predict import strange_values


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> str:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name)


def table(rows: int = 40, **columns: list[Any]) -> str:
    """A CSV with a column of numbers, those given (repeated), and a target of two classes."""
    given = {
        name: [values[n % len(values)] for n in range(rows)] for name, values in columns.items()
    }
    frame = {"a": [n * 0.5 for n in range(rows)], **given, "y": [n % 2 for n in range(rows)]}
    lines = [
        ",".join(frame),
        *(",".join(map(str, row)) for row in zip(*frame.values(), strict=True)),
    ]
    return "\n".join(lines) + "\n"


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ValueError, match=r".") as refused:
        call(**arguments)
    return str(refused.value)


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


def test_a_trailing_separator_makes_no_column_of_texts(tmp_path: Path) -> None:
    """Also where the words of a column are looked up in the file again."""
    file = write(
        tmp_path, table(cap=["None", "", "blue"]).replace("\n", ",\n").replace("y,", "y", 1)
    )

    assert csv(path=file, target="y")["x"]["cap"][:3].fillna("-").tolist() == ["None", "-", "blue"]
    assert text_csv(path=file, text="a", target="cap")["x"]["a"][:2].tolist() == ["0.0", "0.5"]


@pytest.mark.parametrize("header", ["a,a,y", "a, a ,y", '"a",a,y'])
@pytest.mark.parametrize("source", ["csv", "text_csv", "parquet", "index", "predict"])
def test_a_name_that_stands_twice_is_refused(tmp_path: Path, header: str, source: str) -> None:
    """No column is renamed, whatever reads it; blanks around a name are no part of it."""
    file = write(tmp_path, header + "\n" + "".join(f"{n},{-n},{n % 2}\n" for n in range(9)))
    if source in ("parquet", "index"):
        names = ["a", "a "] if source == "parquet" else ["a", "b"]
        frame = pd.DataFrame({names[0]: [1.0, 2, 3], names[1]: [3.0, 2, 1], "y": [0, 1, 0]})
        if source == "index":
            frame.index.name = "a "
        file = str(tmp_path / "t.parquet")
        frame.to_parquet(file)
    calls: dict[str, Callable[[], Any]] = {
        "csv": lambda: csv(path=file, target="y"),
        "text_csv": lambda: text_csv(path=file, text="a", target="y"),
        "parquet": lambda: parquet(path=file, target="y"),
        "index": lambda: parquet(path=file, target="y"),
        "predict": lambda: read_rows(Path(file), {}),
    }

    message = refusal(calls[source])

    assert "the column name 'a' occurs twice; rename one" in message
    assert file in message


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
    pd.testing.assert_frame_equal(read_rows(Path(packed), {}), read_rows(Path(plain), {}))
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
        rows = read_rows(Path(file), {"na_values": na_values})
        assert rows[["n", "s"]].isna().sum().tolist() == [1, 1]


def test_targets_of_texts_may_be_words_for_missing(tmp_path: Path) -> None:
    """The note on NA names a setting that texts have too."""
    file = write(tmp_path, "t,y\nsome text,NA\nother text,EU\n")

    assert text_csv(path=file, text="t", target="y", keep_default_na=False)["y"].tolist() == [
        "NA", "EU"
    ]  # fmt: skip


def test_a_letter_of_two_signs_is_the_same_letter(tmp_path: Path) -> None:
    """An ö that a Mac has written in two signs makes no second category, class, or user."""
    one, two = (unicodedata.normalize(form, "Köln") for form in ("NFC", "NFD"))
    x = csv(path=write(tmp_path, table(town=[one, two, "Bern"])), target="y")["x"]
    [_, town] = fit_coding(x, types={"a": "number"})
    folder = tmp_path / "rated"
    folder.mkdir()
    rated = write(folder, f"user_id,item_id,rating\n{one},1,3\n{two},2,4\n")
    codes, target = code_target({"x": x, "y": [one, two, "Bern", "Bern"]}, "classes")

    assert town["levels"] == ["Bern", one]
    assert list(strange_values(pd.DataFrame({"town": [two]}), [town])) == []
    [user, _] = fit_coding(ratings(path=rated)["x"], types={"user_id": "code", "item_id": "code"})
    assert user["levels"] == [one]
    assert target.classes == ["Bern", one]
    assert codes.tolist() == [1, 1, 0, 0]


def test_classes_that_differ_in_capitals_are_said() -> None:
    """They stay classes of their own, as Python has them."""
    y = ["Yes", "yes", "no", "maybe"] * 5

    codes, target = code_target({"x": [[0]] * 20, "y": y}, "classes")

    assert target.classes == ["Yes", "maybe", "no", "yes"]
    [said] = doubts_of({}, "classes", codes, target)
    assert str(said).startswith("2 of 4 classes of the target differ in small and capital letters")
    assert "('Yes', 'yes')" in said.what
    plain = code_target({"x": [[0]] * 4, "y": ["yes", "no", "no", "yes"]}, "classes")
    assert doubts_of({}, "classes", *plain) == []


ADULT = (
    "39, State-gov, 77516, 13, Male, 2174, <=50K\n50, Private, 83311, 13, Female, 0, >50K\n"
    "38, Private, 215646, 9, Male, 0, <=50K\n53, State-gov, 234721, 7, ?, 0, >50K\n"
)


@pytest.mark.parametrize(
    ("content", "target"),
    [
        (ADULT * 5, "<=50K"),
        (ADULT * 5, "income"),
        ("5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n6.3,3.3,6.0,2.5,other\n" * 3, "setosa"),
        ("6,148,72,1\n1,85,66,0\n" * 9, "1"),
        ("-0.5,1e3,1\n0.5,2e3,0\n" * 9, "1"),
        ("sunny,hot,yes\nrainy,mild,no\n" * 9, "yes"),
    ],
)
def test_a_first_line_that_is_a_row_is_refused(tmp_path: Path, content: str, target: str) -> None:
    """No row is lost to names such as 39; the setting that is named reads all of them."""
    file = write(tmp_path, content)

    assert "`data.header: false`" in refusal(csv, path=file, target=target)

    last = content.splitlines()[0].count(",")
    assert len(csv(path=file, target=last, header=False)["y"]) == content.count("\n")


@pytest.mark.parametrize(
    "header", ["age,male,y", "0,1,2", "2019,2020,2021", "1990,2000,2005", "name,male,x", ",a,y"]
)
def test_names_of_columns_are_names(tmp_path: Path, header: str) -> None:
    """Years, numbers that count up, and a name that is one of its values are a header."""
    values = [["a", "male", "1"] if "name" in header else ["7", "male", "1"]]
    if header[0].isdigit():
        values = [["7", "3", "1"], ["3", "9", "0"]]
    rows = "".join(",".join(row) + "\n" for row in values * 9)

    frame = csv(path=write(tmp_path, f"{header}\n{rows}"), target=None)["x"]

    assert [*frame] == [name or "Unnamed: 0" for name in header.split(",")]


@pytest.mark.parametrize("source", ["csv", "text_csv"])
def test_a_target_that_is_no_column_may_be_for_want_of_a_header(
    tmp_path: Path, source: str
) -> None:
    """Where the first line may be a row the message has the way to say so."""
    file = write(tmp_path, "".join(f"{n + 5},a text {n},{n % 2}\n" for n in range(8)))
    columns = {"target": "label"} | ({"text": "said"} if source == "text_csv" else {})

    message = refusal({"csv": csv, "text_csv": text_csv}[source], path=file, **columns)

    assert "`data.header: false` and name columns by their number, 0 to 2" in message


def test_a_line_above_the_names_has_its_way_out(tmp_path: Path) -> None:
    """A title or remark has no separator, so that it is the name of the only column."""
    file = write(tmp_path, "# made by our system\n" + table())

    message = refusal(csv, path=file, target="y")

    assert "Columns: # made by our system." in message
    assert "If other lines stand above the names, remove them" in message


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
    rows = read_rows(Path(file), {"decimal": {"euro": ","}})
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
