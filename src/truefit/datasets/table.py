"""Columns of a table become numbers; every statistic comes from the training rows alone."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types as kinds

Coding = dict[str, Any]
ID_NAME = re.compile(
    r"(^|[_\s-])(id|uuid|guid|index|rowid|rownames?)$|^unnamed: \d+$", re.IGNORECASE
)
FEW = 20  # with no more distinct values than this a column is never id-like
LARGEST = float(np.finfo(np.float32).max)
MOSTLY = 0.9  # share of a text column that must read as numbers for it to be one


def fit_coding(train: pd.DataFrame, *, types: dict[str, str], max_categories: int) -> list[Coding]:
    """How each column is coded, as plain values for dataset.json.

    `number`: one feature, missing values filled with the median of `train`, and a second feature
    that says "was missing" if any were. `category`: one feature per level and one for all others
    (rare, missing, unseen). `drop`: none, with the reason.
    """
    return [
        _fit_column(str(name), train[name], types.get(str(name)), max_categories) for name in train
    ]


def apply_coding(frame: pd.DataFrame, coding: list[Coding]) -> np.ndarray:
    """`frame` as float32 (rows, features), in the order of `feature_names`."""
    parts: list[Any] = []
    for column in coding:
        parts += _apply_column(pd.Series(frame[column["name"]]), column)
    return np.column_stack([np.asarray(part, dtype=np.float32) for part in parts])


def feature_names(coding: list[Coding]) -> list[str]:
    """One name per feature: `age`, `age is missing`, `colour=red`, `colour=(other)`."""
    names: list[str] = []
    for column in coding:
        name = column["name"]
        if column["kind"] == "number":
            names += [name, f"{name} is missing"] if column["indicator"] else [name]
        elif column["kind"] == "category":
            names += [*(f"{name}={level}" for level in column["levels"]), f"{name}=(other)"]
    return names


def _fit_column(name: str, values: pd.Series, asked: str | None, max_categories: int) -> Coding:
    numbers = as_numbers(values, force=asked == "number")
    why = (
        "by `data.types`"
        if asked == "drop"
        else None
        if asked
        else _why_drop(name, values, numbers)
    )
    if why:
        return {"name": name, "kind": "drop", "why": why}
    if asked != "category" and numbers is not None:
        fill = numbers.median()
        return {
            "name": name,
            "kind": "number",
            "fill": float(fill) if np.isfinite(fill) else 0.0,
            "indicator": bool(numbers.isna().any()),
        }
    counts = values.dropna().astype(str).value_counts()
    ordered = sorted(counts.index, key=lambda level: (-counts[level], level))
    return {"name": name, "kind": "category", "levels": sorted(ordered[: max_categories - 1])}


def as_numbers(values: pd.Series, *, force: bool = False) -> pd.Series | None:
    """`values` as float64 with NaN for missing or infinite, or `None` for a column of text.

    A text column in which most values read as numbers is one: the rest (`?`, `n/a`) is missing.
    """
    if kinds.is_numeric_dtype(values) or kinds.is_bool_dtype(values):
        return _bounded(values)
    parsed = pd.to_numeric(values, errors="coerce")
    if force or parsed.notna().sum() > MOSTLY * max(1, values.notna().sum()):
        return _bounded(parsed)
    return None


def _bounded(numbers: pd.Series) -> pd.Series:
    """Infinity, and what float32 would make infinite, counts as missing."""
    wide = numbers.astype("float64")
    return wide.where(wide.abs() <= LARGEST)


def _why_drop(name: str, values: pd.Series, numbers: pd.Series | None) -> str | None:
    present = values.dropna()
    distinct = present.nunique()
    if distinct == 0:
        return "it has no values"
    if distinct == 1 and len(present) == len(values):
        return f"it is constant ({present.iloc[0]})"
    if numbers is None:
        many = distinct > max(FEW, len(present) / 2)
        why = f"it is id-like (text, {distinct} of {len(present)} values differ)"
        return f"{why}; `data.types` keeps it" if many else None
    if distinct < len(present) or distinct <= FEW or (numbers.dropna() % 1 != 0).any():
        return None
    if ID_NAME.search(name) or _counts_rows(numbers):
        return f"it is id-like (whole numbers, all {distinct} differ)"
    return None


def _counts_rows(numbers: pd.Series) -> bool:
    """Whether a column is the number of the row, from any start (some rows are held out)."""
    offsets = numbers.to_numpy() - numbers.index.to_numpy()
    return bool((offsets == offsets[0]).all())


def _apply_column(values: pd.Series, column: Coding) -> list[Any]:
    if column["kind"] == "number":
        numbers = as_numbers(values, force=True)
        filled = numbers.fillna(column["fill"]) if numbers is not None else values
        missing = numbers.isna() if numbers is not None else values.isna()
        return [filled, missing] if column["indicator"] else [filled]
    if column["kind"] == "category":
        levels = column["levels"]
        text = values.astype(str).where(values.notna(), None)
        return [*((text == level) for level in levels), ~text.isin(levels)]
    return []
