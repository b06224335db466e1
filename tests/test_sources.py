from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.ratings import ratings
from truefit.datasets.text import text

ROWS = 30
TABLE = pd.DataFrame(
    {
        "age": np.arange(ROWS) * 1.5,
        "town": [f"town {row % 4}" for row in range(ROWS)],
        "red": np.arange(ROWS) % 2,
        "blue": [("true", "false", "True")[row % 3] for row in range(ROWS)],
        "label": [("yes", "no")[row % 2] for row in range(ROWS)],
    }
)


@pytest.fixture
def table(tmp_path: Path) -> str:
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    return str(tmp_path / "t.csv")


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> str:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name)


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ValueError, match=r".") as refused:
        call(**arguments)
    return str(refused.value)


def test_every_column_of_a_table_may_be_split_by(table: str) -> None:
    """Keys hold all columns, also the target and what is left out, with a value per row."""
    keys = csv(path=table, target="label", types={"town": "drop"})["keys"]

    assert list(keys) == list(TABLE)
    assert keys["town"].tolist() == TABLE["town"].tolist()


def test_several_targets_are_several_labels(table: str) -> None:
    """A list of columns, of numbers or of true and false, becomes columns of 0 and 1."""
    source = csv(path=table, target=["red", "blue"])

    assert list(source["x"]) == ["age", "town", "label"]
    assert source["y"]["red"].tolist() == TABLE["red"].tolist()
    assert source["y"]["blue"].tolist() == [(1, 0, 1)[row % 3] for row in range(ROWS)]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (["red", "age"], ["'age' holds", "1.5", "line 3"]),
        (["red", "bleu"], ["no column 'bleu'", "'blue'"]),
        (["red", "red"], ["data.target", "different columns"]),
        ([], ["data.target", "different columns"]),
        (list(TABLE), ["all columns are targets"]),
    ],
)
def test_labels_must_be_columns_of_zero_and_one(
    table: str, target: list[str], expected: list[str]
) -> None:
    """Several targets that cannot be labels are refused with column, value and line."""
    change = {"target": TABLE.columns.tolist()} if len(target) == len(TABLE.columns) else {}
    message = refusal(csv, **{"path": table, "target": target} | change)

    assert [part for part in expected if part not in message] == []


def test_parquet_and_csv_are_read_alike(tmp_path: Path, table: str) -> None:
    """The same rows give the same result from either file, categories and an index included."""
    typed = pd.read_csv(table).astype({"town": "category"}).set_index("age")
    typed.to_parquet(tmp_path / "t.parquet")

    one, other = (f(path=p, target="label") for f, p in ((csv, table), (parquet, str(tmp_path))))

    pd.testing.assert_frame_equal(one["x"], other["x"])
    pd.testing.assert_series_equal(one["y"], other["y"])
    assert one["coding"] == other["coding"]


@pytest.mark.parametrize("fault", ["no parquet", "no rows", "lists", "no column"])
def test_a_faulty_parquet_file_is_refused(tmp_path: Path, fault: str) -> None:
    """What is no Parquet file, has no rows or cells of lists is refused by its name."""
    file = tmp_path / "t.parquet"
    lists = TABLE.assign(town=pd.Series([[1, 2]] * ROWS))
    frame = {"no rows": TABLE[:0], "lists": lists}.get(fault, TABLE)
    frame.to_parquet(file)
    if fault == "no parquet":
        file.write_text("a,b\n1,2\n")

    message = refusal(parquet, path=str(file), target="lable")

    wanted = {"no parquet": "Parquet", "no rows": "no rows", "lists": "'town' holds lists"}
    assert wanted.get(fault, "Did you mean 'label'") in message
    assert str(file) in message


def test_texts_are_kept_as_written(tmp_path: Path) -> None:
    """Texts that look like numbers or missing values are texts."""
    written = ["null", "007", "NA", "1e5", "plain words"]
    file = write(tmp_path, "said,y\n" + "".join(f"{word},{n}\n" for n, word in enumerate(written)))

    source = text_csv(path=file, text="said", target="y", words=50, length=8)

    assert source["x"]["said"].tolist() == written
    assert source["coding"] == {"types": {"said": "text"}, "words": 50, "length": 8}


def test_empty_texts_are_named_by_line(tmp_path: Path) -> None:
    """Lines are those of the file, also below a text that takes several."""
    file = write(tmp_path, 'said,y\n"one\ntwo\nthree",1\n,0\nfine,1\n"  ",0\n')

    message = refusal(text_csv, path=file, text="said", target="y")

    assert "empty in 2 of 4 rows (lines 5, 7)" in message


@pytest.mark.parametrize("source", ["csv", "text_csv", "text", "ratings"])
def test_another_encoding_is_named_by_byte_and_line(tmp_path: Path, source: str) -> None:
    """A file that is not UTF-8 is refused with the byte, its line and the way out."""
    content = "said,y\n" + "plain,1\n" * 20 + "na\u00efve,0\n"
    file = write(tmp_path, content.encode("latin-1"), "t.txt" if source == "text" else "t.csv")
    calls: dict[str, Callable[[], Any]] = {
        "csv": lambda: csv(path=file, target="y"),
        "text_csv": lambda: text_csv(path=file, text="said", target="y"),
        "text": lambda: text(path=file, length=5),
        "ratings": lambda: ratings(path=file, user="said", rating="y"),
    }

    message = refusal(calls[source])

    assert all(part in message for part in (file, "0xef", "line 22", "save it as UTF-8"))


