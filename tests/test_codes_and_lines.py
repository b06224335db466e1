"""Codes, long numbers, blanks, repeated names and lines of a table: each as the file has it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sections
from tables import levels, read_table

from truefit.core.prepared.table import apply_coding, fit_coding
from truefit.datasets.checks import Source
from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.prepare import prepare
from truefit.datasets.ratings import ratings
from truefit.datasets.rows import read_rows
from truefit.datasets.target import code_target

DATA = sections.data()
LARGE = 2**60


def written(folder: Path, source: str, **columns: list[Any]) -> Path:
    """A table of 40 rows, each column repeated, as CSV or Parquet."""
    frame = pd.DataFrame({"a": np.arange(40) / 2})
    for name, values in ({"y": [0, 1]} | columns).items():
        repeated = (values * 40)[:40]
        whole = any(isinstance(value, int) for value in values)
        frame[name] = pd.Series(repeated, dtype="Int64" if whole else object)
    file = folder / f"t.{source}"
    if source == "csv":
        frame.to_csv(file, index=False)
    else:  # as other programs write it, without what pandas notes of its types
        pq.write_table(pa.Table.from_pandas(frame).replace_schema_metadata(), file)
    return file


def read(file: Path, **options: Any) -> Source:
    source = csv if file.suffix == ".csv" else parquet
    return source(path=str(file), target="y", **options)


def test_one_number_that_is_written_so_makes_no_codes(tmp_path: Path) -> None:
    """A column of numbers of several lengths stays one, with a single 00 among them."""
    file = tmp_path / "t.csv"
    rows = [f"{number % 150},{number % 2}" for number in range(1, 400)]
    file.write_text("x,y\n00,1\n" + "\n".join(rows) + "\n")

    x = read(file)["x"]

    assert fit_coding(x, types={})[0]["kind"] == "number"


@pytest.mark.parametrize("source", ["csv", "parquet"])
@pytest.mark.parametrize("gap", [None, "98765"])
def test_a_code_keeps_its_zeros(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, gap: str | None
) -> None:
    """Postcodes are a category with a level each, in learning and in predicting, as is said."""
    file = written(tmp_path, source, zip=["00501", "501", gap, "02345"])

    x = read(file)["x"]

    coding = fit_coding(x, types={})
    assert levels(coding[1]) == sorted({"00501", "501", "02345", *([gap] if gap else [])})
    assert "`data.types.zip: number` takes them as numbers" in capsys.readouterr().out
    rows = read_table(file)
    assert np.array_equal(apply_coding(rows, coding), apply_coding(x, coding))
    numbers = fit_coding(read(file, types={"zip": "number"})["x"], types={"zip": "number"})
    assert apply_coding(rows, numbers)[0, 1] == 501


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_a_class_keeps_its_zeros(tmp_path: Path, source: str) -> None:
    """A class is called as the file calls it, and 01 is not 1."""
    file = written(tmp_path, source, y=["001", "002", "010"])

    assert code_target(read(file), "auto")[1].classes == ["001", "002", "010"]


@pytest.mark.parametrize("part", ["2024-01-05", "07:05", "0.05", "-05", "1e05", "x01"])
def test_a_zero_inside_of_a_value_makes_no_code(tmp_path: Path, part: str) -> None:
    """Dates, times and fractions leave the numbers beside them numbers."""
    x = read(written(tmp_path, "csv", other=[part, "7"], n=[3, 4]))["x"]

    assert x["n"].dtype == "int64"


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_long_integers_beside_a_gap_stay_apart(tmp_path: Path, source: str) -> None:
    """Ids beyond 2**53 have their own levels and classes, in a column with missing values too."""
    file = written(tmp_path, source, n=[LARGE, LARGE + 1, None], y=[LARGE, LARGE + 1])

    known = read(file, types={"n": "category"})

    coding = fit_coding(known["x"], types={"n": "category"})
    assert levels(coding[1]) == [str(LARGE), str(LARGE + 1)]
    assert code_target(known, "auto")[1].classes == [str(LARGE), str(LARGE + 1)]
    coded = apply_coding(read_table(file), coding)
    assert np.array_equal(coded, apply_coding(known["x"], coding))


def test_long_classes_beside_a_gap_stay_apart(tmp_path: Path) -> None:
    """Rows without a target are left out; the classes of the others are as they are written."""
    file = written(tmp_path, "csv", y=[LARGE, LARGE + 1, None])

    known = csv(path=str(file), target="y", missing_target="drop")

    assert code_target(known, "auto")[1].classes == [str(LARGE), str(LARGE + 1)]


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_blanks_are_no_value(tmp_path: Path, source: str) -> None:
    """A text of blanks is missing, and blanks around one make no other level."""
    x = read(written(tmp_path, source, c=["u", " u ", "  ", "v"]))["x"]

    assert levels(fit_coding(x, types={})[1]) == ["u", "v"]
    assert x["c"].isna().sum() == 10


TABLE = "a,b,y\n\n1.5,u,0\n2.5,v,1\n"


@pytest.mark.parametrize("source", ["csv", "text_csv", "index", "predict", "ratings"])
def test_names_that_come_again_are_refused(tmp_path: Path, source: str) -> None:
    """Where files were joined the message has the line; blank lines count."""
    content = TABLE * 2
    if source == "index":
        content = "".join(f",{line}\n" if line else "\n" for line in content.splitlines())
    file = tmp_path / "t.csv"
    file.write_text(content)
    calls: dict[str, Any] = {
        "csv": lambda: csv(path=str(file), target="y"),
        "index": lambda: csv(path=str(file), target="y"),
        "text_csv": lambda: text_csv(path=str(file), text="b", target="y"),
        "predict": lambda: read_rows(file, {}),
        "ratings": lambda: ratings(path=str(file), user="a", item="b", rating="y"),
    }

    with pytest.raises(ValueError, match="received them again in line 5: remove them"):
        calls[source]()


def test_messages_count_the_lines_of_the_file(tmp_path: Path) -> None:
    """Blank lines, and rows that are left out, count in the line of a fault."""
    file = tmp_path / "t.csv"
    file.write_text("a,when,y\n\n1,2024-01-05,0\n\n2,,\n3,,1\n4,2024-01-05,\n")

    with pytest.raises(ValueError, match=r"missing in 2 of 4 rows \(lines 5, 7\)"):
        code_target(csv(path=str(file), target="y"), "auto")

    kept = csv(path=str(file), target="y", missing_target="drop")
    by_time = sections.data(time="when")
    with pytest.raises(ValueError, match=r"1 of 2 rows are not so \(line 6: nan\)"):
        prepare(kept, by_time, "auto", 0, tmp_path / "p")


def test_times_that_are_written_in_two_ways_are_refused(tmp_path: Path) -> None:
    """A number among dates is not taken for a year."""
    file = written(tmp_path, "csv", when=["2024-01-05", "1700000000"])

    by_time = sections.data(time="when")
    with pytest.raises(ValueError, match=r"written alike.*20 of 40.*\(line 3: '1700000000'"):
        prepare(read(file), by_time, "auto", 0, tmp_path / "p")


PAIRS = [f"u{n % 9} ,i{n % 7},{n % 5 + 1}" for n in range(63)]
RATED = "user_id:token,item_id:token,rating:float\n" + "\n".join(PAIRS) + "\n"


@pytest.mark.parametrize("form", ["packed", "cp1252", "dat", "predict"])
def test_ratings_are_read_as_other_tables(tmp_path: Path, form: str) -> None:
    """Packed, in another encoding, with MovieLens' `::`: the same users, without blanks."""
    name = {"packed": "r.csv.gz", "dat": "ratings.dat"}.get(form, "r.csv")
    content = RATED.replace("i0", "ü").encode("cp1252" if form == "cp1252" else "utf-8")
    options: dict[str, Any] = {"encoding": "cp1252"} if form == "cp1252" else {}
    if form == "dat":
        content = b"\n".join(content.replace(b",", b"::").splitlines()[1:])
        options = {"sep": "::", "header": False}
    (tmp_path / name).write_bytes(gzip.compress(content) if form == "packed" else content)

    x = (
        read_rows(tmp_path / name, {"user": "user_id"})
        if form == "predict"
        else ratings(path=str(tmp_path / name), **options)["x"]
    )

    assert isinstance(x, pd.DataFrame)
    assert set(x["user_id"]) == {f"u{n}" for n in range(9)}
    assert set(x["item_id"]) == {"ü", *(f"i{n}" for n in range(1, 7))}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"user_id,item_id,rating, rating\n1,2,3,4\n", "the column name 'rating' occurs twice"),
        (b"user_id,user_id:token,rating\n1,2,3\n", "the column name 'user_id' occurs twice"),
        (b'user_id,item_id,rating\n"1,2,3\n4,5,6\n', "the quote that begins in line 2"),
        (gzip.compress(b"user_id", mtime=0), "gzip: give it the ending .gz"),
        (RATED.replace("u1", "ü").encode("cp1252"), "line 3 holds the byte 0xfc"),
    ],
)
def test_faulty_files_of_ratings_are_refused_as_other_tables(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    """One message, with the way out that a CSV has."""
    (tmp_path / "r.csv").write_bytes(content)

    with pytest.raises(ValueError, match=r".") as refused:
        ratings(path=str(tmp_path / "r.csv"))

    assert expected in str(refused.value)
