"""Tables as other programs write them: escaped quotes, times of day, letters of two signs."""

from __future__ import annotations

import gzip
import unicodedata
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

from truefit.core.prepared.columns import as_numbers
from truefit.core.prepared.table import fit_coding
from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.rows import read_rows

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

    predicted = as_numbers(read_rows(file, {})["v"], force=True)
    assert predicted is not None
    assert [trained.isna().sum(), trained.max()] == [1, 95]
    assert [predicted.isna().sum(), predicted.max()] == [1, 95]
    alone = as_numbers(pd.Series(["7:05"]), force=True)
    assert alone is not None
    assert alone.tolist() == [25_500]


def test_a_score_or_a_ratio_is_no_time(tmp_path: Path) -> None:
    """Texts with a colon that are no times of day stay texts, and so do classes."""
    frame = pd.DataFrame({"score": ["3:2", "1:0"] * 20, "ratio": ["16:90", "4:75"] * 20})
    frame["y"] = ["7:05", "8:10"] * 20
    frame.to_csv(file := tmp_path / "t.csv", index=False)
    source = csv(path=str(file), target="y")
    assert source["x"]["score"].tolist() == ["3:2", "1:0"] * 20
    assert source["x"]["ratio"].tolist() == ["16:90", "4:75"] * 20
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


def test_two_names_that_are_one_letter_by_letter_are_refused(tmp_path: Path) -> None:
    """Nobody can tell an `ö` of one sign from one of two, so two such columns have one name."""
    (file := tmp_path / "t.csv").write_text("ö,o\u0308,y\n" + "1,2,a\n3,4,b\n" * 10)
    with pytest.raises(ValueError, match="occurs twice"):
        csv(path=str(file), target="y")
