"""Ratings of the user's own: who gave what how much, and what is known of the two."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from annotated_types import Len

from truefit.core.prepared.findings import Finding, note
from truefit.datasets.checks import Lines, Source, as_times, check_names, plain_name, refuse
from truefit.datasets.delimited import check_repeats, read_names
from truefit.datasets.delimited import read_texts as read_columns
from truefit.datasets.features import Decimal, decimal_setting, features, with_numbers
from truefit.datasets.folders import SHOWN, files_beside
from truefit.datasets.headers import check_header
from truefit.datasets.layouts import Layout, line_numbers
from truefit.datasets.lines import long_cells, short_lines
from truefit.datasets.numerals import decimals_in
from truefit.datasets.signs import numbers_in

ENDINGS = (".csv", ".tsv", ".inter", ".data", ".dat", ".txt")
NO_HEADER = (
    "set `data.header: false` (the columns are then user, item, rating and time, in this order), "
    "or write names into the first line"
)
NO_FEATURES_HEADER = "set `data.features_header: false`, or write names into the first line"


def ratings(
    *,
    path: str,
    user: str = "user_id",
    item: str = "item_id",
    rating: str = "rating",
    time: str | None = None,
    header: bool = True,
    sep: str | None = None,
    quote: Literal['"', "'"] | None = '"',
    escapechar: Annotated[str, Len(1, 1)] | None = None,
    decimal: Literal[".", ","] | dict[str | int, Literal[".", ","]] = ".",
    encoding: str = "utf-8",
    range: Annotated[list[float], Len(2, 2)] | None = None,  # noqa: A002 - the word in the YAML
    user_features: str | None = None,
    item_features: str | None = None,
    features_header: bool = True,
    na_values: list[str] | None = None,
) -> Source:
    """`x` a frame of two columns, user and item as texts; `y` the ratings.

    Args:
        path: a CSV or TSV file, or a folder with exactly one. What follows a colon in its header
            (`user_id:token`) is cut off.
        user: the column of users.
        item: the column of items.
        rating: the column of ratings.
        time: the column of times (numbers or dates), a key for `split.time`.
        header: whether the first line has names; else the columns are user, item, rating and time,
            as in MovieLens' u.data.
        sep: between columns; found out from the first line where it is `None`.
        quote: what stands around a text with separators in it; `None`: nothing does.
        escapechar: what stands before a quote within such a text; `None`: a quote is doubled.
        decimal: the sign before decimals in ratings and features, or that of some columns by name.
        encoding: of the files, by Python's name for it.
        range: the lowest and the highest rating there can be.
        user_features: a file whose first column is the user: numbers, texts of few values, and
            lists of words in one column, all as features.
        item_features: likewise for the items.
        features_header: whether the first line of these two files has names; else their columns
            are 0, 1, 2, ...
        na_values: further texts in these two files that mean "missing". An empty cell does, and
            in a column of numbers also `NA`, `null`, `?` and the like.

    Raises:
        ValueError: a column, an id or a rating is missing, or a rating lies out of `range`; or a
            first line that should have names looks like a row.
    """
    file = _one_table(path)
    user, item, rating = map(plain_name, (user, item, rating))
    time = plain_name(time) if time else None
    names = None if header else [user, item, rating, time or "time"]
    layout = Layout(
        header=header,
        sep=sep,
        quote=quote,
        escapechar=escapechar,
        encoding=encoding,
        decimal=decimal,
    )
    frame = _read(file, layout, names)
    if header:
        _check_names(file, frame, [user, item, rating, *([time] if time else [])], decimal)
    beside = replace(layout, header=features_header, header_key="features_header")
    files = {user: user_features, item: item_features}
    known = {
        column: _features(Path(name), beside, frame[column], na_values or [])
        for column, name in files.items()
        if name
    }
    time = time if header else names[3] if names and names[3] in frame else None
    source = as_ratings(
        frame,
        where=str(file),
        columns=[user, item, rating],
        time=time,
        bounds=range,
        tables={column: table for column, (table, _) in known.items()},
        lines=partial(line_numbers, file, layout),
        decimal=decimal,
    )
    short = [short_lines(file, layout, frame), *(found for _, found in known.values())]
    return source | {"findings": [*source["findings"], *chain.from_iterable(short)]}


def as_ratings(
    frame: pd.DataFrame,
    *,
    where: str,
    columns: list[str],
    time: str | None,
    bounds: list[float] | None,
    tables: dict[str, pd.DataFrame],
    lines: Lines | None = None,
    decimal: Decimal = ".",
) -> Source:
    """What `ratings` returns, for a frame of texts; `columns` are user, item and rating.

    Raises:
        ValueError: as `ratings`; `where` names the file.
    """
    user, item, rating = columns
    for name in (user, item):
        refuse(where, frame[name], frame[name].isna(), f"{name} must not be empty", lines)
    values = numbers_in(frame[rating], Layout(decimal=decimal).signs(rating)[0], None)
    what = f"a rating must be a number{_other_decimal(frame[rating], values, decimal)}"
    refuse(where, frame[rating], ~np.isfinite(values), what, lines)
    if bounds:
        outside = ~values.between(bounds[0], bounds[1])
        what = f"data.range says that a rating lies from {bounds[0]:g} to {bounds[1]:g}"
        refuse(where, frame[rating], outside, what, lines)
    moments = as_times(where, frame[time], lines) if time else None
    kept = _last_of_each(frame[[user, item]], moments)
    what = f"rows are left out: of one {user} and {item} the last counts"
    twice = Finding("skipped", len(frame) - len(kept), len(frame), what, noted=True)
    keys = {name: frame[name].to_numpy()[kept] for name in (user, item)}
    source: Source = {
        "x": frame[[user, item]].iloc[kept].reset_index(drop=True),
        "y": values.to_numpy(np.float64)[kept],
        "target": rating,
        "keys": keys | ({time: moments[kept]} if time and moments is not None else {}),
        "coding": {"types": dict.fromkeys((user, item), "code")},
        "tables": tables,
        "findings": [twice] if twice.count else [],
    }
    source["findings"] += _without_features(source["x"], tables)
    for name, table in tables.items():
        if not table.index.isin(keys[name]).any():
            raise ValueError(
                f"{where}: the features of {name} name none of its values: they are of "
                f"{table.index[0]!r} and others, and {name} holds {keys[name][0]!r} and others; "
                "data.user_features and data.item_features expect the same ids in their first "
                "column"
            )
    return source


def _other_decimal(texts: pd.Series, values: pd.Series, decimal: Decimal) -> str:
    """What helps where ratings have the other sign for decimals; empty where they do not."""
    signs = decimals_in(texts[values.isna()])
    if not signs:
        return ""
    if decimals_in(texts[values.notna()]):
        return " with one sign for decimals in all lines, received both"
    return f", or set {decimal_setting(decimal, [str(texts.name)], next(iter(signs)))}"


def _without_features(x: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> list[Finding]:
    """How many users and items their table of features lacks."""
    found = []
    for name, table in tables.items():
        ids = x[name].drop_duplicates()
        lacking = ids[~ids.isin(table.index)]
        if len(lacking):
            what = (
                f"values of {name} are not in its file of features, such as {lacking.iloc[0]!r}: "
                "they get the average of each feature"
            )
            found.append(Finding("unknown", len(lacking), len(ids), what))
    return found


def _check_names(file: Path, frame: pd.DataFrame, wanted: list[str], decimal: Decimal) -> None:
    """Refuse a file that lacks a column, or whose first line looks like a row."""
    check_header(file, with_numbers(frame, decimal), NO_HEADER)
    for name in wanted:
        if name not in frame:
            raise ValueError(
                f"{file}: there is no column {name!r}; set data.user, data.item, data.rating or "
                f"data.time. Columns: {', '.join(map(str, frame.columns[:20]))}. "
                f"If the first line is a row, {NO_HEADER}"
            )


def _features(
    file: Path, layout: Layout, rated: pd.Series, na_values: list[str]
) -> tuple[pd.DataFrame, list[Finding]]:
    """The features of a file, and its short lines; `rated` are the ids that the ratings have."""
    frame = _read(file, layout)
    first = str(frame.columns[0])
    if layout.header:
        if (rated == first).any() and first not in {*frame[first]}:
            raise ValueError(
                f"{file}: expected names of columns in the first line, received {first!r}, which "
                f"is one of the ids in {rated.name}: {NO_FEATURES_HEADER}"
            )
        check_header(file, with_numbers(frame, layout.decimal), NO_FEATURES_HEADER)
    lines = partial(line_numbers, file, layout)
    table = features(frame, str(file), lines, na_values, layout.decimal)
    return table, short_lines(file, layout, frame)


def _one_table(path: str) -> Path:
    """`path` itself, or the only table in the folder `path`."""
    place = Path(path)
    if not place.is_dir():
        return place
    found = [file for file in files_beside(place) if file.suffix.lower() in ENDINGS]
    if len(found) == 1:
        return found[0]
    held = ", ".join(file.name for file in found[:SHOWN]) or "none"
    raise ValueError(
        f"data.path: expected the file of ratings, or a folder with exactly one table "
        f"({' '.join(ENDINGS)}); {path} is a folder with {len(found)} ({held}): name the file, "
        f"such as `-S path={found[0] if found else place / 'ratings.csv'}`"
    )


def _read(file: Path, layout: Layout, names: list[str] | None = None) -> pd.DataFrame:
    """What `read_texts` returns; its notes are said."""
    frame, notes = read_texts(file, layout, names)
    for one in notes:
        note(one)
    return frame


def read_texts(
    file: Path, layout: Layout, names: list[str] | None = None
) -> tuple[pd.DataFrame, list[Finding]]:
    """Return a table whose columns are all texts (007 and 7 are two users), and notes on it.

    Args:
        file: what follows a colon in its header is cut off.
        layout: how the file is written.
        names: of the columns where the file has no header; the last two may be missing.

    Raises:
        ValueError: the file is missing, empty, or no such table.
    """
    if not file.is_file() or not file.stat().st_size:
        raise ValueError(f"{file}: expected a file with a line for each rating, id or item")
    found = read_names(file, layout)
    if names and not len(names) - 2 <= len(found) <= len(names):
        raise ValueError(
            f"{file}: without a header expected the columns {', '.join(names)} (the last may be "
            f"missing), found {len(found)}; set `data.sep`, or `data.header` to true"
        )
    frame = read_columns(file, layout, found)
    if frame.empty:
        raise ValueError(f"{file} has a header and no rows")
    check_repeats(file, layout, frame)
    given = names[: len(found)] if names else [name.partition(":")[0].strip() for name in found]
    check_names(str(file), given)
    notes = long_cells(file, layout, frame)
    return frame.set_axis(pd.Index(given), axis=1).replace("", None), notes


def _last_of_each(pairs: pd.DataFrame, moments: np.ndarray | None) -> np.ndarray:
    """The rows to keep, in order: of one user and item the latest, and of those the last line."""
    order = np.arange(len(pairs)) if moments is None else np.argsort(moments, kind="stable")
    twice = pairs.iloc[order].duplicated(keep="last").to_numpy()
    if twice.any():
        users, items = pairs.columns
        note(f"{twice.sum()} rows are left out: of one {users} and {items} the last counts")
    return np.sort(order[~twice])
