"""Tables of the user's own: CSV and Parquet files, and CSV files with a column of text."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from annotated_types import Ge, Len

from truefit.core.prepared.columns import is_large
from truefit.core.prepared.findings import note
from truefit.datasets.checks import Lines, Source, check_names, name_rows
from truefit.datasets.delimited import read_table, without_blanks
from truefit.datasets.headers import check_header, way_out
from truefit.datasets.layouts import OPENERS, Layout, find_separator, line_numbers
from truefit.datasets.lines import short_lines
from truefit.datasets.numerals import Numerals

NESTED = (list, dict, tuple, set, bytes, np.ndarray)


def csv(
    *,
    path: str,
    target: str | int | list[str | int] | None,
    header: bool = True,
    sep: str | None = None,
    quote: Literal['"', "'"] | None = '"',
    decimal: Literal[".", ","] | dict[str | int, Literal[".", ","]] = ".",
    thousands: Annotated[str, Len(1, 1)] | dict[str | int, Annotated[str, Len(1, 1)]] | None = None,
    encoding: str = "utf-8",
    missing_target: Literal["error", "drop"] = "error",
    types: dict[str | int, Literal["number", "category", "drop"]] | None = None,
    na_values: list[str] | None = None,
    keep_default_na: bool = True,
    max_categories: Annotated[int, Ge(1)] = 32,
) -> Source:
    """`x` a frame of all columns but `target`, `y` that column, and how to code the columns.

    With a list of columns as `target`, `y` is a frame of 0 and 1: several labels a row. With `None`
    there is no `y`: all columns are learned from. `missing_target="drop"` leaves out rows that
    have none.

    Raises:
        ValueError: the file is empty or no table, or lacks a column; the message says which. Or
            numbers are written with other signs than the settings say.
    """
    file = _one_file(path, ".csv")
    layout = Layout(
        header=header,
        sep=sep,
        quote=quote,
        encoding=encoding,
        decimal=decimal,
        thousands=thousands,
        na_values=na_values,
        keep_default_na=keep_default_na,
    )
    lines = partial(line_numbers, file, layout)
    frame, notes = read_table(file, layout)
    frame, more = Numerals(file, _texts(types), _names(target), layout).read(frame)
    if header:
        check_header(file, frame)
    _say([*notes, *more])
    short = short_lines(file, layout, frame)
    rows = np.arange(len(frame))
    if missing_target == "drop" and target is not None:
        frame, rows = _with_target(frame, target)
    hint = f"set `data.sep` if the file does not use {find_separator(file)!r}"
    lost = way_out(len(frame.columns)) if header else ""
    return {
        **_table(file, frame, target, types, hint, lambda n: lines(rows[n]), lost),
        "findings": short,
        "coding": {"types": _texts(types), "max_categories": max_categories},
    }


def parquet(
    *,
    path: str,
    target: str | int | list[str | int] | None,
    types: dict[str | int, Literal["number", "category", "drop"]] | None = None,
    max_categories: Annotated[int, Ge(1)] = 32,
) -> Source:
    """The same as `csv` from a Parquet file, whose columns already have types.

    Raises:
        ValueError: it is no Parquet file, has no rows, lacks a column, or a column holds lists.
    """
    file = _one_file(path, ".parquet")
    frame, notes = Numerals(file, _texts(types), _names(target)).read(read_parquet(file))
    _say(notes)
    return {
        **_table(file, frame, target, types, "it needs others to learn from"),
        "coding": {"types": _texts(types), "max_categories": max_categories},
    }


def read_parquet(file: Path) -> pd.DataFrame:
    """A Parquet file's columns, an index with a name among them; no name has blanks around it.

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
    frame = frame.assign(**_exact(file, frame))
    index = [name for name in frame.index.names if name is not None]
    check_names(str(file), [*index, *frame.columns])
    frame = frame.reset_index(drop=not index)
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
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
    return without_blanks(frame)


