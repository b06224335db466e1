"""Values of a column: the same feature, level and target whatever type a file gives them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sections
from tables import read_table

from truefit.core.prepared.columns import as_categories, as_numbers
from truefit.core.prepared.folder import read_split
from truefit.core.prepared.table import apply_coding, fit_coding
from truefit.datasets.checks import Source
from truefit.datasets.frames import csv, parquet
from truefit.datasets.npz import npz
from truefit.datasets.prepare import prepare
from truefit.datasets.target import code_target, doubts_of
from truefit.evaluation.report.page import taken_for

ROWS = 60
DATA = sections.data()
MOMENTS = pd.Series(pd.date_range("2024-01-05 07:30", periods=ROWS, freq="36h"))
DAYS = MOMENTS.dt.normalize()
SPANS = pd.Series(pd.to_timedelta(np.arange(ROWS) * 1.5, unit="s"))
PRICES = pd.Series(np.arange(ROWS) * 0.25)
FLAGS = pd.Series(np.arange(ROWS) % 3 == 0)
SAME: dict[str, list[Any]] = {
    "units": [MOMENTS.dt.as_unit(unit) for unit in ("s", "ms", "us", "ns")],
    "zones": [MOMENTS, MOMENTS.dt.tz_localize("UTC"), MOMENTS.dt.tz_localize("UTC").dt.tz_convert(
        "Asia/Tokyo"
    )],
    "dates": [DAYS.dt.as_unit("ms"), DAYS.dt.as_unit("ns"), DAYS.dt.date, DAYS.dt.to_period("D")],
    "durations": [SPANS.dt.as_unit("ms"), SPANS.dt.as_unit("ns"), PRICES * 6],
    "times": [pd.Series([dt.time(1, n) for n in range(ROWS)]), 3600.0 + 60 * PRICES * 4],
    "decimals": [PRICES.map(lambda n: Decimal(f"{n:.2f}")), PRICES, PRICES.astype(np.float16),
                 PRICES.astype("Float64"), PRICES.astype(str), PRICES.map("{:.3f}".format),
                 PRICES.astype("float64[pyarrow]")],
    "flags": [FLAGS, FLAGS.astype("boolean"), FLAGS.astype(str), FLAGS.astype(str).str.lower(),
              FLAGS.astype(str).str.upper(), FLAGS.astype(int), FLAGS.astype(object),
              FLAGS.astype("bool[pyarrow]")],
}  # fmt: skip


def with_gaps(values: pd.Series) -> pd.Series:
    return values.where(values.index % 7 != 3)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("what", SAME)
def test_a_number_does_not_depend_on_the_type_of_the_file(what: str, gaps: bool) -> None:
    """Each spelling of the same values is coded as any other, missing ones included."""
    given = [with_gaps(v.astype(object) if gaps and v.dtype == bool else v) if gaps else v
             for v in SAME[what]]  # fmt: skip
    coded = [
        apply_coding(frame, fit_coding(frame, types={}))
        for frame in (pd.DataFrame({"v": values}) for values in given)
    ]

    assert all(np.array_equal(coded[0], other) for other in coded[1:])
    assert len(np.unique(coded[0][:, 0])) > 1


@pytest.mark.parametrize("what", ["units", "dates", "flags"])
def test_a_category_does_not_depend_on_the_type_of_the_file(what: str) -> None:
    """Each spelling of the same values has the same levels."""
    given = SAME[what][:4] if what == "flags" else SAME[what]

    levels = [as_categories(values).tolist() for values in given]

    assert all(levels[0] == other for other in levels[1:])


def test_pandas_categories_are_their_values(tmp_path: Path) -> None:
    """Also with gaps, from Parquet or a frame of one's own."""
    rooms = pd.Series([1, 2, None, 4] * 15)
    frame = pd.DataFrame({"rooms": rooms.astype("Int64").astype("category"), "y": FLAGS})
    frame.to_parquet(tmp_path / "t.parquet")

    read = parquet(path=str(tmp_path / "t.parquet"), target="y")["x"]

    assert read["rooms"].equals(rooms)
    assert as_categories(frame["rooms"])[:2].tolist() == ["1", "2"]
    numbers = as_numbers(frame["rooms"])
    assert numbers is not None
    assert numbers.equals(rooms)


