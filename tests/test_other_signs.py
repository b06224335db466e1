"""Columns of numbers in which no value reads as one are refused, in training and in predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from truefit.core.prepared.table import fit_coding
from truefit.datasets.frames import csv, parquet
from truefit.datasets.layouts import Layout
from truefit.datasets.quantities import refuse_other_signs
from truefit.datasets.rows import read_rows

NUMBER = fit_coding(pd.DataFrame({"price": [1.5, 2.5, 3.5]}), types={"price": "number"})


def predict(folder: Path, values: list[str], name: str = "t.csv", **data: Any) -> None:
    """What `truefit predict` looks at before the model sees a row."""
    frame = pd.DataFrame({"price": values, "town": "Ulm"})
    file = folder / name
    frame.to_parquet(file) if file.suffix == ".parquet" else frame.to_csv(file, index=False)
    refuse_other_signs(read_rows(file, data), NUMBER, Layout.of(data))


@pytest.mark.parametrize(
    ("values", "data", "where"),
    [
        (["1,5", "2,5"], {}, "rows 0, 1"),
        (["1,5"], {}, "row 0"),
        (["1.5", "2,5", "3.5"], {}, "row 1"),
        (["1.5", "2.5"], {"decimal": ","}, "rows 0, 1"),
        (["1,5", "2.5"], {"decimal": {"price": ","}}, "row 1"),
        (["1,665", "2,000"], {}, "rows 0, 1"),
        ([f"${dollars}" for dollars in range(6)], {}, "rows 0, 1, 2, 3, 4, .*"),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_other_signs_than_in_training_are_refused(
    tmp_path: Path, name: str, values: list[str], data: dict[str, Any], where: str
) -> None:
    """A column that would count as missing is named, with the signs that training had."""
    sign = "," if data else "."

    with pytest.raises(ValueError, match=rf"'price' holds '.+' \({where}\).*with '\{sign}'"):
        predict(tmp_path, values, name, **data)


@pytest.mark.parametrize(
    ("values", "data"),
    [
        (["1.5", "2.5", "?"], {}),
        (["unknown"], {}),
        (["1,5", "2,5"], {"decimal": ","}),
        (["1,665.5"], {"thousands": ","}),
        (["true", "2024-12-31"], {}),
        (["5 kg"], {}),
        ([*map(str, range(97)), "1,234", "5 kg", "2,5"], {}),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_what_training_reads_is_predicted(
    tmp_path: Path, name: str, values: list[str], data: dict[str, Any]
) -> None:
    """Signs that are set, and what counts as missing in training too, are no other signs."""
    predict(tmp_path, values, name, **data)


@pytest.mark.parametrize("values", [["01/31/2024", "02/28/2024"], ["low", "high"]])
@pytest.mark.parametrize("source", ["csv", "parquet"])
def test_a_column_that_is_set_to_numbers_has_some(
    tmp_path: Path, source: str, values: list[str]
) -> None:
    """Where no value reads as one, the setting is refused, not a constant column learned from."""
    frame = pd.DataFrame({"a": range(20), "d": values * 10, "y": ["yes", "no"] * 10})
    file = tmp_path / f"t.{source}"
    frame.to_csv(file, index=False) if source == "csv" else frame.to_parquet(file)
    read: Any = {"csv": csv, "parquet": parquet}[source]

    with pytest.raises(ValueError, match=r"`data.types.d: number` is set, and none of the 20"):
        read(path=str(file), target="y", types={"d": "number"})

    known = read(path=str(file), target="y", types={"d": "category"})
    assert known["x"]["d"].nunique() == 2
