"""What a file says of each user or item: numbers, words and lists of words become features."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from truefit.core.prepared.findings import few_of, note
from truefit.datasets.checks import Lines, refuse
from truefit.datasets.delimited import WORDS
from truefit.datasets.numerals import HALF, MARK

MOST = 50  # a text column with more different values says nothing about others: titles, postcodes
MOSTLY = 0.9  # share of a column that must read as numbers for it to be one


def features(
    frame: pd.DataFrame,
    where: str,
    lines: Lines | None = None,
    na_values: Collection[str] = (),
) -> pd.DataFrame:
    """Return features by id (the first column): numbers as they are, texts as columns of 0 and 1.

    Lists (`Drama|War`) have a column for each word, texts of several words too if there are fewer
    words than texts. Columns of more than 50 such values are left out, and it is said. `na_values`
    are missing in all columns, `NA`, `?` and the like in those of numbers.

    Raises:
        ValueError: an id is missing or occurs twice.
    """
    ids = frame.iloc[:, 0]
    refuse(where, ids, ids.isna(), f"{ids.name} must not be empty", lines)
    refuse(where, ids, ids.duplicated(), f"{ids.name} must stand in one line only", lines)
    parts, notes, dropped = [], [], []
    for name in frame.columns[1:]:
        texts = frame[name].mask(frame[name].isin([*na_values]))
        numbers = _numbers(texts)
        notes += _strange_notes(texts, as_numbers=numbers is not None)
        if numbers is not None:
            parts.append(numbers.to_frame())
            continue
        sep, count = _levels(texts)
        if count > MOST:
            dropped.append(f"column {name!r} is left out: {count} different texts")
            continue
        parts.append(texts.str.get_dummies(sep).add_prefix(f"{name}="))
    for one in [
        *few_of(notes, "more such notes are left out"),
        *few_of(dropped, "more columns are left out"),
    ]:
        note(f"{where}: {one}")
    if not parts:
        raise ValueError(f"{where}: no column is a number or a text of at most {MOST} values")
    table: pd.DataFrame = pd.concat(parts, axis=1).set_axis(ids.astype("str"), axis=0)
    return table


def with_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of texts in which columns of numbers are numbers."""
    read = frame.copy()
    for name, texts in frame.items():
        if (numbers := _numbers(texts)) is not None:
            read[name] = numbers
    return read


def _numbers(texts: pd.Series) -> pd.Series | None:
    """A column as numbers, unless it is text or has postcodes, which may begin with a zero."""
    numbers = pd.to_numeric(texts, errors="coerce")
    present, strange = _strange(texts)
    found = len(present) - len(strange)
    marks = bool(strange.str.fullmatch(MARK).all())
    is_number = found > 0 and (found > MOSTLY * len(present) or marks)
    return numbers if is_number and not texts.str.match(r"0\d").any() else None


def _strange(texts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The values that no word says to be missing, and those of them that are no numbers."""
    present = texts[texts.notna() & ~texts.isin(WORDS)]
    return present, present[pd.to_numeric(present, errors="coerce").isna()]


def _strange_notes(texts: pd.Series, *, as_numbers: bool) -> list[str]:
    """Which texts count as missing, or that they are why a column is no number."""
    present, strange = _strange(texts)
    mostly_texts = len(present) - len(strange) < HALF * len(present)
    if strange.empty or (mostly_texts and not as_numbers):
        return []
    first = repr(strange.iloc[0])[:40]
    what = f"{len(strange)} of {len(present)} values of {texts.name!r} are no numbers"
    if as_numbers:
        return [f"{what} and count as missing, such as {first}"]
    way_out = f"set `data.na_values: [{first}]` if they mean that a value is missing"
    return [f"{what}, such as {first}, so it is taken for a text: {way_out}"]


def _levels(texts: pd.Series) -> tuple[str, int]:
    """What separates a column's words and how many there are; a tab where texts stay whole."""
    listed = bool(texts.str.contains("|", regex=False).any())
    sep, whole = "|" if listed else " ", texts.nunique()
    words = texts.str.split(sep, regex=False).explode().nunique()
    return (sep, words) if listed or words < whole else ("\t", whole)
