"""What several sources check of a column: which rows are at fault, and times that sort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types as kinds


def refuse(where: str, values: pd.Series, bad: pd.Series, what: str, first_row: int) -> None:
    """Name the rows that are bad, if there are any; `first_row` is the line of the first.

    Raises:
        ValueError: some are; it shows ten of them.
    """
    if rows := np.flatnonzero(bad).tolist():
        unit = "line" if first_row else "row"
        shown = ", ".join(f"{unit} {row + first_row}: {values.iloc[row]!r}" for row in rows[:10])
        raise ValueError(
            f"{where}: {what}; {len(rows)} of {len(values)} rows are not so ({shown}"
            f"{', ...' if len(rows) > 10 else ''}): correct or remove them"
        )


def as_times(where: str, values: pd.Series, first_row: int) -> np.ndarray:
    """Numbers, or dates, in an order that is that of time.

    Raises:
        ValueError: a time is missing, or is neither a number nor a date like 2024-12-31.
    """
    times = values
    if not kinds.is_datetime64_any_dtype(values):
        times = pd.to_numeric(values, errors="coerce")
        if times.isna().any() and not kinds.is_numeric_dtype(values):
            times = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    what = "a time must be a number or a date like 2024-12-31"
    refuse(where, values, times.isna(), what, first_row)
    return times.astype("int64" if kinds.is_datetime64_any_dtype(times) else "float64").to_numpy()


def check_names(where: str, names: Iterable[object], hint: str = "") -> None:
    """Refuse columns that share a name, once blanks around it are gone.

    Raises:
        ValueError: two do; the message has the name, and `hint`, another way out.
    """
    counts = Counter(str(name).strip() for name in names)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"{where}: the column name {twice[0]!r} stands twice; rename one{hint}")


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
