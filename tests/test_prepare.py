from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pytest
import sections
from conftest import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from truefit.core.errors import UserError
from truefit.core.prepared.folder import read_facts, read_split
from truefit.core.prepared.table import apply_coding, feature_names, fit_coding
from truefit.datasets.checks import Source
from truefit.datasets.prepare import prepare
from truefit.stages.compose import compose
from truefit.stages.preprocess import preprocess

DATA = sections.data()
PREPARED = Path("data/prepared")


def choose(**params: Any) -> None:
    Path("params.yaml").write_text(json.dumps({"path": "data/raw", **params}))
    compose()


def messy(rows: int = 200) -> pd.DataFrame:
    """Text categories, missing values, a constant, dates, an id, a rare label and level."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(rows) + 1000,
            "name": [f"person {i}" for i in range(rows)],
            "country": random.choice(["de", "fr", "jp"], rows),
            "age": random.normal(40, 9, rows).round(1),
            "source": "web",
            "billed": np.where(np.arange(rows) % 20, "31.12.2024", "?"),
            "joined": [f"{2020 + i % 5}-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(rows)],
            "spent": random.exponential(100, rows).round(2),
            "label": np.where(random.random(rows) < 0.9, "stays", "leaves"),
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[::9, "country"] = None
    frame["spent"] = frame["spent"].astype(object)
    frame.loc[::50, "spent"] = "?"
    frame.loc[rows - 1, "country"] = "never seen before"
    return frame


@pytest.mark.parametrize("data", ["digits", "iris", "breast_cancer", "wine", "diabetes"])
def test_built_in_data_are_prepared_as_described(project: Path, data: str) -> None:
    """dataset.json says what the arrays hold, and the arrays can be mapped from disk."""
    choose(data=data)
    preprocess()

    facts = read_facts(PREPARED)
    for name, described in facts["splits"].items():
        split = read_split(PREPARED, name)
        assert isinstance(split.x, np.memmap)
        assert split.x.shape == (described["rows"], *facts["input_shape"])
        assert len(split.y) == described["rows"]
        assert facts["dtype"] == str(split.x.dtype)


def test_the_same_input_gives_the_same_bytes(project: Path) -> None:
    """Preparing twice writes identical files, and another seed writes others."""
    choose(data="wine")
    preprocess()
    first = {f: f.read_bytes() for f in sorted(PREPARED.rglob("*.*"))}
    preprocess()
    second = {f: f.read_bytes() for f in sorted(PREPARED.rglob("*.*"))}
    digest = read_facts(PREPARED)["digest"]
    choose(data="wine", seed=1)
    preprocess()

    assert first == second
    assert digest != read_facts(PREPARED)["digest"]


def test_preparing_does_not_import_tensorflow(project: Path) -> None:
    """Preprocess needs no backend."""
    code = (
        "import sys; from truefit.stages.preprocess import preprocess; preprocess();"
        "print({'keras', 'tensorflow', 'mlflow', 'optuna'} & set(sys.modules))"
    )
    choose(data="iris")

    done = run("python", "-c", code)

    assert done.stdout.splitlines()[-1] == "set()", done.stderr


def test_statistics_come_from_training_rows_alone(tmp_path: Path) -> None:
    """Other values in the held-out rows change no statistic and no coding."""
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    y = np.arange(100) % 2
    facts = prepare({"x": x, "y": y}, DATA, "classes", 0, tmp_path / "a")
    train = read_split(tmp_path / "a", "train").x
    held_out = ~np.isin(x[:, 0], train[:, 0])
    changed = x.copy()
    changed[held_out] += 1000

    other = prepare({"x": changed, "y": y}, DATA, "classes", 0, tmp_path / "b")

    assert held_out.sum() == 40
    assert facts["statistics"] == other["statistics"]
    assert facts["statistics"]["mean"] == pytest.approx(train.mean(axis=0), abs=1e-6)


def test_a_messy_table_needs_a_path_and_a_target(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Categories, gaps, a constant, dates and ids are dealt with, and what was left out is said."""
    messy().to_csv("data/raw/customers.csv", index=False)
    choose(data="csv", path="data/raw/customers.csv", set={"data": {"target": "label"}})

    preprocess()

    facts, said = read_facts(PREPARED), capsys.readouterr().out
    kinds = {column["name"]: column["kind"] for column in facts["columns"]}
    assert kinds == {
        "customer_id": "drop",
        "name": "drop",
        "country": "category",
        "age": "number",
        "source": "drop",
        "billed": "drop",
        "joined": "drop",
        "spent": "number",
    }
    assert facts["target"]["classes"] == ["leaves", "stays"]
    assert {"age is missing", "spent is missing", "country=(other)"} <= set(facts["features"])
    assert all(f"column '{name}' is left out" in said for name in ("customer_id", "name", "source"))
    assert said.count("it holds dates (") == 2
    assert all(np.isfinite(read_split(PREPARED, n).x).all() for n in facts["splits"])


