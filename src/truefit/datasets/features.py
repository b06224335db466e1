"""What a file says of each user or item: numbers, words and lists of words become features."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import pandas as pd

from truefit.core.prepared.columns import since_midnight
from truefit.core.prepared.findings import few_of, note
from truefit.core.prepared.table import DATE
from truefit.datasets.checks import Lines, refuse
from truefit.datasets.delimited import WORDS
from truefit.datasets.layouts import Layout
from truefit.datasets.numerals import HALF, MARK, decimals_in
from truefit.datasets.signs import DECIMAL, DRESSED, GROUPED, numbers_in

Decimal: TypeAlias = str | Mapping[Any, str]  # the sign of all columns, or of some by name

MOST = 50  # a text column with more different values says nothing about others: titles, postcodes
MOSTLY = 0.9  # share of a column that must read as numbers for it to be one


def features(
    frame: pd.DataFrame,
    where: str,
    lines: Lines | None = None,
    na_values: Collection[str] = (),
    decimal: Decimal = ".",
) -> pd.DataFrame:
    """Return features by id (the first column): numbers as they are, texts as columns of 0 and 1.

    Lists (`Drama|War`) have a column for each word, texts of several words too if there are fewer
    words than texts. Columns of dates, of more than 50 such values or of none are left out, and it
    is said. Times of day are seconds since midnight. `na_values` are missing in all columns, `NA`,
    `?` and the like in those of numbers.

    Raises:
        ValueError: an id is missing or occurs twice, or numbers have another sign for decimals
            than `decimal` says.
    """
    ids = frame.iloc[:, 0]
    refuse(where, ids, ids.isna(), f"{ids.name} must not be empty", lines)
    refuse(where, ids, ids.duplicated(), f"{ids.name} must stand in one line only", lines)
    parts, notes, dropped = [], [], []
    columns = {name: frame[name].mask(frame[name].isin([*na_values])) for name in frame.columns[1:]}
    _refuse_decimals(where, columns, decimal)
    for name, texts in columns.items():
        sign = _sign(decimal, name)
        if (times := _times(texts)) is not None:
            notes.append(f"{name!r} holds times of day and is taken for seconds since midnight")
            parts.append(times.to_frame())
            continue
        numbers = _numbers(texts, sign)
        notes += _strange_notes(texts, sign, as_numbers=numbers is not None)
        if numbers is not None:
            parts.append(numbers.to_frame())
            continue
        if why := _no_feature(texts):
            dropped.append(f"column {name!r} is left out: {why}")
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


def with_numbers(frame: pd.DataFrame, decimal: Decimal = ".") -> pd.DataFrame:
    """Return a table of texts in which columns of numbers are numbers."""
    read = frame.copy()
    for name, texts in frame.items():
        if (numbers := _numbers(texts, _sign(decimal, str(name)))) is not None:
            read[name] = numbers
    return read


def decimal_setting(
    decimal: Decimal, columns: Collection[str], sign: str, others: Collection[str] = ()
) -> str:
    """Return the line that reads these columns with `sign`, and others as before.

    Args:
        decimal: as it is set.
        columns: to be read with `sign`.
        sign: before their decimals.
        others: further columns that have decimals, and keep the sign that is set for all.
    """
    for_all = decimal if isinstance(decimal, str) and decimal != "." else ""
    before: dict[str, Any] = dict.fromkeys(others, for_all) if for_all else {}
    if not isinstance(decimal, str):
        before = {str(name): own for name, own in decimal.items()}
    signs = before | dict.fromkeys(columns, sign)
    shown = ", ".join(f"{name}: '{own}'" for name, own in signs.items())
    whole = f" (or `data.decimal: '{sign}'` for all columns)" if decimal == "." else ""
    rest = f" (add each column of other files that has {for_all!r} too)" if for_all else ""
    return f"`data.decimal: {{{shown}}}`{whole}{rest}"


def _refuse_decimals(where: str, columns: Mapping[str, pd.Series], decimal: Decimal) -> None:
    """Columns of numbers that have the other sign for decimals would be texts."""
    found = {
        name: number
        for name, texts in columns.items()
        if (number := _other_decimal(where, texts, _sign(decimal, name)))
    }
    if not found:
        return
    first = next(iter(found))
    others = [name for name in found if _sign(decimal, name) == _sign(decimal, first)]
    other = "," if _sign(decimal, first) == "." else "."
    kept = [name for name, texts in columns.items() if _uses(texts, _sign(decimal, name))]
    setting = decimal_setting(decimal, others, other, kept)
    raise ValueError(
        f"{where}: {first!r} holds {found[first]!r}, which reads as text: set {setting} if these "
        "are numbers; if they are lists, separate what is in them by `|`"
    )


def _other_decimal(where: str, texts: pd.Series, sign: str) -> str:
    """The first number with the other sign, in a column of numbers; empty if it is none."""
    present, strange = _strange(texts, sign)
    numbers = present.drop(strange.index)
    meant = strange.str.fullmatch(DECIMAL) | strange.str.fullmatch(GROUPED)
    if len(numbers) + meant.sum() <= MOSTLY * len(present):
        return ""
    found = decimals_in(strange).get("," if sign == "." else ".", "")
    own = decimals_in(numbers).get(sign)
    if found and own:
        raise ValueError(
            f"{where}: {texts.name!r} holds {found!r} and {own!r}: expected one sign for decimals "
            "in a column, received both; write them alike in the file"
        )
    return found


def _uses(texts: pd.Series, sign: str) -> bool:
    """Whether texts hold a number with this sign before decimals, also one such as 1,500."""
    return any(
        match["sign"] == sign for text in texts.dropna() if (match := DECIMAL.fullmatch(text))
    )


def _sign(decimal: Decimal, name: str) -> str:
    """The sign before the decimals of a column."""
    return Layout(decimal=decimal).signs(name)[0]


def _numbers(texts: pd.Series, decimal: str) -> pd.Series | None:
    """A column as numbers, unless it is text or has postcodes, which may begin with a zero."""
    present, strange = _strange(texts, decimal)
    found = len(present) - len(strange)
    marks = bool(strange.str.fullmatch(MARK).all())
    is_number = found > 0 and (found > MOSTLY * len(present) or marks)
    if not is_number or texts.str.match(r"0\d").any():
        return None
    return numbers_in(texts, decimal, None)


def _strange(texts: pd.Series, decimal: str) -> tuple[pd.Series, pd.Series]:
    """The values that no word says to be missing, and those of them that are no numbers."""
    present = texts[texts.notna() & ~texts.isin(WORDS)]
    return present, present[numbers_in(present, decimal, None).isna()]


def _times(texts: pd.Series) -> pd.Series | None:
    """A column of times of day in seconds since midnight."""
    seconds = since_midnight(texts)
    found = seconds.notna().sum()
    return seconds if found > MOSTLY * texts.notna().sum() else None


def _no_feature(texts: pd.Series) -> str:
    """Why a column of texts is left out, whatever their number; empty if it is not."""
    present = texts.dropna()
    if present.empty:
        return "it has no values"
    dates = present[present.str.fullmatch(DATE)]
    if len(dates) <= MOSTLY * len(present):
        return ""
    return (
        f"it holds dates, such as {dates.iloc[0]!r}: put what matters of them in columns of "
        "numbers (a year, days since)"
    )


def _strange_notes(texts: pd.Series, decimal: str, *, as_numbers: bool) -> list[str]:
    """Which texts count as missing, or that they are why a column is no number."""
    present, strange = _strange(texts, decimal)
    dressed = strange[strange.str.fullmatch(DRESSED)]
    numbers = len(present) - len(strange)
    of = f"of {len(present)} values of {texts.name!r}"
    if not as_numbers and len(dressed) and numbers + len(dressed) > MOSTLY * len(present):
        what = f"{len(dressed)} {of} are numbers with a sign, a unit or groups, such as "
        way_out = "are taken for texts: write bare numbers into the file"
        return [f"{what}{dressed.iloc[0]!r:.40}, and {way_out}"]
    if strange.empty or (numbers < HALF * len(present) and not as_numbers):
        return []
    first = repr(strange.iloc[0])[:40]
    what = f"{len(strange)} {of} are no numbers"
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