def test_windows_miss_and_repeat_nothing(tmp_path: Path) -> None:
    """What follows in each window, put together, is the text without its first character."""
    for name, part in (("b.txt", "kl\r\nmnopqrs"), ("a.txt", "\ufeffabcdefghij")):
        write(tmp_path, part, name)

    source = text(path=str(tmp_path), length=4)

    windows = source["x"]["text"].tolist()
    assert {len(window) for window in windows} == {5}
    assert "".join(window[1:] for window in windows) == "bcdefghij\nkl\nmnopqrs"[: 4 * len(windows)]
    assert source["coding"] == {"types": {"text": "characters"}}
    assert "y" not in source


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("short", {}, "5 characters are fewer than 3 windows of 100 + 1"),
        ("a" * 400, {"encoding": "utf-9"}, "no encoding 'utf-9'"),
        (None, {}, "expected a .txt file or a folder of them"),
    ],
)
def test_text_that_gives_no_windows_is_refused(
    tmp_path: Path, content: str | None, options: dict[str, str], expected: str
) -> None:
    """Too little text, no files and an unknown encoding each have a message."""
    path = write(tmp_path, content, "t.txt") if content else str(tmp_path)

    assert expected in refusal(text, path=path, **options)


RATED = "user_id:token\titem_id:token\trating:float\tat:float\n01\tNA\t3\t9\n1\tb\t4.5\t8\n"


def test_ratings_are_pairs_of_texts(tmp_path: Path) -> None:
    """Ids stay as written (01 and 1 are two users), and a type in the header is no name."""
    source = ratings(path=write(tmp_path, RATED), time="at", range=[1, 5])

    assert source["x"].to_numpy().tolist() == [["01", "NA"], ["1", "b"]]
    assert source["y"].tolist() == [3, 4.5]
    assert source["keys"]["at"].tolist() == [9, 8]
    assert source["coding"] == {"types": {"user_id": "code", "item_id": "code"}}


def test_ratings_without_a_header_have_four_columns(tmp_path: Path) -> None:
    """A file as MovieLens' u.data is user, item, rating and time."""
    source = ratings(path=write(tmp_path, "196\t242\t3\t881\n186\t302\t4\t891\n"), header=False)

    assert source["x"].to_numpy().tolist() == [["196", "242"], ["186", "302"]]
    assert source["keys"]["time"].tolist() == [881, 891]


def test_of_a_pair_the_last_rating_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The later in time is kept, or without times the lower line, and it is said."""
    file = write(tmp_path, RATED + "01\tNA\t1\t2024\n1\tb\t1\t7\n")

    by_time, by_line = ratings(path=file, time="at"), ratings(path=file)

    assert by_time["y"].tolist() == [4.5, 1]
    assert by_line["y"].tolist() == [1, 1]
    assert "note: 2 rows are left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "options", "expected"),
    [
        ("2\tc\t9\t1", {"range": [1, 5]}, ["from 1 to 5", "line 4: '9'"]),
        ("2\tc\tgood\t1", {}, ["must be a number", "line 4: 'good'"]),
        ("2\tc\t\t1", {}, ["must be a number", "line 4"]),
        ("\tc\t1\t1", {}, ["user_id must not be empty", "line 4"]),
        ("2\t\t1\t1", {}, ["item_id must not be empty", "line 4"]),
        ("2\tc\t1\tlately", {"time": "at"}, ["a time must be", "line 4: 'lately'"]),
        ("2\tc\t1\t1", {"item": "film"}, ["no column 'film'", "item_id"]),
        ("2\tc\t1\t1", {"header": False, "sep": ","}, ["found 1", "data.sep"]),
    ],
)
def test_faulty_ratings_are_named_by_line(
    tmp_path: Path, line: str, options: dict[str, Any], expected: list[str]
) -> None:
    """Each fault of a rating is refused with its line and value."""
    message = refusal(ratings, path=write(tmp_path, f"{RATED}{line}\n"), **options)

    assert [part for part in expected if part not in message] == []


def test_what_is_known_of_ids_becomes_features(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers stay, words become 0 and 1, lists of words too; titles are left out and named."""
    rows = [f"{n}|{1990 + n}|title {n} of all|{('old town', 'new town')[n % 2]}" for n in range(60)]
    genres = ["Drama", "Drama War", "War Comedy", "Comedy Drama War"]
    lines = [f"{row}|{genres[n % 4]}" for n, row in enumerate(rows)]
    write(tmp_path, "id|year|title|place|genre\n" + "\n".join(lines), "items.csv")
    rated = write(tmp_path, "user_id,item_id,rating\n" + "".join(f"u,{n},3\n" for n in range(9)))

    table = ratings(path=rated, item_features=str(tmp_path / "items.csv"))["tables"]["item_id"]

    places = [f"place={place} town" for place in ("new", "old")]
    assert list(table) == ["year", *places, *(f"genre={g}" for g in ("Comedy", "Drama", "War"))]
    assert list(table.loc["7"]) == [1997, 1, 0, 1, 1, 1]
    assert "'title' is left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id,age\n1,30\n1,31\n", "id must stand in one line only"),
        ("id,age\n,30\n", "id must not be empty"),
        ("id,age\n7,30\n", "name none of its values"),
        ("id,name\n" + "".join(f"{n},name{n}\n" for n in range(60)), "no column is a number"),
    ],
)
def test_features_must_belong_to_ids(tmp_path: Path, content: str, expected: str) -> None:
    """Features of nobody, of somebody twice, or none at all are refused."""
    features = write(tmp_path, content, "users.csv")

    assert expected in refusal(ratings, path=write(tmp_path, RATED), user_features=features)
