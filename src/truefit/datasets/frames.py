"""Tables of the user's own: CSV and Parquet files, and CSV files with a column of text."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from annotated_types import Ge, Len

from truefit.core.prepared.findings import Finding, few_of, note
from truefit.datasets.checks import Lines, Source, name_rows, plain_name
from truefit.datasets.delimited import read_table
from truefit.datasets.folders import files_beside
from truefit.datasets.headers import check_header, way_out
from truefit.datasets.layouts import OPENERS, Layout, find_separator, line_numbers
from truefit.datasets.lines import short_lines
from truefit.datasets.numerals import Numerals, with_columns
from truefit.datasets.parquets import read_parquet
from truefit.datasets.target_columns import read_labels, with_target

MORE = "more such notes are left out: the report's page on data has the type of each column"


def csv(
    *,
    path: str,
    target: str | int | list[str | int] | None,
    header: bool = True,
    sep: str | None = None,
    quote: Literal['"', "'"] | None = '"',
    escapechar: Annotated[str, Len(1, 1)] | None = None,
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
        escapechar=escapechar,
        encoding=encoding,
        decimal=decimal,
        thousands=thousands,
        na_values=na_values,
        keep_default_na=keep_default_na,
    )
    frame, notes = read_table(file, layout)
    frame, more = Numerals(file, _texts(types), _names(target), layout).read(frame)
    if header:
        check_header(file, frame)
    _say([*notes, *more])
    short = short_lines(file, layout, frame)
    in_file = partial(line_numbers, file, layout)
    frame, lines, left_out = with_target(frame, _names(target), missing_target, in_file)
    hint = f"set `data.sep` if the file does not use {find_separator(file)!r}"
    lost = way_out(len(frame.columns)) if header else ""
    return {
        **_table(file, frame, target, types, hint, lines, lost),
        "findings": [*left_out, *notes, *more, *short],
        "coding": {"types": _texts(types), "max_categories": max_categories},
    }


def parquet(
    *,
    path: str,
    target: str | int | list[str | int] | None,
    missing_target: Literal["error", "drop"] = "error",
    types: dict[str | int, Literal["number", "category", "drop"]] | None = None,
    na_values: list[str] | None = None,
    max_categories: Annotated[int, Ge(1)] = 32,
) -> Source:
    """The same as `csv` from a Parquet file, whose columns already have types.

    Only an empty cell is missing, and what `na_values` names.

    Raises:
        ValueError: it is no Parquet file, has no rows, lacks a column, or a column holds lists.
    """
    file = _one_file(path, ".parquet")
    frame = read_parquet(file, na_values or [])
    frame, notes = Numerals(file, _texts(types), _names(target)).read(frame)
    _say(notes)
    frame, lines, left_out = with_target(frame, _names(target), missing_target)
    return {
        **_table(file, frame, target, types, "it needs others to learn from", lines),
        "findings": [*left_out, *notes],
        "coding": {"types": _texts(types), "max_categories": max_categories},
    }


def text_csv(
    *,
    path: str,
    text: str,
    target: str,
    sep: str | None = None,
    header: bool = True,
    quote: Literal['"', "'"] | None = '"',
    escapechar: Annotated[str, Len(1, 1)] | None = None,
    decimal: Literal[".", ","] = ".",
    thousands: Annotated[str, Len(1, 1)] | None = None,
    encoding: str = "utf-8",
    missing_target: Literal["error", "drop"] = "error",
    na_values: list[str] | None = None,
    keep_default_na: bool = True,
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
        escapechar: what stands before a quote within such a text; `None`: a quote is doubled.
        decimal: the sign for decimals in targets that are numbers.
        thousands: the sign between their thousands; `None`: there is none.
        encoding: of the file, by Python's name for it.
        missing_target: whether rows without a target are left out, or an error.
        na_values: further targets that mean "missing"; a text is as it is written.
        keep_default_na: whether the targets `NA`, `null` and the like mean it too.
        unit: what gets a number: words, which spaces separate, or characters, for scripts without
            spaces (Chinese, Japanese, Thai).
        words: how many of the most frequent words get a number of their own.
        length: words or characters a text; longer ones are cut, shorter ones padded.

    Raises:
        ValueError: as `csv`; also texts that are empty, named by their lines. Targets with other
            signs than the settings say are texts if none was set; `code_target` refuses them.
    """
    file = _one_file(path, ".csv")
    layout = Layout(
        header=header,
        sep=sep,
        quote=quote,
        escapechar=escapechar,
        encoding=encoding,
        decimal=decimal,
        thousands=thousands,
        na_values=na_values,
        keep_default_na=keep_default_na,
    )
    text, target = plain_name(text), plain_name(target)
    frame, notes = read_table(file, layout, [text])  # `null` or `007` is a text as any other
    if header:
        check_header(file, frame)
    lost = way_out(len(frame.columns)) if header else ""
    _check_columns(file, frame, [text, target], lost)
    if target != text:
        numerals = Numerals(file, {}, [target], layout, typed=False)
        read, more = numerals.read(frame[[target]])
        frame, notes = with_columns(frame, {target: read[target]}), [*notes, *more]
    _say(notes)
    short = short_lines(file, layout, frame)
    in_file = partial(line_numbers, file, layout)
    frame, lines, left_out = with_target(frame, [target], missing_target, in_file)
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
        "findings": [*left_out, *notes, *short],
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
    types: Mapping[str | int, str] | None,
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
        "y": read_labels(file, frame[columns], lines) if several else frame[columns[0]],
        "target": ", ".join(columns),
        "lines": lines,  # for messages
        "keys": _keys(frame),
    }


def _names(target: str | int | list[str | int] | None) -> list[str]:
    several = target if isinstance(target, list) else [] if target is None else [target]
    return [plain_name(name) for name in several]


def _say(findings: list[Finding]) -> None:
    for one in few_of([str(finding) for finding in findings], MORE):
        note(one)


def _texts(types: Mapping[str | int, str] | None) -> dict[str, str]:
    return {plain_name(name): kind for name, kind in (types or {}).items()}


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


def _one_file(path: str, ending: str) -> Path:
    """`path` itself, or the only file with that ending in the folder `path`, packed or not."""
    place = Path(path)
    if not place.is_dir():
        return place
    endings = (ending, *(ending + packed for packed in OPENERS if ending == ".csv"))
    found = [file for file in files_beside(place) if file.name.lower().endswith(endings)]
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:10]) or "none"
        raise ValueError(
            f"data.path: expected one {ending} file in {path}, found {len(found)} ({names}); "
            "name the file with `path:` in params.yaml"
        )
    return found[0]
