"""The names of columns: which line has them, and none twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from csv_files import refusal, table, write

from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.rows import read_rows


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

    message = refusal(csv if source == "csv" else text_csv, path=file, **columns)

    assert "`data.header: false` and name columns by their number, 0 to 2" in message


def test_a_line_above_the_names_has_its_way_out(tmp_path: Path) -> None:
    """A title or remark has no separator, so that it is the name of the only column."""
    file = write(tmp_path, "# made by our system\n" + table())

    message = refusal(csv, path=file, target="y")

    assert "Columns: # made by our system." in message
    assert "If other lines stand above the names, remove them" in message
