"""Tables of the user's own: CSV and Parquet files, and CSV files with a column of text."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from csv import QUOTE_NONE
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from annotated_types import Ge, Len

from truefit.datasets.checks import not_utf8
from truefit.datasets.numerals import check_numerals

# cp1252 is what most Windows machines write.
ENCODED = "save it as UTF-8, or set `data.encoding`, such as cp1252"
NESTED = (list, dict, tuple, set, bytes, np.ndarray)


def csv(
    *,
    path: str,
    target: str | int | list[str | int] | None,
    header: bool = True,
    separator: str | None = None,
    decimal: Literal[".", ","] = ".",
    thousands: Annotated[str, Len(1, 1)] | None = None,
    encoding: str = "utf-8",
    missing_target: Literal["error", "drop"] = "error",
    types: dict[str | int, Literal["number", "category", "drop"]] | None = None,
    na_values: list[str] | None = None,
    max_categories: Annotated[int, Ge(1)] = 32,
) -> dict[str, Any]:
    """`x` a frame of all columns but `target`, `y` that column, and how to code the columns.

    With a list of columns as `target`, `y` is a frame of 0 and 1: several labels a row. With `None`
    there is no `y`: all columns are learned from. `missing_target="drop"` leaves out rows that
    have none.

    Raises:
        ValueError: the file is empty or no table, or lacks a column; the message says which. Or
            numbers are written with other signs than the settings say.
    """
    file = _one_file(path, ".csv")
    frame = read_table(
        file,
        header=0 if header else None,
        sep=separator or find_separator(file),
        na_values=na_values or [],
        encoding=encoding,
        decimal=decimal,
        thousands=thousands,
    )
    check_numerals(file, frame, _texts(types), decimal)
    if missing_target == "drop" and target is not None:
        frame = _with_target(frame, target)
    hint = f"set `data.separator` if the file does not use {find_separator(file)!r}"
    return {
        **_table(file, frame, target, types, hint=hint, first_row=2 if header else 1),
        "coding": {"types": _texts(types), "max_categories": max_categories},
    }


def parquet(
    *,
    path: str,
    target: str | int | list[str | int] | None,
    types: dict[str | int, Literal["number", "category", "drop"]] | None = None,
    max_categories: Annotated[int, Ge(1)] = 32,
) -> dict[str, Any]:
    """The same as `csv` from a Parquet file, whose columns already have types.

    Raises:
        ValueError: it is no Parquet file, has no rows, lacks a column, or a column holds lists.
    """
    file = _one_file(path, ".parquet")
    try:
        frame = pd.read_parquet(file)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{file} cannot be read as Parquet: {error}") from error
    if frame.empty:
        raise ValueError(f"{file} has no rows")
    frame = frame.reset_index(drop=frame.index.names == [None])
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    for name, values in frame.items():
        if any(isinstance(value, NESTED) for value in values.dropna().head(100)):
            raise ValueError(
                f"{file}: column {name!r} holds lists or bytes; a cell must be one number or text: "
                "write it as separate columns, or leave it out of the file"
            )
        if isinstance(values.dtype, pd.CategoricalDtype):
            frame[name] = values.astype(values.cat.categories.dtype)
    return {
        **_table(file, frame, target, types, hint="it needs others to learn from", first_row=0),
        "coding": {"types": _texts(types), "max_categories": max_categories},
    }


def text_csv(
    *,
    path: str,
    text: str,
    target: str,
    separator: str | None = None,
    header: bool = True,
    quote: Literal['"', "'"] | None = '"',
    encoding: str = "utf-8",
    unit: Literal["words", "characters"] = "words",
    words: Annotated[int, Ge(1)] = 10000,
    length: Annotated[int, Ge(1)] = 64,
) -> dict[str, Any]:
    """`x` a frame of the one column `text`, `y` the column `target`.

    Args:
        path: a .csv file, or a folder with exactly one.
        text: the column of texts.
        target: the column to predict.
        separator: between columns; found out from the header where it is `None`.
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
    layout: dict[str, Any] = {
        "header": 0 if header else None,
        "sep": separator or find_separator(file),
        "encoding": encoding,
        **({"quotechar": quote} if quote else {"quoting": QUOTE_NONE}),
    }
    frame = read_table(file, **layout)
    _check_columns(file, frame, [text, target])
    # As written: a text `null` or `007` is neither a missing value nor a number.
    texts = read_table(file, **layout, dtype=str, keep_default_na=False)[text]
    if len(empty := np.flatnonzero(texts == "")):
        raise ValueError(
            f"{file}: {text!r} is empty in {len(empty)} of {len(frame)} rows "
            f"({_lines(frame.assign(**{text: texts}), empty)}): remove those rows or fill them in"
        )
    if len(broken := np.flatnonzero(texts.str.contains("\n", regex=False))):
        print(
            f"note: {len(broken)} of {len(texts)} texts go over several lines "
            f"({_lines(frame.assign(**{text: texts}), broken)}); if the quotes in them are part of "
            "the text, set `data.quote: null`"
        )
    return {
        "x": texts.to_frame(),
        "y": frame[target],
        "target": target,
        "first_row": 2 if header else 1,
        "keys": _keys(frame.assign(**{text: texts})),
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
    *,
    hint: str,
    first_row: int,
) -> dict[str, Any]:
    if target is None:
        _check_columns(file, frame, [*_texts(types)])
        return {"x": frame, "keys": _keys(frame), "first_row": first_row}
    several = isinstance(target, list)
    columns = [str(name) for name in (target if isinstance(target, list) else [target])]
    _check_columns(file, frame, [*columns, *_texts(types)])
    if not columns or len(columns) != len(set(columns)):
        raise ValueError(f"data.target: expected different columns, received {target}")
    if len(frame.columns) == len(columns):
        only = f"{columns[0]!r} is its only column" if not several else "all columns are targets"
        raise ValueError(f"{file}: {only}; {hint}")
    return {
        "x": frame.drop(columns=columns),
        "y": _labels(file, frame[columns], first_row) if several else frame[columns[0]],
        "target": ", ".join(columns),
        "first_row": first_row,  # row numbers in messages are the file's lines
        "keys": _keys(frame),
    }


