from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sections

from truefit.core.paths import PREPARED, TRAIN
from truefit.core.prepared.findings import read_report
from truefit.core.prepared.folder import read_facts
from truefit.core.resolved import load
from truefit.datasets.checks import Source
from truefit.datasets.prepare import prepare
from truefit.datasets.ratings import ratings
from truefit.datasets.rows import read_rows
from truefit.serving.predict import predict
from truefit.stages.compose import compose
from truefit.stages.preprocess import preprocess
from truefit.training.building import build, make_task, predictor

LINES = [f"{n % 9}\t{n % 7}\t{n % 5 + 1}\t{n}" for n in range(63)]
HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
SETTINGS: dict[str, Any] = {"_target_": "truefit.datasets.ratings.ratings", "user": "user_id"}


@pytest.mark.parametrize(
    ("name", "content", "data"),
    [
        ("r.inter", "\n".join([HEADER, *LINES]), SETTINGS),
        ("r.inter", "\n".join([HEADER, *LINES]), {"_target_": "movielens_100k", "path": None}),
        ("u.data", "\n".join(LINES), {"_target_": "movielens_100k", "path": None}),
        ("r.csv", "\n".join(LINES), SETTINGS | {"header": False}),
        ("pairs.tsv", "\n".join(x.rsplit("\t", 2)[0] for x in LINES), SETTINGS | {"header": False}),
    ],
)
def test_ratings_are_predicted_from_the_files_they_are_learned_from(
    tmp_path: Path, name: str, content: str, data: dict[str, Any]
) -> None:
    """`truefit predict` reads users and items of every file that `data=ratings` reads, as texts."""
    (tmp_path / name).write_text(content)

    rows = read_rows(tmp_path / name, data)

    assert isinstance(rows, pd.DataFrame)
    assert rows["user_id"].tolist() == [str(n % 9) for n in range(63)]
    assert rows["item_id"].tolist() == [str(n % 7) for n in range(63)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["u.csv", "r.inter"], r"a folder with 2 \(r.inter, u.csv\): name the file, such as `-S "),
        (["notes.md"], r"a folder with 0 \(none\): name the file, such as `-S path=.*ratings.csv`"),
    ],
)
def test_a_folder_of_several_tables_is_refused(
    tmp_path: Path, names: list[str], expected: str
) -> None:
    """The message names the tables and the line that chooses one."""
    for name in names:
        (tmp_path / name).write_text("\n".join([HEADER, *LINES]))

    with pytest.raises(ValueError, match=expected):
        ratings(path=str(tmp_path))


def test_the_only_table_of_a_folder_is_taken(tmp_path: Path) -> None:
    """As `data=csv` takes the only CSV of a folder; RecBole's features beside it are no ratings."""
    (tmp_path / "r.inter").write_text("\n".join([HEADER, *LINES]))
    (tmp_path / "r.user").write_text("user_id:token\tage:float\n1\t30")

    assert len(ratings(path=str(tmp_path))["y"]) == 63


def test_users_of_no_training_row_are_counted_whatever_their_features(tmp_path: Path) -> None:
    """Split by time, users that come later count as unseen also where a table knows them."""
    count = 60
    users = [f"u{n // 6}" for n in range(count)]
    source: Source = {
        "x": pd.DataFrame({"user": users, "item": [f"i{n % 3}" for n in range(count)]}),
        "y": np.arange(count) % 5,
        "keys": {"time": np.arange(count)},
        "coding": {"types": {"user": "code", "item": "code"}},
        "tables": {"user": pd.DataFrame({"age": range(10)}, index=[f"u{n}" for n in range(10)])},
    }
    data = sections.data(normalize=False, stratify=False, time="time")

    facts = prepare(source, data, "number", 0, tmp_path / "p")

    assert facts["splits"]["test"]["unseen"] == {"user": 12, "item": 0}
    assert facts["splits"]["train"]["unseen"] == {"user": 0, "item": 0}
    said = [str(one) for one in read_report(facts).findings if one.kind == "unknown"]
    assert "12 of 12 test rows have a user that training has not seen" in said


