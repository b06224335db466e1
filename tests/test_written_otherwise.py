"""Tables as other programs write them: escaped quotes, times of day, letters of two signs."""

from __future__ import annotations

import gzip
import unicodedata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import sections
from tables import read_table

from truefit.core.prepared.columns import as_numbers
from truefit.core.prepared.table import fit_coding
from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.ratings import ratings
from truefit.datasets.rows import read_rows
from truefit.datasets.splits import given_by_column

FORMS: list[Literal["NFC", "NFD"]] = ["NFC", "NFD"]
ESCAPED = [
    "text,y\n" + '"He said \\"hi\\", ok",a\n"no",b\n' * 20,  # too many cells without the setting
    "text,y\n" + '"He said \\"hi\\"",a\n"no",b\n' * 20,  # a text that ends otherwise without it
    'text,y\n"plain",a\n' + '"of two\nlines \\"here\\" too",a\n"no",b\n' * 20,
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("written", ESCAPED)
def test_a_backslash_before_a_quote_is_refused_and_read_as_set(
    tmp_path: Path, written: str, *, packed: bool
) -> None:
    """No text ends at an escaped quote: the message has its line, and the setting reads it."""
    file = tmp_path / ("t.csv.gz" if packed else "t.csv")
    file.write_bytes(gzip.compress(written.encode()) if packed else written.encode())
    with pytest.raises(ValueError, match=r"data.escapechar: '\\'") as refused:
        csv(path=str(file), target="y")
    first = written[: written.index("\\")].count("\n") + 1
    assert f"in line {first}:" in str(refused.value)

    texts = text_csv(path=str(file), text="text", target="y", escapechar="\\")["x"]["text"]

    assert not texts.str.contains("\\", regex=False).any()
    assert texts.str.contains('"').sum() == 20
    rows = read_rows(file, {"header": True, "escapechar": "\\"})
    assert rows["text"].tolist() == texts.tolist()


@pytest.mark.parametrize("text", ['pipe 5\\", steel', 'of two\nlines 5\\", steel'])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_an_escaped_quote_before_a_separator_is_refused_with_its_setting(
    tmp_path: Path, text: str, ends: str
) -> None:
    """It looks like the end of a text, so its line has too many cells; others get no such hint."""
    written = f'text,y\n"plain",a\n"{text}",b\n' + "1,a\n2,b\n" * 20
    (file := tmp_path / "t.csv").write_text(written, newline=ends)

    with pytest.raises(ValueError, match=r"received 3 in line 3: .*`data.escapechar: '\\'`"):
        csv(path=str(file), target="y")

    assert len(csv(path=str(file), target="y", escapechar="\\")["y"]) == 42
    file.write_text(written.replace("\\", ""), newline=ends)
    with pytest.raises(ValueError, match=r"received 3 in line 3: ") as refused:
        csv(path=str(file), target="y")
    assert "escapechar" not in str(refused.value)


@pytest.mark.parametrize("cell", ['"C:\\dir\\"', '"a \\""b"""', 'a\\"b', '"a\\b"', '"x, \\y"'])
def test_a_backslash_elsewhere_is_a_letter(tmp_path: Path, cell: str) -> None:
    """A path, a doubled quote behind a backslash and a text without quotes are as they are."""
    (file := tmp_path / "t.csv").write_text("text,n,y\n" + f"{cell},1.5,a\nno,2.5,b\n" * 20)
    texts = csv(path=str(file), target="y")["x"]["text"]
    plain = cell[1:-1].replace('""', '"') if cell.startswith('"') else cell
    assert texts.tolist() == [plain, "no"] * 20


@pytest.mark.parametrize("source", [csv, parquet])
def test_times_of_day_are_seconds_in_each_kind_of_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: object
) -> None:
    """7:05 is the same number in a CSV, in a Parquet file of texts, and in a row to predict."""
    times = ["7:05", "07:05", "19:30:15", "0:00", "23:59:59.5"]
    frame = pd.DataFrame({"start": times * 8, "n": range(40), "y": ["a", "b"] * 20})
    file = tmp_path / ("t.csv" if source is csv else "t.parquet")
    frame.to_csv(file, index=False) if source is csv else frame.to_parquet(file)
    seconds = [25_500, 25_500, 70_215, 0, 86_399.5]

    assert source(path=str(file), target="y")["x"]["start"].tolist() == seconds * 8  # type: ignore[operator]

    said = capsys.readouterr().out
    assert "values of 'start' are times of day, such as '7:05', and are taken for seconds" in said
    kept = source(path=str(file), target="y", types={"start": "category"})["x"]  # type: ignore[operator]
    assert kept["start"].tolist() == times * 8
    [coding, _] = fit_coding(frame.assign(start=seconds * 8)[["start", "n"]], types={})
    assert coding["kind"] == "number"
    assert as_numbers(frame["start"], force=True).tolist() == seconds * 8  # type: ignore[union-attr]


@pytest.mark.parametrize("types", [{}, {"v": "number"}])
@pytest.mark.parametrize("source", [csv, parquet])
@pytest.mark.parametrize("stray", ["7:05", "2024-12-31"])
def test_a_stray_time_among_numbers_is_missing_in_training_and_prediction(
    tmp_path: Path, source: Any, stray: str, types: dict[str, str]
) -> None:
    """Not 25,500 among numbers below 97; in a row by itself a time is in seconds."""
    frame = pd.DataFrame({"v": [*map(str, range(96)), stray], "n": 1.5, "y": ["a", *"b" * 96]})
    file = tmp_path / ("t.csv" if source is csv else "t.parquet")
    frame.to_csv(file, index=False) if source is csv else frame.to_parquet(file)

    trained = source(path=str(file), target="y", types=types)["x"]["v"]

    predicted = as_numbers(read_table(file)["v"], force=True)
    assert predicted is not None
    assert [trained.isna().sum(), trained.max()] == [1, 95]
    assert [predicted.isna().sum(), predicted.max()] == [1, 95]
    alone = as_numbers(pd.Series(["7:05"]), force=True)
    assert alone is not None
    assert alone.tolist() == [25_500]