def _with_target(frame: pd.DataFrame, target: str | int | list[str | int]) -> pd.DataFrame:
    names = [str(name) for name in (target if isinstance(target, list) else [target])]
    has = frame[[name for name in names if name in frame]].notna().all(axis=1)
    if not has.all():
        print(f"note: {int((~has).sum())} of {len(frame)} rows are left out: they have no target")
    return frame[has].reset_index(drop=True)


def _texts(types: Mapping[Any, str] | None) -> dict[str, str]:
    return {str(name): kind for name, kind in (types or {}).items()}


def _keys(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {str(name): values.to_numpy() for name, values in frame.items()}


def _check_columns(file: Path, frame: pd.DataFrame, wanted: list[str]) -> None:
    columns = list(frame.columns)
    for name in wanted:
        if name not in columns:
            close = difflib.get_close_matches(name, columns, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"{file}: there is no column {name!r}.{hint} Columns: {', '.join(columns[:20])}"
            )


def _labels(file: Path, frame: pd.DataFrame, first_row: int) -> pd.DataFrame:
    """Each column as 0 and 1, from numbers or from true and false."""
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "true": 1, "false": 0}
    coded = frame.apply(lambda column: column.astype("str").str.lower().map(known))
    for name, values in coded.items():
        if len(bad := np.flatnonzero(values.isna())):
            received = frame[name].iloc[bad[0]]
            raise ValueError(
                f"{file}: a label of several must be 0 or 1 (or true or false), and {name!r} holds "
                f"{received!r} in {'line' if first_row else 'row'} {bad[0] + first_row}; "
                f"to predict {name!r} alone name it as text, not in a list"
            )
    whole: pd.DataFrame = coded.astype("int8")
    return whole


def _lines(frame: pd.DataFrame, rows: np.ndarray) -> str:
    """The lines of the file in which `rows` begin; quoted texts may take several."""
    texts = frame.select_dtypes(include=["object", "str"])
    breaks = texts.map(lambda cell: cell.count("\n") if isinstance(cell, str) else 0)
    before = np.concatenate([[0], breaks.sum(axis=1).cumsum()])
    shown = ", ".join(str(int(row + 2 + before[row])) for row in rows[:10])
    return f"lines {shown}{', ...' if len(rows) > 10 else ''}"


def _one_file(path: str, ending: str) -> Path:
    """`path` itself, or the only file with that ending in the folder `path`."""
    place = Path(path)
    if not place.is_dir():
        return place
    found = sorted(file for file in place.rglob(f"*{ending}") if file.is_file())
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:10]) or "none"
        raise ValueError(
            f"data.path: expected one {ending} file in {path}, found {len(found)} ({names}); "
            "name the file with `path:` in params.yaml"
        )
    return found[0]


def read_table(file: Path, *, encoding: str = "utf-8", **options: Any) -> pd.DataFrame:
    """A CSV with `options` of pandas, its names and texts without spaces around them.

    Raises:
        ValueError: it is empty or no table, or its columns have no names of their own.
    """
    is_utf8 = encoding.lower() in ("utf-8", "utf8")
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
                encoding="utf-8-sig" if is_utf8 else encoding,
            )
    except UnicodeDecodeError as error:
        if is_utf8:
            raise ValueError(not_utf8(file, ENCODED)) from error
        raise ValueError(
            f"{file} cannot be read as `data.encoding: {encoding}`: {error}"
        ) from error
    except (ValueError, LookupError, pd.errors.ParserWarning) as error:
        raise ValueError(
            f"{file} cannot be read as a table in {encoding} with {options['sep']!r} between "
            f"columns: {error}; correct that line, or set `data.separator` or `data.encoding`"
        ) from error
    if frame.empty:
        raise ValueError(f"{file} has no rows")
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


def find_separator(file: Path) -> str:
    """The one of `,` `;` tab `|` that the header has most of; of a single column a tab."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        header = lines.readline()
    return max("\t,;|", key=header.count)