@pytest.mark.parametrize("features", [False, True])
def test_the_recipe_of_the_recommender_works_for_own_ratings(
    project: Path, capsys: pytest.CaptureFixture[str], features: bool
) -> None:
    """`experiment=recommender` with `data=ratings` takes features where there are some.

    Its model predicts the very file of ratings.
    """
    file = Path("data/raw/r.inter")
    file.write_text("\n".join([HEADER, *LINES]))
    Path("data/raw/u.csv").write_text("user_id,age\n" + "\n".join(f"{n},{n}" for n in range(10)))
    block = {"user_features": "data/raw/u.csv"} if features else {}
    params = {"experiment": "recommender", "data": "ratings", "path": str(file)}
    Path("params.yaml").write_text(json.dumps({**params, "set": {"data": block}}))
    compose()
    preprocess()
    config, facts = load(), read_facts(PREPARED)
    task = make_task(config, facts)
    tables = {"user_id": np.load(PREPARED / "train/user_id.npy")} if features else {}
    model = build(config, facts, task, tables)
    TRAIN.mkdir(parents=True)
    predictor(model, facts, task).save(TRAIN / "model.keras")

    lines = predict(file, "here", None).splitlines()

    assert len(lines) == 64
    assert any("features" in layer.name for layer in model.layers[1].layers) == features


def rated_and_users(folder: Path, users: str, header: str = HEADER) -> dict[str, Any]:
    """Ratings of users 0 to 8, and a file of features of theirs."""
    (folder / "r.inter").write_text("\n".join([header, *LINES] if header else LINES))
    (folder / "users.csv").write_text(users)
    return {"path": str(folder / "r.inter"), "user_features": str(folder / "users.csv")}


@pytest.mark.parametrize(
    ("marks", "options", "said"),
    [
        (["?"], {}, "3 of 9 values of 'age' are no numbers and count as missing, such as '?'"),
        (["NA", "n/a", "null"], {}, ""),
        (["unknown"], {"na_values": ["unknown"]}, ""),
    ],
)
def test_a_feature_with_missing_values_is_a_number(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    marks: list[str],
    options: dict[str, Any],
    said: str,
) -> None:
    """However many are missing: as in tables they make no text of the column."""
    ages = [marks[n % len(marks)] if n < 3 else str(20 + n) for n in range(9)]
    users = "id,age\n" + "".join(f"{n},{age}\n" for n, age in enumerate(ages))

    table = ratings(**rated_and_users(tmp_path, users), **options)["tables"]["user_id"]

    assert list(table) == ["age"]
    assert table["age"].fillna(-1).tolist() == [-1, -1, -1, 23, 24, 25, 26, 27, 28]
    printed = capsys.readouterr().out
    assert said in printed
    assert bool(said) == ("count as missing" in printed)