Kind = TypeVar("Kind")


def unchanged(content: Kind) -> Kind:
    return content


def blank(frame: pd.DataFrame, *rows: int) -> pd.DataFrame:
    frame.loc[[*rows], "label"] = None
    return frame


FRAMES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "header": lambda f: f.iloc[:0],
    "no target": lambda f: f.rename(columns={"label": "lable"}),
    "nan target": lambda f: blank(f, 3, 10),
    "comma": lambda f: f.assign(label=[f"{n},5" for n in range(len(f))]),
    "one class": lambda f: f.assign(label="stays"),
    "two rows": lambda f: f[
        (f["label"] == "stays") | (f.index < f.index[f["label"] == "leaves"][2])
    ],
}
BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "binary garbage": lambda _: b"\xff\xfe\x00a,b\n" * 40,
    "no header": lambda _: b"6,148,72,1\n1,85,66,0\n" * 30,
    "twice": lambda c: c.replace(b"country,age", b"age ,age", 1),
    "short header": lambda c: c.replace(b"customer_id,", b"", 1),
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("empty", ["is empty"]),
        ("header", ["no rows"]),
        ("no target", ["no column 'label'", "lable"]),
        ("nan target", ["label is missing in 2", "lines 5, 12"]),
        ("one class", ["one class only", "'stays'"]),
        ("two rows", ["class", "rows", "need 3"]),
        ("twice", ["'age' occurs twice"]),
        ("short header", ["cells in each line", "line 2"]),
        ("binary garbage", ["cannot be read"]),
        ("text for a number", ["number is to be predicted", "'stays'"]),
        ("no header", ["data.header"]),
        ("comma", ["data.decimal: ','"]),
        ("two files", ["found 2", "a.csv"]),
    ],
)
def test_a_faulty_table_gets_one_clear_message(
    project: Path, change: str, expected: list[str]
) -> None:
    """Each fault of a CSV is named with its file, and nothing is written."""
    file = Path("data/raw/t.csv")
    FRAMES.get(change, unchanged)(messy()).to_csv(file, index=False)
    file.write_bytes(BYTES.get(change, unchanged)(file.read_bytes()))
    extra = {"task": "regression"} if change == "text for a number" else {}
    if change == "two files":
        Path("data/raw/a.csv").write_bytes(file.read_bytes())
        file = Path("data/raw")
    choose(data="csv", path=str(file), set={"data": {"target": "label"}, **extra})

    with pytest.raises(UserError) as refusal:
        preprocess()

    assert [text for text in expected if text not in str(refusal.value)] == []
    assert not PREPARED.exists()
    assert not list(Path("data").glob(".*building"))


