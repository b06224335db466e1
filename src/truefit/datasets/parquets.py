"""Parquet files: every column as the values that it holds, whatever type the file gives it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types as kinds

from truefit.core.prepared.columns import is_large
from truefit.datasets.checks import check_names, plain_name
from truefit.datasets.delimited import without_blanks

NESTED = (list, dict, tuple, set, bytes, np.ndarray)


def read_parquet(file: Path, na_values: Collection[str] = ()) -> pd.DataFrame:
    """Return a Parquet file's columns, an index with a name among them.

    No name has blanks around it. Texts in `na_values`, and numbers that they are, are missing.

    Raises:
        ValueError: it is no Parquet file, has no rows, a name occurs twice, or a cell is a list.
    """
    try:
        frame = pd.read_parquet(file)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{file} cannot be read as Parquet: {error}") from error
    if frame.empty:
        raise ValueError(f"{file} has no rows")
    check_names(str(file), frame.columns)
    for large, exact in _exact(file, frame).items():
        frame[large] = exact
    index = [name for name in frame.index.names if name is not None]
    check_names(str(file), [*index, *frame.columns])
    frame = frame.reset_index(drop=not index)
    frame.columns = pd.Index([plain_name(name) for name in frame.columns])
    for name, values in frame.items():
        if any(isinstance(value, NESTED) for value in values.dropna().head(100)):
            raise ValueError(
                f"{file}: column {name!r} holds lists or bytes; a cell must be one number or text: "
                "write it as separate columns, or leave it out of the file"
            )
        if isinstance(values.dtype, pd.CategoricalDtype):
            dtype = values.cat.categories.dtype
            is_gap = values.isna().any() and pd.api.types.is_integer_dtype(dtype)
            frame[name] = values.astype("float64" if is_gap else dtype)
    return _without(without_blanks(frame), na_values)


def _without(frame: pd.DataFrame, na_values: Collection[str]) -> pd.DataFrame:
    """The table in which these texts, and the numbers that they are, are missing."""
    if not na_values:
        return frame
    words = pd.Series([*na_values], dtype=object)
    numbers = pd.to_numeric(words, errors="coerce").dropna()

    def mask(values: pd.Series) -> pd.Series:
        if kinds.is_bool_dtype(values):
            return values
        if kinds.is_numeric_dtype(values):
            is_whole = kinds.is_integer_dtype(values) and is_large(values)
            exact = values.astype("Int64") if is_whole else values  # a gap makes others float64
            return exact.mask(values.isin(numbers))
        return values.mask(values.astype(object).isin(words))

    return frame.apply(mask)


def _exact(file: Path, frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Integers beside gaps, where the float64 that pandas makes of them would round some."""
    large = [str(n) for n, v in frame.items() if v.dtype == "float64" and is_large(v)]
    if not large:
        return {}
    again = pd.read_parquet(file, columns=large, dtype_backend="numpy_nullable")
    return {str(n): v for n, v in again.items() if pd.api.types.is_integer_dtype(v)}
