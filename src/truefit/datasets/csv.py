"""A table of the user's own from a CSV file."""

from __future__ import annotations

import difflib
import warnings
from pathlib import Path
from typing import Any, Literal

import pandas as pd


def csv(
    *,
    path: str,
    target: str | int,
    header: bool = True,
    separator: str | None = None,
    decimal: Literal[".", ","] = ".",
    types: dict[str | int, Literal["number", "category", "drop"]] | None = None,
    na_values: list[str] | None = None,
    max_categories: int = 32,
) -> dict[str, Any]:
    """`x` a frame of all columns but `target`, `y` that column, and how to code the columns.

    Raises:
        ValueError: the file is empty or no table, or lacks a column; the message says which.
    """
    file = _one_file(path)
    frame = _read(
        file,
        header=0 if header else None,
        sep=separator or _separator(file),
        decimal=decimal,
        na_values=na_values or [],
    )
    columns = [str(name) for name in frame.columns]
    column = str(target)
    kinds = {str(name): kind for name, kind in (types or {}).items()}
    for name in [column, *kinds]:
        if name not in columns:
            close = difflib.get_close_matches(name, columns, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"{file}: there is no column {name!r}.{hint} Columns: {', '.join(columns[:20])}"
            )
    if len(columns) < 2:
        raise ValueError(
            f"{file}: {column!r} is its only column; set `data.separator` if the file does not use "
            f"{_separator(file)!r}"
        )
    return {
        "x": frame.drop(columns=column),
        "y": frame[column],
        "target": column,
        "coding": {"types": kinds, "max_categories": max_categories},
        "first_row": 2 if header else 1,  # row numbers in messages are the file's lines
    }


def _one_file(path: str) -> Path:
    """`path` itself, or the only CSV file in the folder `path`."""
    place = Path(path)
    if not place.is_dir():
        return place
    found = sorted(file for file in place.rglob("*.csv") if file.is_file())
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:10]) or "none"
        raise ValueError(
            f"data.path: expected one .csv file in {path}, found {len(found)} ({names}); "
            "name the file with `path:` in params.yaml"
        )
    return found[0]


def _read(file: Path, **options: Any) -> pd.DataFrame:
    if file.stat().st_size == 0:
        raise ValueError(f"{file} is empty: expected a header line and rows")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                file,
                **options,
                skipinitialspace=True,
                index_col=False,  # else a trailing separator shifts every column by one
                low_memory=False,  # else the type of a column may change between chunks
                encoding="utf-8-sig",
            )
    except (ValueError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{file} cannot be read as a table in UTF-8: {error}") from error
    if frame.empty:
        raise ValueError(f"{file} has a header and no rows")
    names = [str(name).strip() for name in frame.columns]
    if options["header"] == 0 and all(name.replace(".", "").isdigit() for name in names):
        raise ValueError(
            f"{file}: the first line holds numbers, not names; set `data.header` to false and name "
            f"columns by their number, 0 to {len(names) - 1}"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{file}: the column name {twice[0]!r} stands twice; rename one")
    frame.columns = pd.Index(names)
    stripped: pd.DataFrame = frame.map(
        lambda value: value.strip() if isinstance(value, str) else value
    )
    return stripped


def _separator(file: Path) -> str:
    """The one of `,` `;` tab `|` that the header has most of."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        header = lines.readline()
    return max(",;\t|", key=header.count)