def test_a_trailing_separator_shifts_no_column(project: Path) -> None:
    """Rows that end in a separator keep each value under its own name."""
    rows = [f"{n % 7}.5;{n * 3 % 11};{n % 2};" for n in range(60)]
    Path("data/raw/t.csv").write_text("\n".join(["a;b;y", *rows]))
    choose(data="csv", path="data/raw/t.csv", set={"data": {"target": "y"}})

    preprocess()

    facts = read_facts(PREPARED)
    assert facts["features"] == ["a", "b"]
    assert set(np.unique(read_split(PREPARED, "train").x[:, 0] % 1)) == {0.5}


def test_a_table_without_a_header_is_named_by_number(project: Path) -> None:
    """`header: false` keeps the first line as a row, and the target may be a number."""
    rows = [f"{n % 7},{n * 3 % 11},{n % 2}" for n in range(60)]
    Path("data/raw/t.csv").write_text("\n".join(rows))
    choose(data="csv", path="data/raw/t.csv", set={"data": {"target": 2, "header": False}})

    preprocess()

    facts = read_facts(PREPARED)
    assert facts["features"] == ["0", "1"]
    assert sum(split["rows"] for split in facts["splits"].values()) == 60


@pytest.mark.parametrize(("every", "rare"), [(10, True), (2, False)])
def test_unbalanced_classes_are_said(
    project: Path, capsys: pytest.CaptureFixture[str], every: int, rare: bool
) -> None:
    """A tenth of yes is named with the headline score; a half is not worth a line."""
    left = np.where(np.arange(200) % every, "no", "yes")
    noise = np.random.default_rng(0).normal(size=200)
    pd.DataFrame({"spent": noise, "left": left}).to_csv("data/raw/c.csv", index=False)
    choose(data="csv", path="data/raw/c.csv", set={"data": {"target": "left"}})

    preprocess()

    said = capsys.readouterr().out
    line = 'note: classes are unbalanced: "no" 108, "yes" 12 of 120 training rows (10 % "yes")'
    assert (f"{line}: the headline score is average precision (pr_auc)" in said) == rare
    assert ("unbalanced" in said) == rare


