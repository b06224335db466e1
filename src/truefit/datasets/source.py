"""What a data function returns, made sure of before a row of it is taken for another."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from scipy import sparse

from truefit.core.errors import nearest
from truefit.core.prepared.findings import few_of, note
from truefit.datasets.checks import Source, check_names
from truefit.datasets.delimited import without_blanks
from truefit.datasets.numerals import Numerals, with_columns

MASKS = ("is_test", "is_validation")  # of the rows of splits that a source gives
KNOWN = {
    *("x", "y", "target", "keys", "features", "coding", "tables", "lines", "findings"), *MASKS,
    "first_row",  # which earlier sources gave in place of lines
}  # fmt: skip
OURS = "truefit."  # what the names of our own sources begin with; they read tables by themselves
TEXTS = ("code", "text", "characters")  # types of columns that are looked up as they are written
NUMBERS = (int, float, np.number)
CHANNELS = (1, 3)  # of an image: grey or colour


def check_source(source: object, where: str) -> Source:
    """Return the source with arrays and text names where it had lists and other names.

    A frame of an own function is read by the rules of a Parquet file: texts have no blanks around
    them, columns of numbers with marks such as `?` are numbers.

    Args:
        source: what a data function returned.
        where: the function's name, for messages.

    Raises:
        ValueError: it is no dictionary with x, has keys that nothing reads, values that NumPy
            masks, or rows of x, y, keys and masks that do not belong to each other.
    """
    if not isinstance(source, dict) or "x" not in source:
        raise ValueError(f"{where} must return a dictionary with x, and mostly y")
    _check_keys(source, where)
    x = _rows(source["x"], where)
    checked = cast("Source", source | {"x": x})  # its keys are known ones, as seen above
    if "y" in source:
        checked["y"] = _numbered(_target(source["y"], x, where))
    checked["x"] = x = _numbered(x)
    keys = {} if source.get("keys") is None else source["keys"]
    if not isinstance(keys, dict):
        raise ValueError(f"{where}: keys must be a dictionary of a value a row, by name")
    for name, values in keys.items():
        _same_length(len(x), values, where, f"keys[{name!r}]")
    if source.get("is_test") is not None:
        checked["is_test"] = _mask(source["is_test"], len(x), where, "is_test")
    if source.get("is_validation") is not None:
        mask = _mask(source["is_validation"], len(x), where, "is_validation")
        checked["is_validation"] = mask
    if isinstance(x, pd.DataFrame) and not where.startswith(OURS):
        _read_as_table(checked, where)
    return checked


def _check_keys(source: dict[str, Any], where: str) -> None:
    for name in source:
        if name not in KNOWN:
            hint = nearest(str(name), KNOWN)
            raise ValueError(f"{where}: nothing reads the key {name!r} of what it returns.{hint}")


def _rows(x: Any, where: str) -> Any:
    _refuse_masked(x, where, "x")
    if isinstance(x, pd.DataFrame):
        check_names(where, x.columns)
        x = x.rename(columns=str) if isinstance(x.columns, pd.Index) else x
        for column in x:
            _plain_cells(x[column], where, f"the column {column!r}")
        return x
    if _is_array_like(x) and not sparse.issparse(x):
        _refuse_channels_first(tuple(x.shape), where)
        return x
    try:
        array = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: the rows of x differ in length ({error})") from error
    if array.ndim == 0 or array.dtype == object:
        raise ValueError(
            f"{where}: expected x as an array or a DataFrame, received {type(x).__name__}: "
            "np.asarray(...), or x.toarray() of a sparse matrix, makes one"
        )
    _refuse_channels_first(array.shape, where)
    return array


def _numbered(values: Any) -> Any:
    """Rows that share a name, as where tables were joined, get numbers: pandas finds them by it."""
    if isinstance(values, pd.Series | pd.DataFrame) and not values.index.is_unique:
        return values.reset_index(drop=True)
    return values


def _read_as_table(source: Source, where: str) -> None:
    """Make texts bare, and numbers of a column that holds texts of them; say what is doubtful."""
    frame, types = source["x"], (source.get("coding") or {}).get("types") or {}
    texts = [n for n in frame.select_dtypes(exclude="number") if types.get(str(n)) not in TEXTS]
    written = {str(name): _written(frame[name]) for name in texts}
    bare = {str(name): values for name, values in without_blanks(pd.DataFrame(written)).items()}
    numerals = Numerals(where, types, (), typed=False)
    source["x"], findings = numerals.read(with_columns(frame, bare))
    for one in few_of([str(finding) for finding in findings], "more such notes are left out"):
        note(one)
    source["findings"] = [*source.get("findings", []), *findings]


def _written(values: pd.Series) -> pd.Series:
    """Numbers beside texts as texts, as a file has them; all else as it is."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    if values.dtype != object:
        return values
    present = values.dropna()
    texts = present.map(lambda value: isinstance(value, str))
    if texts.any() and present[~texts].map(lambda value: isinstance(value, NUMBERS)).all():
        return values.map(str, na_action="ignore")
    return values