def test_numerals_are_one_level_in_any_spelling() -> None:
    """33, 33.0 and 33.00 are one, whether the column has words or not; 2**60 stays as it is."""
    words = as_categories(pd.Series(["33", "33.00", "3+", str(2**60 + 1), "1.50"]))

    assert words.tolist() == ["33", "33", "3+", str(2**60 + 1), "1.5"]
    assert as_categories(pd.Series([33.0, 1.5])).tolist() == ["33", "1.5"]


def test_moments_are_seconds_in_utc() -> None:
    """The unit is that of Unix time, also where a CSV has the moment as a text."""
    seconds = as_numbers(pd.Series(pd.to_datetime(["1970-01-02", "NaT"]).as_unit("ms")))
    texts = pd.Series(["1970-01-02", "1970-01-02T09:00:00+09:00", "today"])

    assert seconds is not None
    assert seconds[0] == 86400
    assert np.isnan(seconds[1])
    assert as_numbers(texts) is None
    forced = as_numbers(texts, force=True)
    assert forced is not None
    assert forced[:2].tolist() == [86400, 86400]
    assert np.isnan(forced[2])


def test_moments_beyond_nanoseconds_are_numbers() -> None:
    """The year 9999 stands for `never` in many tables."""
    days = pd.Series([dt.date(9999, 12, 31), dt.date(2024, 1, 1)])

    numbers = as_numbers(days)

    assert numbers is not None
    assert numbers[0] > numbers[1] > 0


def test_moments_one_second_apart_are_no_ids() -> None:
    """That they count up as rows do is their nature."""
    frame = pd.DataFrame({"t": pd.date_range("1970-01-01", periods=ROWS, freq="s")})

    assert fit_coding(frame, types={})[0]["kind"] == "number"


@pytest.mark.parametrize("unit", ["ms", "us", "date"])
def test_a_table_in_another_unit_is_prepared_alike(tmp_path: Path, unit: str) -> None:
    """From Parquet to the arrays and to rows to predict: the same numbers."""
    days = {"date": DAYS.dt.date, "ms": DAYS.dt.as_unit("ms"), "us": DAYS.dt.as_unit("us")}
    folder, file = tmp_path / "p", tmp_path / f"{unit}.parquet"
    pd.DataFrame({"day": days[unit], "y": np.arange(ROWS) % 2}).to_parquet(file)

    facts = prepare(parquet(path=str(file), target="y"), DATA, "auto", 0, folder)

    train = read_split(folder, "train").x
    assert facts["columns"][0]["kind"] == "number"
    assert set(train[:, 0]) <= set((DAYS - pd.Timestamp(0)).dt.total_seconds().astype("float32"))
    rows = apply_coding(read_table(file), facts["columns"])
    assert set(train[:, 0]) <= set(rows[:, 0])


