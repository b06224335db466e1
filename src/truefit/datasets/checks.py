"""What several sources check of a column: which rows are at fault, and times that sort."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from pandas.api import types as kinds

from truefit.core.prepared.findings import Finding

Lines = Callable[[np.ndarray], list[int]]  # the line of the file in which each row begins
SHOWN = 10  # rows that a message names


class Source(TypedDict, total=False):
    """What a data function returns; own ones return a plain dict of these keys (docs/own-data.md).

    Attributes:
        x: rows as a DataFrame, an array, or something that reads them when it is asked.
        y: the target of each row; a column for each of several labels.
        target: its name.
        keys: what rows may be grouped or ordered by, by name.
        features: names of an array's features.
        coding: arguments of `fit_coding`.
        tables: features of the codes of a column, by the column's name.
        lines: where rows stand in their file, for messages.
        findings: what the source noticed.
        is_test: whether a row is in the given test split.
        is_validation: whether it is in the given validation split.
        first_row: what earlier sources gave in place of `lines`.
    """

    x: Any  # what else has rows of one type is an own class, such as `Images`
    y: Any
    target: str
    keys: dict[str, Any]
    features: list[str] | None
    coding: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    lines: Lines | None
    findings: list[Finding]
    is_test: np.ndarray
    is_validation: np.ndarray
    first_row: int


def name_rows(rows: np.ndarray, lines: Lines | None) -> str:
    """`lines 3, 7`, or where a file has none `rows 1, 5`; ten at most."""
    unit, numbers = ("line", lines(rows[:SHOWN])) if lines else ("row", rows[:SHOWN].tolist())
    more = ", ..." if len(rows) > SHOWN else ""
    return f"{unit}{'s' if len(rows) > 1 else ''} {', '.join(map(str, numbers))}{more}"


def refuse(
    where: str, values: pd.Series, bad: pd.Series, what: str, lines: Lines | None = None
) -> None:
    """Name the rows that are bad, if there are any, by their lines where a file has some.

    Raises:
        ValueError: some are; it shows ten of them.
    """
    if len(rows := np.flatnonzero(bad)):
        unit, few = ("line" if lines else "row"), rows[:SHOWN]
        received = values.iloc[few].tolist()  # numbers as Python writes them
        numbered = zip(lines(few) if lines else few, received, strict=True)
        shown = ", ".join(f"{unit} {number}: {value!r}" for number, value in numbered)
        raise ValueError(
            f"{where}: {what}; {len(rows)} of {len(values)} rows are not so ({shown}"
            f"{', ...' if len(rows) > SHOWN else ''}): correct or remove them"
        )


def as_times(where: str, values: pd.Series, lines: Lines | None = None) -> np.ndarray:
    """Numbers, or dates, in an order that is that of time.

    Raises:
        ValueError: a time is missing, or is neither a number nor a date like 2024-12-31; or some
            are numbers and others dates.
    """
    times = values
    if not kinds.is_datetime64_any_dtype(values):
        times = pd.to_numeric(values, errors="coerce")
        if times.isna().any() and not kinds.is_numeric_dtype(values):
            numbers = times.notna()
            times = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
            what = "times must be written alike, and others are dates"  # 1000 is no year of theirs
            refuse(where, values, numbers & bool(times[~numbers].notna().any()), what, lines)
    what = "a time must be a number or a date like 2024-12-31"
    refuse(where, values, times.isna(), what, lines)
    return times.astype("int64" if kinds.is_datetime64_any_dtype(times) else "float64").to_numpy()


def plain_name(name: object) -> str:
    """Return a column's name without blanks around it, an `ö` of two signs as one letter."""
    return unicodedata.normalize("NFC", str(name).strip())


def check_names(where: str, names: Iterable[object], hint: str = "") -> None:
    """Refuse columns that share a name, once blanks around it are gone.

    Raises:
        ValueError: two do; the message has the name, and `hint`, another way out.
    """
    counts = Counter(map(plain_name, names))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"{where}: the column name {twice[0]!r} occurs twice; rename one{hint}")


def not_utf8(file: Path, way_out: str = "save it as UTF-8", content: bytes | None = None) -> str:
    """Which byte is at fault; pandas counts from the start of a block, not of the file."""
    content = file.read_bytes() if content is None else content
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f"line {line} holds the byte 0x{content[error.start]:02x} (byte {error.start})"
        return f"{file} cannot be read as UTF-8: {where}; {way_out}"
    return f"{file} cannot be read as UTF-8; {way_out}"