def test_a_user_that_training_has_not_seen_is_coded_so_and_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ratings of an unseen user have code 0, and preprocess says how many there are."""
    lines = [f"u{n % 9},i{n % 7},{n % 5 + 1},{n}" for n in range(63)]
    lines += [f"late,i{n},3,{100 + n}" for n in range(7)]
    Path("data/raw/r.csv").write_text("\n".join(["user_id,item_id,rating,day", *lines]))
    split = {"validation": 0.1, "test": 0.1, "stratify": False, "time": "day"}
    choose(data="ratings", path="data/raw/r.csv", set={"data": {"time": "day", "split": split}})

    preprocess()

    assert (read_split(PREPARED, "test").x[:, 0] == 0).all()
    assert "7 of 7 test rows have a user_id that training has not seen" in capsys.readouterr().out


def test_an_item_of_no_rating_has_its_features(tmp_path: Path) -> None:
    """Codes of the table alone follow those of training, whose rows alone standardise features.

    A column of numbers stays a number, also where all of them differ.
    """
    pairs = pd.DataFrame({"user": [f"u{n % 5}" for n in range(40)], "item": np.arange(40) % 8})
    prices = pd.DataFrame({"price": np.arange(10) * 10}, index=[str(n) for n in range(10)])
    source: Source = {
        "x": pairs,
        "y": np.arange(40) % 5,
        "coding": {"types": {"user": "code", "item": "code"}},
        "tables": {"item": prices},
    }

    facts = prepare(source, sections.data(normalize=False), "number", 0, tmp_path / "p")
    table = np.load(tmp_path / "p/train/item.npy")

    assert facts["sizes"] == [6, 11]
    assert facts["tables"] == {"item": ["price"]}
    assert table[0] == 0
    levels, trained = facts["columns"][1]["levels"], facts["columns"][1]["trained"]
    assert table[1 : trained + 1].mean() == pytest.approx(0, abs=1e-6)
    assert set(levels[trained:]) >= {"8", "9"}
    assert np.corrcoef(table[1:, 0], [int(level) for level in levels])[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("how", ["2024-{:02}-01", "{}", "2024-{:02}-01T10:00:00+02:00"])
def test_the_latest_rows_are_tested_on(tmp_path: Path, how: str) -> None:
    """Times are in their own order, dates and texts of numbers too (10 after 9)."""
    months = np.random.default_rng(0).permutation(np.arange(1, 13))
    source: Source = {"x": months[:, np.newaxis] * 1.0, "y": months * 1.0}
    source["keys"] = {"day": np.array([how.format(month) for month in months])}
    data = sections.data(normalize=False, validation=0.25, test=0.25, stratify=False, time="day")

    prepare(source, data, "number", 0, tmp_path / "p")

    assert set(read_split(tmp_path / "p", "test").y) == {10, 11, 12}
    assert set(read_split(tmp_path / "p", "validation").y) == {7, 8, 9}


@pytest.mark.parametrize("times", [["31.12.2023", "02.01.2024"], [1.0, np.nan], [None, "2024"]])
def test_a_time_that_does_not_sort_is_named(tmp_path: Path, times: list[Any]) -> None:
    """A date of another form and a missing time are refused with their row."""
    x, y = np.arange(40.0)[:, np.newaxis], np.arange(40)
    source: Source = {"x": x, "y": y, "keys": {"day": times * 20}}
    data = sections.data(normalize=False, stratify=False, time="day")

    with pytest.raises(ValueError, match=r"data.split.time: day: a time must .* \(row [01]"):
        prepare(source, data, "number", 0, tmp_path / "p")


def test_a_missing_date_is_a_missing_number() -> None:
    """It is filled with the median, and a feature says so."""
    days = pd.DataFrame({"day": pd.to_datetime(["2024-01-01", "NaT", "2024-01-03", "2024-01-05"])})

    coded = apply_coding(days, fit_coding(days, types={}))

    assert coded[:, 1].tolist() == [0, 1, 0, 0]
    assert coded[1, 0] == coded[2, 0]


def test_labels_are_classes_whatever_their_type(project: Path) -> None:
    """Blanks around a label and a mix of numbers and texts make no further classes."""
    labels = ["1", " 1 ", "2", '"1"', "two"] * 12
    lines = [f"{n * 7 % 13},{label}" for n, label in enumerate(labels)]
    Path("data/raw/t.csv").write_text("\n".join(["a,y", *lines]))
    choose(data="csv", path="data/raw/t.csv", set={"data": {"target": "y"}})

    preprocess()

    assert read_facts(PREPARED)["target"]["classes"] == ["1", "2", "two"]


def test_a_refused_source_leaves_the_prepared_data_alone(project: Path) -> None:
    """What was prepared before is still there, whole, after an attempt that failed."""
    choose(data="iris")
    preprocess()
    before = {f: f.read_bytes() for f in PREPARED.rglob("*.*")}
    Path("data/raw/t.csv").write_text("a,label\n1,x\n2,x\n3,x\n")
    choose(data="csv", path="data/raw/t.csv", set={"data": {"target": "label"}})

    with pytest.raises(UserError, match="one class only"):
        preprocess()

    assert before == {f: f.read_bytes() for f in PREPARED.rglob("*.*")}


cells = st.one_of(st.none(), st.floats(allow_nan=True), st.text(max_size=3), st.integers(-5, 5))


@given(st.lists(st.tuples(cells, cells), min_size=4, max_size=40))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_table_is_coded_in_finite_numbers(rows: list[tuple[object, object]]) -> None:
    """Whatever a table holds, coding gives one finite column per feature name."""
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype=object)
    train = frame.iloc[: len(frame) // 2]

    coding = fit_coding(train, types={"a": "category", "b": "number"}, max_categories=4)
    coded = apply_coding(frame, coding)

    assert coded.shape == (len(frame), len(feature_names(coding)))
    assert np.isfinite(coded).all()
    assert coding == json.loads(json.dumps(coding))
