"""What is predicted: class codes, or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types as kinds

MANY = 20  # whole numbers with more distinct values than this are a quantity, not classes


def code_target(source: dict[str, Any], kind: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The target as int32 class codes or float64 numbers, and its description.

    Args:
        source: what a data function returned.
        kind: `classes`, `number`, or `auto` to find out.

    Returns:
        `y` (rows,) and `{"name", "kind", "classes"}`; classes are texts, sorted by value.

    Raises:
        ValueError: missing values, one class only, or text where numbers are wanted.
    """
    name = str(source.get("target", "the target"))
    values = pd.Series(
        np.asarray(source["y"]) if not isinstance(source["y"], pd.Series) else source["y"]
    )
    values = values.reset_index(drop=True)
    _check_missing(values, name, source.get("first_row", 0))
    if kind == "classes" or (kind == "auto" and _is_classes(values)):
        return _code_classes(values, name)
    numbers = pd.to_numeric(values, errors="coerce")
    if not np.isfinite(numbers).all():
        bad = values[~np.isfinite(numbers)].iloc[0]
        raise ValueError(f"{name}: a number is to be predicted, and {bad!r} is none")
    if numbers.abs().max() > np.finfo(np.float32).max:
        raise ValueError(f"{name}: {numbers.abs().max():g} is too large to learn; rescale it")
    if numbers.min() == numbers.max():
        raise ValueError(f"{name} is {numbers.iloc[0]} in every row: there is nothing to learn")
    return numbers.to_numpy(np.float64), {"name": name, "kind": "number"}


def _check_missing(values: pd.Series, name: str, first_row: int) -> None:
    missing = np.flatnonzero(values.isna())
    if len(missing):
        where = ", ".join(str(row + first_row) for row in missing[:5])
        more = ", ..." if len(missing) > 5 else ""
        unit = "lines" if first_row else "rows"
        raise ValueError(
            f"{name} is missing in {len(missing)} of {len(values)} rows ({unit} {where}{more}): "
            "remove those rows or fill them in; a guessed target would falsify every score"
        )


def _is_classes(values: pd.Series) -> bool:
    if kinds.is_bool_dtype(values) or not kinds.is_numeric_dtype(values):
        return True
    distinct = values.nunique()
    return bool((values % 1 == 0).all()) and distinct <= MANY and distinct < len(values) / 2


def _code_classes(values: pd.Series, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    if kinds.is_float_dtype(values) and (values % 1 == 0).all():
        values = values.astype("int64")
    found = values.unique().tolist()
    if len({type(label) for label in found}) > 1:  # 1 and "1" are one class, and sort as text
        values = values.astype(str)
        found = values.unique().tolist()
    classes = sorted(found)
    if len(classes) > max(MANY, len(values) / 2):
        raise ValueError(
            f"{name} has {len(classes)} different values in {len(values)} rows, too many for "
            f"classes ({classes[0]!r}); numbers with a decimal comma need `data.decimal: ','`"
        )
    if len(classes) < 2:
        raise ValueError(f"{name} has one class only ({classes[0]!r}): there is nothing to learn")
    codes = values.map({label: code for code, label in enumerate(classes)})
    texts = [str(label) for label in classes]
    return codes.to_numpy(np.int32), {"name": name, "kind": "classes", "classes": texts}
