"""Ratings of the user's own: who gave what how much, and what is known of the two."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from annotated_types import Len

from truefit.core.prepared.findings import Finding, note
from truefit.datasets.checks import Lines, Source, as_times, check_names, refuse
from truefit.datasets.delimited import check_repeats, read_names
from truefit.datasets.delimited import read_texts as read_columns
from truefit.datasets.folders import SHOWN, visible_files
from truefit.datasets.layouts import Layout, line_numbers

ENDINGS = (".csv", ".tsv", ".inter", ".data", ".dat", ".txt")
MOST = 50  # a text column with more different values says nothing about others: titles, postcodes
MOSTLY = 0.9  # share of a column that must read as numbers for it to be one


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
    encoding: str = "utf-8",
    range: Annotated[list[float], Len(2, 2)] | None = None,  # noqa: A002 - the word in the YAML
    user_features: str | None = None,
    item_features: str | None = None,
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
        encoding: of the files, by Python's name for it.
        range: the lowest and the highest rating there can be.
        user_features: a file whose first column is the user: numbers, texts of few values, and
            lists of words in one column, all as features.
        item_features: likewise for the items.

    Raises:
        ValueError: a column, an id or a rating is missing, or a rating lies out of `range`.
    """
    file = _one_table(path)
    names = None if header else [user, item, rating, time or "time"]
    layout = Layout(header=header, sep=sep, quote=quote, encoding=encoding)
    frame = read_texts(file, layout, names)
    headed = replace(layout, header=True)
    tables = {
        column: features(
            read_texts(Path(name), headed), name, partial(line_numbers, Path(name), headed)
        )
        for column, name in ((user, user_features), (item, item_features))
        if name
    }
    time = time if header else names[3] if names and names[3] in frame else None
    return as_ratings(
        frame,
        where=str(file),
        columns=[user, item, rating],
        time=time,
        bounds=range,
        tables=tables,
        lines=partial(line_numbers, file, layout),
    )


def as_ratings(
    frame: pd.DataFrame,
    *,
    where: str,
    columns: list[str],
    time: str | None,
    bounds: list[float] | None,
    tables: dict[str, pd.DataFrame],
    lines: Lines | None = None,
) -> Source:
    """What `ratings` returns, for a frame of texts; `columns` are user, item and rating.

    Raises:
        ValueError: as `ratings`; `where` names the file.
    """
    user, item, rating = columns
    for name in [*columns, *([time] if time else [])]:
        if name not in frame:
            raise ValueError(
                f"{where}: there is no column {name!r}; set data.user, data.item, data.rating or "
                f"data.time. Columns: {', '.join(map(str, frame.columns[:20]))}"
            )
    for name in (user, item):
        refuse(where, frame[name], frame[name].isna(), f"{name} must not be empty", lines)
    values = pd.to_numeric(frame[rating], errors="coerce")
    refuse(where, frame[rating], ~np.isfinite(values), "a rating must be a number", lines)
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
    for name, table in tables.items():
        if not table.index.isin(keys[name]).any():
            raise ValueError(
                f"{where}: the features of {name} name none of its values, such as "
                f"{keys[name][0]!r}: data.user_features and data.item_features expect the same ids "
                "in their first column"
            )
    return source


def features(frame: pd.DataFrame, where: str, lines: Lines | None = None) -> pd.DataFrame:
    """Features by id (the first column): numbers as they are, texts as columns of 0 and 1.

    Lists (`Drama|War`) have a column for each word, texts of several words too if there are fewer
    words than texts. Columns of more than 50 such values are left out, and it is said.

    Raises:
        ValueError: an id is missing or occurs twice.
    """
    ids = frame.iloc[:, 0]
    refuse(where, ids, ids.isna(), f"{ids.name} must not be empty", lines)
    refuse(where, ids, ids.duplicated(), f"{ids.name} must stand in one line only", lines)
    parts = []
    for name in frame.columns[1:]:
        if (numbers := _numbers(frame[name])) is not None:
            parts.append(numbers.to_frame())
            continue
        sep, count = _levels(frame[name])
        if count > MOST:
            note(f"{where}: column {name!r} is left out: {count} different texts")
            continue
        parts.append(frame[name].str.get_dummies(sep).add_prefix(f"{name}="))
    if not parts:
        raise ValueError(f"{where}: no column is a number or a text of at most {MOST} values")
    table: pd.DataFrame = pd.concat(parts, axis=1).set_axis(ids.astype("str"), axis=0)
    return table


def _numbers(texts: pd.Series) -> pd.Series | None:
    """A column as numbers, unless it is text or has postcodes, which may begin with a zero."""
    numbers = pd.to_numeric(texts, errors="coerce")
    is_text = numbers.notna().sum() <= MOSTLY * max(1, texts.notna().sum())
    return None if is_text or texts.str.match(r"0\d").any() else numbers


def _levels(texts: pd.Series) -> tuple[str, int]:
    """What separates a column's words and how many there are; a tab where texts stay whole."""
    listed = bool(texts.str.contains("|", regex=False).any())
    sep, whole = "|" if listed else " ", texts.nunique()
    words = texts.str.split(sep, regex=False).explode().nunique()
    return (sep, words) if listed or words < whole else ("\t", whole)


def _one_table(path: str) -> Path:
    """`path` itself, or the only table in the folder `path`."""
    place = Path(path)
    if not place.is_dir():
        return place
    found = [file for file in visible_files(place) if file.suffix.lower() in ENDINGS]
    if len(found) == 1:
        return found[0]
    held = ", ".join(file.name for file in found[:SHOWN]) or "none"
    raise ValueError(
        f"data.path: expected the file of ratings, or a folder with exactly one table "
        f"({' '.join(ENDINGS)}); {path} is a folder with {len(found)} ({held}): name the file, "
        f"such as `-S path={found[0] if found else place / 'ratings.csv'}`"
    )


def read_texts(file: Path, layout: Layout, names: list[str] | None = None) -> pd.DataFrame:
    """Return a table whose columns are all texts: 007 and 7 are two users.

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
    return frame.set_axis(pd.Index(given), axis=1).replace("", None)


def _last_of_each(pairs: pd.DataFrame, moments: np.ndarray | None) -> np.ndarray:
    """The rows to keep, in order: of one user and item the latest, and of those the last line."""
    order = np.arange(len(pairs)) if moments is None else np.argsort(moments, kind="stable")
    twice = pairs.iloc[order].duplicated(keep="last").to_numpy()
    if twice.any():
        users, items = pairs.columns
        note(f"{twice.sum()} rows are left out: of one {users} and {items} the last counts")
    return np.sort(order[~twice])