def test_a_score_or_a_ratio_is_no_time(tmp_path: Path) -> None:
    """Texts with a colon that are no times of day stay texts, and so do classes."""
    frame = pd.DataFrame({"score": ["3:2", "1:0"] * 20, "ratio": ["16:90", "35:20"] * 20})
    frame["y"] = ["7:05", "8:10"] * 20
    frame.to_csv(file := tmp_path / "t.csv", index=False)
    source = csv(path=str(file), target="y")
    assert source["x"]["score"].tolist() == ["3:2", "1:0"] * 20
    assert source["x"]["ratio"].tolist() == ["16:90", "35:20"] * 20
    assert source["y"].tolist() == ["7:05", "8:10"] * 20


@pytest.mark.parametrize("given", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_a_name_is_the_same_in_each_form_of_unicode(
    tmp_path: Path, written: Literal["NFC", "NFD"], given: Literal["NFC", "NFD"]
) -> None:
    """`Größe` of a Mac's header, whose `ö` is two signs, is the `Größe` that a keyboard writes."""
    name = "Größe"
    frame = pd.DataFrame({unicodedata.normalize(written, name): range(20), "n": [1, 2] * 10})
    frame.to_csv(file := tmp_path / "t.csv", index=False)
    frame.to_parquet(columns := tmp_path / "t.parquet")
    wanted = unicodedata.normalize(given, name)
    types = {wanted: "number"}
    for source in (
        csv(path=str(file), target=wanted),
        parquet(path=str(columns), target=wanted),
        csv(path=str(file), target="n", types=types),  # type: ignore[arg-type]
    ):
        assert [*source["keys"]] == [name, "n"]


@pytest.mark.parametrize("given", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_signs_by_column_match_each_form_of_unicode(
    tmp_path: Path, written: Literal["NFC", "NFD"], given: Literal["NFC", "NFD"]
) -> None:
    """1.234 with a point between thousands is 1234, whichever way the column's name is written."""
    name = unicodedata.normalize(written, "Größe")
    (file := tmp_path / "t.csv").write_text(f"{name};n;y\n" + "1.234;1.5;a\n2.345;2.5;b\n" * 20)
    column = unicodedata.normalize(given, "Größe")
    signs: dict[str, Any] = {"decimal": {column: ","}, "thousands": {column: "."}}

    x = csv(path=str(file), target="y", **signs)["x"]
    rows = read_rows(file, signs)

    for read in (x, rows):
        assert read["Größe"].tolist() == [1234, 2345] * 20
        assert read["n"].tolist() == [1.5, 2.5] * 20


@pytest.mark.parametrize("header", [True, False])
def test_names_of_ratings_are_the_same_in_each_form_of_unicode(
    tmp_path: Path, *, header: bool
) -> None:
    """User, item, rating and time of the configuration match the header, also to be predicted."""
    kinds = ["user", "item", "rating", "time"]
    names, given = ([unicodedata.normalize(form, f"ö{kind}") for kind in kinds] for form in FORMS)
    lines = [f"{n % 9}\t{n % 7}\t{n % 5}\t{n}" for n in range(63)]
    (file := tmp_path / "r.tsv").write_text("\n".join(["\t".join(names)] * header + lines))
    settings: dict[str, Any] = dict(zip(kinds, given, strict=True)) | {"header": header}

    source = ratings(path=str(file), **settings)
    rows = read_rows(file, settings)

    assert [*source["x"]] == names[:2]
    assert [*source["keys"]] == [names[0], names[1], names[3]]
    assert source["target"] == names[2]
    assert rows.columns.tolist() == names  # type: ignore[union-attr]


def test_a_text_to_be_predicted_is_as_it_is_written_in_each_form_of_unicode(tmp_path: Path) -> None:
    """`null` and 007 are texts, as in those learned from."""
    name, given = (unicodedata.normalize(form, "Größe") for form in FORMS)
    (file := tmp_path / "t.csv").write_text(f"{name},n\nnull,1\n007,2\n")

    rows = read_rows(file, {"text": given})

    assert rows[name].tolist() == ["null", "007"]


def test_a_group_that_leaves_one_split_is_the_same_in_each_form_of_unicode() -> None:
    """The column that gives a split gives it, whichever way the configuration writes its name."""
    name, given = (unicodedata.normalize(form, "Größe") for form in FORMS)
    keys = {name: np.array(["a", "b"] * 5)}
    split = sections.data(test=["b"], group=given)["split"]

    masks, _ = given_by_column(keys, split)

    assert masks["is_test"].tolist() == [False, True] * 5


def test_two_names_that_are_one_letter_by_letter_are_refused(tmp_path: Path) -> None:
    """Nobody can tell an `ö` of one sign from one of two, so two such columns have one name."""
    (file := tmp_path / "t.csv").write_text("ö,o\u0308,y\n" + "1,2,a\n3,4,b\n" * 10)
    with pytest.raises(ValueError, match="occurs twice"):
        csv(path=str(file), target="y")
