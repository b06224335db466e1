"""Files of separated values: every row, name and text as it is written."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types as kinds

from truefit.core.prepared.columns import CODE, is_large
from truefit.core.prepared.findings import Finding
from truefit.datasets.checks import check_names, name_rows, not_utf8, plain_name
from truefit.datasets.layouts import (
    ENCODED,
    OPENERS,
    PACKING,
    Layout,
    find_separator,
    is_utf8,
    line_numbers,
    open_text,
)
from truefit.datasets.lines import (
    BLANKS,
    PIECE,
    check_cells,
    check_escapes,
    check_quotes,
    long_cells,
)

# The texts that pandas takes for missing, but for the empty one.
WORDS = (
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
VALUES = {"None"}  # a name that people give a class or a category; a number is missing there
PADDED = re.compile(r"(?<![\w.:/-])0\d+(?![\w.:/-])")  # 00501 in a line; no part of a date or time


def read_table(
    file: Path, layout: Layout, texts: Collection[str] = ()
) -> tuple[pd.DataFrame, list[Finding]]:
    """A table and what is to be said of it; names and texts have no blanks around them.

    Numbers are read where pandas sees some; `numerals.py` reads those with signs for thousands.
    Codes such as 00501, and whole numbers that float64 cannot hold, stay texts. Columns `texts` are
    as they are written, empty where there is nothing.

    Raises:
        ValueError: it is empty or no table, two columns have one name, a later line repeats the
            names, or a quote is not closed.
    """
    options = _options(file, layout)
    raw = _first_line(file, layout)
    names = read_names(file, layout)
    frame = _read(
        file,
        layout,
        **options,
        header=0 if layout.header else None,
        decimal=layout.decimal if isinstance(layout.decimal, str) else ".",
        dtype=_as_texts(layout, raw if layout.header else range(len(names))),
        keep_default_na=False,
        na_values=["", *WORDS, *(layout.na_values or [])],
    )
    if frame.empty:
        raise ValueError(f"{file} has no rows")
    frame.columns = pd.Index(names)
    findings = long_cells(file, layout, frame)
    frame = without_blanks(frame)
    check_repeats(file, layout, frame)
    _keep_codes(file, layout, frame)
    if texts := [name for name in texts if name in frame]:
        frame[texts] = read_texts(file, layout, names)[texts]
    return frame, findings + _restore(file, layout, frame)


def read_names(file: Path, layout: Layout) -> list[str]:
    """The names in the first line, without blanks around them; numbers where it has none.

    Raises:
        ValueError: two columns have one name.
    """
    raw = _first_line(file, layout)
    if not layout.header:
        return [str(number) for number in range(len(raw))]
    names = [name or f"Unnamed: {n}" for n, name in enumerate(map(plain_name, raw))]
    way_out = f", or set `data.{layout.header_key}: false` if the first line is a row"
    check_names(str(file), names, way_out)
    return names


def read_texts(file: Path, layout: Layout, names: list[str]) -> pd.DataFrame:
    """Columns as they are written, without blanks around them: `null` is a text as any other."""
    header = 0 if layout.header else None
    options = _options(file, layout)
    # Empty cells are missing at first, else pandas takes a trailing separator for a column.
    empty: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}
    frame = _read(file, layout, **options, **empty, header=header, dtype=str)
    frame.columns = pd.Index(names)
    return without_blanks(frame).fillna("")


def without_blanks(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without blanks around its texts; a text of blanks alone is missing."""
    return pd.DataFrame({name: _without_blanks(values) for name, values in frame.items()})


def _options(file: Path, layout: Layout) -> dict[str, Any]:
    if file.stat().st_size == 0:
        raise ValueError(f"{file} is empty: expected a header line and rows")
    try:
        sep = layout.sep or find_separator(file, layout.encoding)
    except (LookupError, UnicodeError) as error:
        raise ValueError(_not_encoded(file, layout, error)) from error
    except PACKING as error:
        raise ValueError(f"{file} cannot be unpacked: {error}") from error
    return {
        "sep": sep,
        **layout.quoting,
        "encoding": "utf-8-sig" if is_utf8(layout.encoding) else layout.encoding,
    }


def _read(file: Path, layout: Layout, **options: Any) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            fast = options["sep"] == BLANKS or len(options["sep"]) == 1
            # Else the type of a column may change between chunks.
            engine: Any = {"low_memory": False} if fast else {"engine": "python"}
            frame: pd.DataFrame = pd.read_csv(
                file,
                **options,
                **engine,
                skipinitialspace=True,
                index_col=False,  # else a trailing separator shifts every column by one
            )
    except UnicodeError as error:
        if is_utf8(layout.encoding):
            with OPENERS.get(file.suffix.lower(), open)(file, "rb") as packed:
                raise ValueError(not_utf8(file, ENCODED, packed.read())) from error
        raise ValueError(_not_encoded(file, layout, error)) from error
    except PACKING as error:
        raise ValueError(f"{file} cannot be unpacked: {error}") from error
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{file} is empty: expected a header line and rows") from error
    except (ValueError, IndexError, KeyError, pd.errors.ParserWarning) as error:
        check_escapes(file, layout)
        check_cells(file, layout)
        check_quotes(file, layout)
        raise ValueError(
            f"{file} cannot be read as a table in {layout.encoding} with {options['sep']!r} "
            f"between columns: {error}; correct that line, or set `data.sep`, "
            "`data.quote` or `data.encoding`"
        ) from error
    except LookupError as error:  # no other error of this kind is left: Python has no such encoding
        raise ValueError(_not_encoded(file, layout, error)) from error
    if any(_has_backslash(values) for _, values in frame.items()):
        check_escapes(file, layout)
    return frame