def test_a_duration_or_decimal_is_a_number_to_predict() -> None:
    """Also as the target, in seconds and in full."""
    for values, last in ((SPANS.dt.as_unit("ms"), 88.5), (SAME["decimals"][0], 14.75)):
        y, described = code_target({"x": np.zeros(ROWS), "y": values}, "auto")

        assert described.kind == "number"
        assert y[-1] == last


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i2", ">i4", "float16"])
def test_arrays_of_any_byte_order_are_the_same_numbers(tmp_path: Path, dtype: str) -> None:
    """Numbers of the other byte order, or of half precision, are prepared as native."""
    x = np.random.default_rng(0).integers(-90, 90, (ROWS, 4))
    y = (np.arange(ROWS) % 30).astype(dtype)
    native = np.dtype(dtype).newbyteorder("=")
    for name, kind in (("a", np.dtype(dtype)), ("b", native)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", x.astype(kind))
        np.save(tmp_path / name / "y.npy", y.astype(kind))

    one, other = (
        prepare(npz(path=str(tmp_path / name)), DATA, "number", 0, tmp_path / f"p{name}")
        for name in "ab"
    )
    assert one["digest"] == other["digest"]
    assert one["dtype"] == other["dtype"]
    assert code_target(npz(path=str(tmp_path / "a")), "auto")[1].kind in ("number", "classes")
    for target in ("classes", "auto"):
        classes: Source = {"x": x, "y": (np.arange(ROWS) % 2).astype(dtype)}
        assert code_target(classes, target)[1].classes == ["0", "1"]


HOT = np.eye(2, dtype=np.float32)[np.arange(ROWS) % 2]


def test_one_hot_classes_are_refused_in_every_source(tmp_path: Path) -> None:
    """Two columns are no other than three; the message has the way to store classes."""
    x = np.zeros((ROWS, 2))
    (tmp_path / "folder").mkdir()
    for name, values in (("x", x), ("y", HOT)):
        np.save(tmp_path / "folder" / f"{name}.npy", values)
    np.savez(tmp_path / "a.npz", x=x, y=HOT)
    np.savez(tmp_path / "b.npz", x_train=x, y_train=HOT, x_test=x, y_test=HOT)
    pd.DataFrame({"a": x[:, 0], "cat": HOT[:, 0], "dog": HOT[:, 1]}).to_csv(tmp_path / "t.csv")

    for path in (tmp_path / "folder", tmp_path / "a.npz", tmp_path / "b.npz"):
        with pytest.raises(ValueError, match=r"exactly one 1 in each row.*argmax\(axis=1\)"):
            npz(path=str(path))
    sources: list[Source] = [
        {"x": x, "y": HOT},
        {"x": x, "y": HOT.astype(bool)},
        csv(path=str(tmp_path / "t.csv"), target=["cat", "dog"]),
    ]
    for source in sources:
        with pytest.raises(ValueError, match=r"exactly one 1 in each row.*argmax\(axis=1\)"):
            code_target(source, "auto")


def test_a_frame_of_ones_own_has_no_name_twice() -> None:
    """Columns that share a name are refused by it, wherever a frame comes from."""
    frame = pd.DataFrame([[1.0, 2.0], [2.0, 1.0]], columns=["a", "a "])

    with pytest.raises(ValueError, match="the column name 'a' occurs twice"):
        fit_coding(frame, types={})


@pytest.mark.parametrize(
    ("name", "is_id"),
    [("customer_id", True), ("customerId", True), ("UserID", True), ("orderUUID", True),
     ("customer.id", True), ("rowIndex", True), ("paid", False), ("Humid", False),
     ("BID", False), ("grid", False)],
)  # fmt: skip
def test_ids_are_known_by_their_name(name: str, is_id: bool) -> None:
    """In any way to join words; a word that only ends so is none."""
    numbers = np.random.default_rng(0).permutation(1000)[:ROWS] * 7

    kind = fit_coding(pd.DataFrame({name: numbers}), types={})[0]["kind"]

    assert kind == ("drop" if is_id else "number")


def test_the_report_says_what_a_column_was_taken_for() -> None:
    """With how many training values were missing, and what they were filled with."""
    frame = pd.DataFrame({"age": [1.0, None, 3.0, 4.0], "town": ["Bern", None, None, "Rom"]})

    rows = [taken_for(column) for column in fit_coding(frame, types={})]

    assert rows == [
        {"name": "age", "kind": "number", "missing": "1",
         "fill": "3, the median; a feature says where"},
        {"name": "town", "kind": "category of 2 levels, and (other)", "missing": "2",
         "fill": "(other)"},
    ]  # fmt: skip


def test_a_target_that_was_cut_off_is_said() -> None:
    """The report has the value and how many rows share it; other targets are not in it."""
    prices = np.random.default_rng(0).normal(size=500)
    x = np.zeros((500, 1))

    def doubts(y: np.ndarray) -> list[str]:
        source: Source = {"x": x, "y": y, "target": "price"}
        return [*map(str, doubts_of(source, "number", *code_target(source, "number")))]

    assert doubts(prices) == []
    [said] = doubts(np.minimum(prices, 1.5))
    assert f"{(prices > 1.5).sum()} of 500 values of price are 1.5" in said
    assert "cut off" in said
