"""Values that are odd: each is read as what it is, or it is said what it is taken for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sections

from truefit.core.prepared.findings import read_report
from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.npz import npz
from truefit.datasets.prepare import prepare
from truefit.datasets.splits import split_rows
from truefit.datasets.target import code_target
from truefit.serving.predict import strange_values

DATA = sections.data()
X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2


def table(folder: Path, values: list[str], source: str = "csv") -> str:
    frame = pd.DataFrame({"a": np.arange(40) / 2, "v": (values * 40)[:40], "y": Y})
    file = folder / f"t.{source}"
    frame.to_csv(file, index=False) if source == "csv" else frame.to_parquet(file)
    return str(file)


@pytest.mark.parametrize("source", ["csv", "parquet"])
@pytest.mark.parametrize(
    "values",
    [["$12", "$7.5"], ["12%", "7"], ["(12)", "3"], ["1.5M", "7k"], ["12 kg"], ["\u221212"]],
)
def test_numbers_with_a_sign_or_unit_are_said_to_be_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, values: list[str]
) -> None:
    """They are a category, as is said with the way out; a type that is set says nothing."""
    read: Any = {"csv": csv, "parquet": parquet}[source]
    path = table(tmp_path, values, source)

    assert read(path=path, target="y")["x"]["v"][0] == values[0]

    assert f"such as {values[0]!r}, and are taken for texts: write bare" in capsys.readouterr().out
    read(path=path, target="y", types={"v": "category"})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("values", [["05.01.24", "x"], ["10.0.0.1"], ["30-39", "3+"], ["A12"]])
def test_other_texts_with_digits_are_not_said_to_be_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: list[str]
) -> None:
    """Dates, addresses, ranges and codes are texts."""
    csv(path=table(tmp_path, values), target="y")

    assert "write bare numbers" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "sign", "number"),
    [
        (["1\u00a0665", "7"], "\u00a0", 1665),
        (["1\u202f665", "7"], "\u202f", 1665),
        (["1\u2019665", "7"], "\u2019", 1665),
        (["1,23,456", "7"], ",", 123456),
    ],
)
def test_thousands_of_every_country_are_refused_with_what_reads_them(
    tmp_path: Path, values: list[str], sign: str, number: int
) -> None:
    """The setting that the message has can be pasted, and reads the numbers."""
    path = table(tmp_path, values)

    with pytest.raises(ValueError, match=f"data.thousands: '{sign}'`"):
        csv(path=path, target="y")

    assert csv(path=path, target="y", thousands=sign)["x"]["v"][0] == number


def test_booleans_beside_0_and_1_are_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """True, 1, false and 0 in one column are two values, and no note says otherwise."""
    x = csv(path=table(tmp_path, ["True", "1", "false", "0"]), target="y")["x"]

    assert x["v"].tolist()[:4] == [1, 1, 0, 0]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_infinite_values_are_reported(tmp_path: Path, source: str) -> None:
    """What counts as missing because no 32 bits hold it stands in the report."""
    frame = pd.DataFrame({"a": np.arange(40) / 2, "v": [1.5, np.inf, -1e39, 2] * 10, "y": Y})
    file = tmp_path / f"t.{source}"
    frame.to_csv(file, index=False) if source == "csv" else frame.to_parquet(file)
    read: Any = {"csv": csv, "parquet": parquet}[source]

    facts = prepare(read(path=str(file), target="y"), DATA, "auto", 0, tmp_path / "p")

    said = [str(one) for one in read_report(facts).findings if one.kind == "changed"]
    assert said == ["20 of 40 values of v are infinite or no numbers, and count as missing"]
    assert [*strange_values(frame, facts["columns"])] == [
        "20 of 40 values of 'v' are no numbers and count as missing, such as inf"
    ]


def test_a_target_that_is_infinite_is_named_by_its_line(tmp_path: Path) -> None:
    """The number stands in the message as Python writes it, and no setting that cannot help."""
    file = tmp_path / "t.csv"
    file.write_text("a,y\n\n1,1.5\n2,1e400\n3,2.5\n")

    with pytest.raises(ValueError, match=r"and inf is none \(line 4\): correct it$"):
        code_target(csv(path=str(file), target="y"), "auto")


def test_a_text_null_is_not_said_to_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words of a column of texts are texts, and no note says otherwise."""
    (tmp_path / "t.csv").write_text("text,label\nnull,a\n007,b\nNA,a\na word,b\n")

    x = text_csv(path=str(tmp_path / "t.csv"), text="text", target="label")["x"]

    assert x["text"].tolist() == ["null", "007", "NA", "a word"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b,y\n1,2,0\n\n1,2,0,7\n", "expected 3 cells in each line with ',' between them, as th"),
        ("sep=,\na,b,y\n1,2,0\n", "received 3 in line 2"),
        ("a,b,y\n1,2,0\n\n1,2,0,7\n", "received 4 in line 4"),
        ("\n\n", "is empty: expected a header line and rows"),
        ("\ufeff", "is empty: expected a header line and rows"),
    ],
)
def test_a_line_that_is_too_long_is_named(tmp_path: Path, content: str, expected: str) -> None:
    """The message counts cells as people do, and has no word of pandas' parser."""
    (tmp_path / "t.csv").write_text(content)

    with pytest.raises(ValueError, match=r".") as refused:
        csv(path=str(tmp_path / "t.csv"), target="y")

    assert expected in str(refused.value)
    assert "C error" not in str(refused.value)


def test_groups_are_called_alike_beside_a_gap() -> None:
    """A column of integers with a gap is one of floats; its groups are 1 and 2 all the same."""
    groups = np.array([1.0] * 4 + [2.0] * 4 + [np.nan] * 4)

    rows = split_rows(None, 12, validation=[2], test=[1.0], seed=0, groups=groups)

    assert rows["test"].tolist() == [0, 1, 2, 3]
    assert rows["validation"].tolist() == [4, 5, 6, 7]


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "complex": ({"x": X, "y": Y + 1j}, "y must hold numbers, texts or moments, received complex"),
    "bytes": ({"x": X, "y": np.array([b"\xfc", b"v"] * 20)}, "y holds bytes that are not UTF-8"),
    "large": ({"x": X + np.array([1e39, 0, 0]), "y": Y}, "NaN or infinity (beyond 3.4e38)"),
    "types": (
        {"x_train": np.zeros((40, 8, 8), np.uint8), "y_train": Y,
         "x_test": np.zeros((40, 8, 8)), "y_test": Y},
        "expected x_train and x_test in one unit, received uint8 and float64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_odd_arrays_are_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    """No traceback, no warning of NumPy's, and no images that are learned as another's scale."""
    arrays, expected = ODD[kind]
    np.savez(tmp_path / "t.npz", **arrays)

    with pytest.raises(ValueError, match=r".") as refused:
        prepare(npz(path=str(tmp_path / "t.npz")), DATA, "auto", 0, tmp_path / "p")

    assert expected in str(refused.value)


def test_arrays_that_are_not_read_are_reported(tmp_path: Path) -> None:
    """An x_val or groups beside the arrays is not left out without a word."""
    np.savez(tmp_path / "t.npz", x=X, y=Y, groups=Y, x_val=X)

    found = npz(path=str(tmp_path / "t.npz"))["findings"]

    assert [str(one) for one in found] == [
        "2 of 4 arrays are left out: groups, x_val; those that are read are x, y"
    ]