def _refuse_masked(values: Any, where: str, name: str) -> None:
    """NumPy hides what is masked from its own sums, and no other library knows of it."""
    if isinstance(values, np.ma.MaskedArray) and (count := int(np.sum(values.mask))):
        raise ValueError(
            f"{where}: {count} of {values.size} values of {name} are masked, expected none: "
            f"`{name}.filled(VALUE)` fills them; leave out rows without a target, and make a "
            "DataFrame with NaN of features that are missing"
        )


def _is_array_like(x: object) -> bool:
    """Whether it has rows of one type, which may be read when they are asked for."""
    if not (hasattr(x, "shape") and hasattr(x, "dtype") and hasattr(x, "__getitem__")):
        return False
    try:
        return bool(np.dtype(x.dtype) != object)
    except TypeError:
        return False


def _target(y: Any, x: Any, where: str) -> Any:
    _refuse_masked(y, where, "y")
    named = isinstance(y, pd.Series | pd.DataFrame) and isinstance(x, pd.DataFrame)
    if not named and not isinstance(y, pd.Series | pd.DataFrame):
        try:
            y = np.asarray(y)
        except ValueError as error:
            raise ValueError(f"{where}: the rows of y differ in length ({error})") from error
    _same_length(len(x), y, where, "y")
    if named and not x.index.equals(y.index):
        raise ValueError(
            f"{where}: the rows of x and y have other names (index), so it is not sure which belong"
            " together: `y.loc[x.index]` takes y in the order of x, `.reset_index(drop=True)` of "
            "both says that their order is right"
        )
    if isinstance(y, pd.DataFrame):
        y = y.iloc[:, 0] if y.shape[1] == 1 else y
    elif np.ndim(y) > 2:
        raise ValueError(f"{where}: y must have a row per row of x, received {np.shape(y)}")
    elif np.ndim(y) == 2 and np.shape(y)[1] == 1:
        y = y[:, 0]
    for column in [y[name] for name in y] if isinstance(y, pd.DataFrame) else [y]:
        if np.ndim(column) == 1:
            _plain_cells(pd.Series(column), where, "y")
    return y


def _same_length(rows: int, values: Any, where: str, name: str) -> None:
    if not np.ndim(values) or len(values) != rows:
        has = f"has {len(values)}" if np.ndim(values) else f"is {values!s:.40}"
        raise ValueError(f"{where}: x has {rows} rows and {name} {has}")


def _mask(values: object, rows: int, where: str, name: str) -> np.ndarray:
    mask = np.asarray(values)
    if mask.shape != (rows,) or not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"{where}: {name} must be True or False for each of the {rows} rows, received "
            f"{mask.dtype} of shape {mask.shape}; of row numbers `np.isin(np.arange(len(x)), "
            "numbers)` makes it"
        )
    return mask.astype(bool)


def _plain_cells(values: pd.Series, where: str, name: str) -> None:
    """Lists in cells cannot be looked up, and complex numbers would lose a part."""
    if values.dtype.kind == "c":
        raise ValueError(f"{where}: {name} holds complex numbers: give their parts as columns")
    if values.dtype == object:
        odd = values.map(lambda cell: isinstance(cell, list | dict | set | tuple | np.ndarray))
        if odd.any():
            raise ValueError(
                f"{where}: {name} holds a {type(values[odd].iloc[0]).__name__} in a cell, expected "
                "one number or text: make columns of what is in it"
            )


def _refuse_channels_first(shape: tuple[int, ...], where: str) -> None:
    """Images as PyTorch has them would be taken for few rows of many-coloured points."""
    if len(shape) == 4 and shape[1] in CHANNELS and shape[2] == shape[3] > max(CHANNELS):
        raise ValueError(
            f"{where}: x of shape {shape} has channels first, expected (rows, height, width, "
            "channels): `x.transpose(0, 2, 3, 1)`, and keras.layers.Permute in a model that wants "
            "them first"
        )
