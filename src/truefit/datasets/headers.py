"""Whether the first line of a table names the columns, or is a row as the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types as kinds

MANY = 3  # steps up, one after the other, that a row of a table seldom has
YEARS = range(1800, 2200)  # whole numbers that may well be names of columns


def check_header(file: Path, frame: pd.DataFrame, remedy: str = "") -> None:
    """Refuse a table whose first line looks like a row.

    It does where no column of numbers has a name that is none, and most of the names are numbers
    over numbers, or texts that stand in their own column too. Numbers in even steps (0, 1, 2 or
    years) are names. `remedy` says how to read such a file, where columns are not named by number.

    Raises:
        ValueError: it does; the message says how to read such a file.
    """
    names = [str(name) for name in frame.columns]
    given = [name for name in names if not _is_blank(name)]
    over_numbers = [n for n in given if kinds.is_numeric_dtype(frame[n])]
    numbers = pd.to_numeric(pd.Series(over_numbers, dtype=object), errors="coerce")
    if numbers.isna().any() or _are_names(numbers.to_numpy(np.float64)):
        return
    texts = [name for name in given if name not in over_numbers]
    repeated = [name for name in texts if (frame[name].astype("str") == name).any()]
    alike = [*over_numbers, *repeated]
    if 2 * len(alike) > len(given):
        by_number = (
            f"set `data.header: false` and name columns by their number, 0 to {len(names) - 1}, or "
            "write names into the first line"
        )
        raise ValueError(
            f"{file}: expected names of columns in the first line, received what looks like a row, "
            f"such as {alike[0]!r}: {remedy or by_number}"
        )


def way_out(columns: int) -> str:
    """What to do where a column is not there because the first line names none."""
    if columns == 1:  # a title, a remark or `sep=;` stands there
        return " If other lines stand above the names, remove them; if not, set `data.sep`"
    return (
        " If the first line is a row, set `data.header: false` and name columns by their number, 0 "
        f"to {columns - 1}"
    )


def _is_blank(name: str) -> bool:
    return name.startswith("Unnamed: ") or not any(sign.isalnum() for sign in name)


def _are_names(numbers: np.ndarray) -> bool:
    """Whole numbers that count up, in even steps or at least four, or years."""
    if not len(numbers) or (numbers % 1 != 0).any():
        return False
    if all(int(number) in YEARS for number in numbers):
        return True
    steps = np.diff(numbers)
    is_even = len(steps) > 0 and bool((steps == steps[0]).all())
    return bool((steps > 0).all()) and (is_even or len(steps) >= MANY)
