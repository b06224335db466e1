"""A folder that holds the one file to read, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_odd_folders import X, Y

from truefit.datasets.frames import csv, parquet
from truefit.datasets.npz import npz
from truefit.datasets.ratings import ratings
from truefit.datasets.rows import read_rows


@pytest.mark.parametrize("source", [csv, npz, ratings])
def test_a_link_beside_the_one_file_is_no_fault(tmp_path: Path, source: Any) -> None:
    """What lies behind it is not read, where one file is all that is."""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (folder := tmp_path / "raw").mkdir()
    (folder / "images").symlink_to(elsewhere)
    if source is npz:
        np.savez(folder / "a.npz", x=np.zeros((3, 1)))
    else:
        (folder / "a.csv").write_text("user_id,item_id,rating\n" + "1,2,3\n2,1,4\n" * 20)

    assert source(path=str(folder), **({"target": "rating"} if source is csv else {}))["x"].shape[0]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
@pytest.mark.parametrize("name", ["data", "DATA"])
def test_the_only_table_of_a_folder_is_found(tmp_path: Path, ending: str, name: str) -> None:
    """What a Mac leaves beside it is no second one, and an ending may have capital letters."""
    file = tmp_path / f"{name}{ending.upper() if name == 'DATA' else ending}"
    frame = pd.DataFrame({"a": np.arange(9.0), "y": np.arange(9) % 2})
    with file.open("wb") as opened:
        if ending == ".npz":
            np.savez(opened, x=frame[["a"]], y=frame["y"])
        else:
            (frame.to_csv if ending == ".csv" else frame.to_parquet)(opened)
    (tmp_path / f"._data{ending}").write_bytes(b"x")
    read: dict[str, Any] = {
        ".csv": lambda: csv(path=str(tmp_path), target="y"),
        ".parquet": lambda: parquet(path=str(tmp_path), target="y"),
        ".npz": lambda: npz(path=str(tmp_path)),
    }

    assert read[ending]()["y"].tolist() == frame["y"].tolist()


def test_a_folder_of_tables_to_predict_is_called_so(tmp_path: Path) -> None:
    """It was said to be images."""
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")

    with pytest.raises(ValueError, match=r"received a folder, which holds 1 \.csv: name the file"):
        read_rows(tmp_path, {"_target_": "truefit.datasets.frames.csv"})


def test_arrays_that_nothing_reads_are_named(tmp_path: Path) -> None:
    """A validation split under another name is not lost silently."""
    np.savez(tmp_path / "t.npz", x_train=X, y_train=Y, x_test=X, y_test=Y, x_val=X, y_val=Y)

    [finding] = npz(path=str(tmp_path / "t.npz"))["findings"]

    assert str(finding).startswith("2 of 6 arrays are left out: x_val, y_val;")


def test_arrays_of_a_folder_that_nothing_reads_are_named(tmp_path: Path) -> None:
    """As those of an .npz file are, deeper ones too; what a Mac leaves beside them is none."""
    (tmp_path / "more").mkdir()
    for name, array in (("x", X), ("y", Y), ("x_val", X), ("more/y_val", Y), ("._x", X)):
        np.save(tmp_path / f"{name}.npy", array)

    [finding] = npz(path=str(tmp_path))["findings"]

    assert str(finding).startswith("2 of 4 arrays are left out: more/y_val, x_val;")