def _exact(file: Path, frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Integers beside gaps, where the float64 that pandas makes of them would round some."""
    large = [str(n) for n, v in frame.items() if v.dtype == "float64" and is_large(v)]
    if not large:
        return {}
    again = pd.read_parquet(file, columns=large, dtype_backend="numpy_nullable")
    return {str(n): v for n, v in again.items() if pd.api.types.is_integer_dtype(v)}


def text_csv(
    *,
    path: str,
    text: str,
    target: str,
    sep: str | None = None,
    header: bool = True,
    quote: Literal['"', "'"] | None = '"',
    encoding: str = "utf-8",
    unit: Literal["words", "characters"] = "words",
    words: Annotated[int, Ge(1)] = 10000,
    length: Annotated[int, Ge(1)] = 64,
) -> Source:
    """`x` a frame of the one column `text`, `y` the column `target`.

    Args:
        path: a .csv file, or a folder with exactly one.
        text: the column of texts.
        target: the column to predict.
        sep: between columns; found out from the header where it is `None`.
        header: whether the first line names the columns; else they are 0, 1, 2, ...
        quote: what stands around a text with separators in it; `None`: nothing does.
        encoding: of the file, by Python's name for it.
        unit: what gets a number: words, which spaces separate, or characters, for scripts without
            spaces (Chinese, Japanese, Thai).
        words: how many of the most frequent words get a number of their own.
        length: words or characters a text; longer ones are cut, shorter ones padded.

    Raises:
        ValueError: as `csv`; also texts that are empty, named by their lines.
    """
    file = _one_file(path, ".csv")
    layout = Layout(header=header, sep=sep, quote=quote, encoding=encoding)
    lines = partial(line_numbers, file, layout)
    frame, notes = read_table(file, layout, [text])  # `null` or `007` is a text as any other
    if header:
        check_header(file, frame)
    lost = way_out(len(frame.columns)) if header else ""
    _check_columns(file, frame, [text, target], lost)
    _say(notes)
    if len(empty := np.flatnonzero(frame[text] == "")):
        raise ValueError(
            f"{file}: {text!r} is empty in {len(empty)} of {len(frame)} rows "
            f"({name_rows(empty, lines)}): remove those rows or fill them in"
        )
    return {
        "x": frame[[text]],
        "y": frame[target],
        "target": target,
        "lines": lines,
        "keys": _keys(frame),
        "findings": short_lines(file, layout, frame),
        "coding": {
            "types": {text: "text" if unit == "words" else "characters"},
            "words": words,
            "length": length,
        },
    }


def _table(
    file: Path,
    frame: pd.DataFrame,
    target: str | int | list[str | int] | None,
    types: Any,
    hint: str,
    lines: Lines | None = None,
    lost: str = "",
) -> Source:
    columns = _names(target)
    _check_columns(file, frame, [*columns, *_texts(types)], lost)
    if target is None:
        return {"x": frame, "keys": _keys(frame), "lines": lines}
    several = isinstance(target, list)
    if not columns or len(columns) != len(set(columns)):
        raise ValueError(f"data.target: expected different columns, received {target}")
    if len(frame.columns) == len(columns):
        only = f"{columns[0]!r} is its only column" if not several else "all columns are targets"
        raise ValueError(f"{file}: {only}; {hint}")
    return {
        "x": frame.drop(columns=columns),
        "y": _labels(file, frame[columns], lines) if several else frame[columns[0]],
        "target": ", ".join(columns),
        "lines": lines,  # for messages
        "keys": _keys(frame),
    }


def _with_target(
    frame: pd.DataFrame, target: str | int | list[str | int]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows that have a target, and which of the file's they are."""
    has = frame[[name for name in _names(target) if name in frame]].notna().all(axis=1)
    if not has.all():
        note(f"{int((~has).sum())} of {len(frame)} rows are left out: they have no target")
    return frame[has].reset_index(drop=True), np.flatnonzero(has)


def _names(target: str | int | list[str | int] | None) -> list[str]:
    several = target if isinstance(target, list) else [] if target is None else [target]
    return [str(name) for name in several]


def _say(notes: list[str]) -> None:
    for one in notes:
        note(one)


def _texts(types: Mapping[Any, str] | None) -> dict[str, str]:
    return {str(name): kind for name, kind in (types or {}).items()}


def _keys(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {str(name): values.to_numpy() for name, values in frame.items()}


def _check_columns(file: Path, frame: pd.DataFrame, wanted: list[str], lost: str) -> None:
    columns = list(frame.columns)
    for name in wanted:
        if name not in columns:
            close = difflib.get_close_matches(name, columns, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"{file}: there is no column {name!r}.{hint} Columns: {', '.join(columns[:20])}."
                f"{lost}"
            )


def _labels(file: Path, frame: pd.DataFrame, lines: Lines | None) -> pd.DataFrame:
    """Each column as 0 and 1, from numbers or from true and false."""
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "true": 1, "false": 0}
    coded = frame.apply(lambda column: column.astype("str").str.lower().map(known))
    for name, values in coded.items():
        if len(bad := np.flatnonzero(values.isna())):
            received = frame[name].iloc[bad[:1]].tolist()[0]  # a number as Python writes it
            raise ValueError(
                f"{file}: a label of several must be 0 or 1 (or true or false), and {name!r} holds "
                f"{received!r} in {name_rows(bad[:1], lines)}; "
                f"to predict {name!r} alone name it as text, not in a list"
            )
    whole: pd.DataFrame = coded.astype("int8")
    return whole


def _one_file(path: str, ending: str) -> Path:
    """`path` itself, or the only file with that ending in the folder `path`, packed or not."""
    place = Path(path)
    if not place.is_dir():
        return place
    endings = (ending, *(ending + packed for packed in OPENERS if ending == ".csv"))
    found = sorted(f for f in place.rglob("*") if f.is_file() and f.name.endswith(endings))
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:10]) or "none"
        raise ValueError(
            f"data.path: expected one {ending} file in {path}, found {len(found)} ({names}); "
            "name the file with `path:` in params.yaml"
        )
    return found[0]