def _not_encoded(file: Path, layout: Layout, error: LookupError | UnicodeError) -> str:
    return (
        f"{file} cannot be read as `data.encoding: {layout.encoding}`: {error}; leave it out if "
        "the file is UTF-8, or name its encoding, such as cp1252"
    )


def _as_texts(layout: Layout, names: Any) -> dict[Any, type]:
    """The columns that have signs of their own, which are read as texts first."""
    own = [set(sign) for sign in (layout.decimal, layout.thousands) if isinstance(sign, Mapping)]
    wanted = {plain_name(name) for names_of in own for name in names_of}
    return {name: str for name in names if plain_name(name) in wanted}


def _has_backslash(values: pd.Series) -> bool:
    if kinds.is_numeric_dtype(values):
        return False
    return bool(values.astype("str").str.contains("\\", regex=False).any())


def _first_line(file: Path, layout: Layout) -> list[str]:
    options = _options(file, layout)
    raw = _read(file, layout, **options, header=None, nrows=1, dtype=str, na_filter=False)
    return [str(name) for name in raw.iloc[0]]


def _without_blanks(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.StringDtype):
        bare = values.str.strip()
    elif values.dtype == object:
        bare = values.map(lambda value: value.strip() if isinstance(value, str) else value)
    else:
        return values
    return bare.mask(bare == "")


def check_repeats(file: Path, layout: Layout, frame: pd.DataFrame) -> None:
    """Refuse a table in which the line of names comes again, as where files were joined.

    Raises:
        ValueError: it does; the message has the lines.
    """
    if not layout.header or len(frame.columns) == 1:
        return
    again = np.ones(len(frame), bool)
    for name, values in frame.items():
        empty = (values.isna() | (values == "")) & str(name).startswith("Unnamed: ")
        again &= np.asarray((values.astype(object) == name) | empty)
        if not again.any():
            return
    raise ValueError(
        f"{file}: expected the names of columns in the first line alone, received them again in "
        f"{name_rows(np.flatnonzero(again), partial(line_numbers, file, layout))}: remove them, or "
        f"set `data.{layout.header_key}: false` if the first line is a row"
    )


def _keep_codes(file: Path, layout: Layout, frame: pd.DataFrame) -> None:
    """Columns of numbers in which 007 and 7 differ, or that float64 would round, become texts."""
    whole = [str(name) for name, values in frame.items() if _is_whole(values)]
    rounded = [
        name for name in whole if kinds.is_float_dtype(frame[name]) and is_large(frame[name])
    ]
    if not rounded and not (whole and _has_padded(file, layout)):
        return
    written = read_texts(file, layout, [*map(str, frame.columns)])
    for name in whole:
        if name in rounded or written[name].str.fullmatch(CODE).any():
            frame[name] = written[name].mask(frame[name].isna())


def _is_whole(values: pd.Series) -> bool:
    if kinds.is_bool_dtype(values) or not kinds.is_numeric_dtype(values):
        return False
    return kinds.is_integer_dtype(values) or bool((values.dropna() % 1 == 0).all())


def _has_padded(file: Path, layout: Layout) -> bool:
    with open_text(file, layout.encoding) as lines:
        pieces = iter(lambda: "".join(lines.readlines(PIECE)), "")
        return any(PADDED.search(piece) for piece in pieces)


def _restore(file: Path, layout: Layout, frame: pd.DataFrame) -> list[Finding]:
    """Put words back into columns of texts where they are values; say which count as missing."""
    texts = [str(n) for n, v in frame.items() if _holds_texts(v) and v.isna().any()]
    if not texts:
        return []
    missing = {*(layout.na_values or [])}
    values = (VALUES if layout.keep_default_na else {*WORDS}) - missing
    written, findings = read_texts(file, layout, [*map(str, frame.columns)]), []
    for name in texts:
        lost = written[name].where(frame[name].isna(), "")
        if (kept := lost.isin(values)).any():
            frame[name] = frame[name].astype(object).mask(kept, lost)
        words = lost[lost.isin({*WORDS} - values - missing)]
        if len(words):
            what = (
                f"values of {name!r} are {words.iloc[0]!r} or the like and count as missing; "
                "`data.keep_default_na: false` takes them as texts"
            )
            findings.append(Finding("changed", len(words), len(frame), what, noted=True))
    return findings


def _holds_texts(values: pd.Series) -> bool:
    return not kinds.is_numeric_dtype(values) or bool(values.isna().all())