def test_a_feature_that_words_make_a_text_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words in a third of a column of numbers may be levels; the note has the other reading."""
    users = "id,age\n" + "".join(f"{n},{'old' if n < 3 else n}\n" for n in range(9))

    ratings(**rated_and_users(tmp_path, users))

    assert "`data.na_values: ['old']`" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["{n}|{age}|M|writer|85711", "{n}|M{n}|writer{n}|x", "u{n}|{age}|M|writer"]
)
def test_a_first_line_of_features_that_is_a_row_is_refused(tmp_path: Path, line: str) -> None:
    """No user is lost to the names of columns, whether numbers or an id of a rating show it."""
    users = "\n".join(line.format(n=n, age=30 - n) for n in range(9))
    arguments = rated_and_users(tmp_path, users)

    with pytest.raises(ValueError, match=r"users\.csv: .*`data\.features_header: false`"):
        ratings(**arguments)
    if not line.startswith("u"):
        table = ratings(**arguments, features_header=False)["tables"]["user_id"]
        assert len(table) == 9


@pytest.mark.parametrize(
    "first", ["196\t242\t3\t881250949", "u196\ti242\t3\t881250949", "u\ti\tr\tt"]
)
def test_ratings_without_names_have_their_way_out(tmp_path: Path, first: str) -> None:
    """The message on a first line that may be a row names the setting that reads it."""
    arguments = rated_and_users(tmp_path, "id,age\n1,2\n", first)

    with pytest.raises(ValueError, match=r"r\.inter: .*`data\.header: false`"):
        ratings(**arguments)


def test_a_name_that_stands_twice_in_a_file_of_features_has_its_way_out(tmp_path: Path) -> None:
    """The key in the message is that of the features, not that of the ratings."""
    arguments = rated_and_users(tmp_path, "0,7,7\n1,3,5\n")

    with pytest.raises(ValueError, match=r"'7' occurs twice.*`data\.features_header: false`"):
        ratings(**arguments)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([f"{n},5" for n in range(9)], r"'age' holds '0,5'.*`data\.decimal: \{age: ','\}`"),
        (["3", "4", "5", *["6,5"] * 6], r"'age' holds '6,5'.*`data\.decimal: \{age: ','\}`"),
        (["1.5", *[f"{n},5" for n in range(8)]], r"'0,5' and '1\.5': expected one sign"),
    ],
)
def test_features_with_the_other_decimal_sign_are_refused(
    tmp_path: Path, values: list[str], expected: str
) -> None:
    """They would be a feature for each value; the message has the setting that reads them."""
    users = "id;age\n" + "".join(f"{n};{age}\n" for n, age in enumerate(values))

    with pytest.raises(ValueError, match=expected):
        ratings(**rated_and_users(tmp_path, users))


def test_the_sign_that_is_set_for_all_columns_stays_that_of_others(tmp_path: Path) -> None:
    """Pasted alone, the setting for one column would take it from the others."""
    users = "id;size;w;n\n" + "".join(f"{n};{n}.5;{n + 1},500;7\n" for n in range(9))
    arguments = rated_and_users(tmp_path, users)

    with pytest.raises(ValueError, match=r"`data\.decimal: \{w: ',', size: '\.'\}` \(add each"):
        ratings(**arguments, decimal=",")

    read = ratings(**arguments, decimal={"w": ",", "size": "."})["tables"]["user_id"]
    assert read["w"].tolist() == [n + 1.5 for n in range(9)]
    assert read["size"].tolist() == [n + 0.5 for n in range(9)]


@pytest.mark.parametrize("decimal", [",", {"age": ",", "rating": ","}])
def test_decimals_with_a_comma_are_read_where_it_is_set(tmp_path: Path, decimal: Any) -> None:
    """Ratings and features are the numbers that they are with a point."""
    users = "id;age\n" + "".join(f"{n};{n},5\n" for n in range(9))
    arguments = rated_and_users(tmp_path, users)
    rated = [HEADER, *(f"{n % 9}\t{n % 7}\t{n % 5},5\t{n}" for n in range(63))]
    (tmp_path / "r.inter").write_text("\n".join(rated))

    source = ratings(**arguments, decimal=decimal)

    assert source["y"].tolist() == [n % 5 + 0.5 for n in range(63)]
    assert source["tables"]["user_id"]["age"].tolist() == [n + 0.5 for n in range(9)]


def test_ratings_with_the_other_decimal_sign_have_their_way_out(tmp_path: Path) -> None:
    """The message keeps what is set already; where both signs stand it offers none."""
    rated = ["user_id;item_id;rating", *(f"{n % 9};{n % 7};{n % 5},5" for n in range(63))]
    file = tmp_path / "r.csv"
    file.write_text("\n".join(rated))

    with pytest.raises(ValueError, match=r"or set `data\.decimal: \{age: ',', rating: ','\}`"):
        ratings(path=str(file), decimal={"age": ","})
    file.write_text("\n".join([*rated, "8;1;2.5"]))
    with pytest.raises(ValueError, match="one sign for decimals in all lines, received both"):
        ratings(path=str(file))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,500", "12,500", "900"], "6 of 9 values of 'age' are numbers with a sign, a unit or"),
        (["1 kg", "12 kg", "9 kg"], "9 of 9 values of 'age' are numbers with a sign, a unit or"),
        (["1910-01-01", "1911-01-01", "1912-02-03"], "'age' is left out: it holds dates, such as"),
        (["", "", ""], "'age' is left out: it has no values"),
    ],
)
def test_features_that_are_no_bare_numbers_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: list[str], expected: str
) -> None:
    """Groups, units, dates and columns without a value are named, as in other tables."""
    users = "id;age;size\n" + "".join(f"{n};{values[n % 3]};{n}\n" for n in range(9))

    table = ratings(**rated_and_users(tmp_path, users))["tables"]["user_id"]

    assert expected in capsys.readouterr().out
    assert ("left out" in expected) == (list(table) == ["size"])


def test_times_of_day_are_features_of_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in other tables; each would be a feature of its own."""
    users = "id;wakes\n" + "".join(f"{n};{n}:30\n" for n in range(9))

    table = ratings(**rated_and_users(tmp_path, users))["tables"]["user_id"]

    assert table["wakes"].tolist() == [3600 * n + 1800 for n in range(9)]
    assert "'wakes' holds times of day" in capsys.readouterr().out


def test_features_of_other_ids_are_shown(tmp_path: Path) -> None:
    """The message has an id of each file: their case or the order of columns may differ."""
    arguments = rated_and_users(tmp_path, "age,id\n30,0\n31,1\n")

    with pytest.raises(ValueError, match=r"they are of '30' and others, and user_id holds '0'"):
        ratings(**arguments)


def test_users_without_features_are_counted(tmp_path: Path) -> None:
    """They get the average of each feature, and the report says how many."""
    arguments = rated_and_users(tmp_path, "id,age\n0,30\n2,31\n77,32\n")

    [finding] = ratings(**arguments)["findings"]

    assert str(finding).startswith("7 of 9 values of user_id are not in its file of features, such")
    whole = rated_and_users(tmp_path, "id,age\n" + "".join(f"{n},3{n}\n" for n in range(9)))
    assert ratings(**whole)["findings"] == []
