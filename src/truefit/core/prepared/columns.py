"""The values of a column, the same whatever type, unit or byte order a file gives them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api import types as kinds

DAY = r"\d{4}-\d\d-\d\d"
TIME = r"(?:[01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.]\d+)?)?"
BOOLEANS = {"true": 1.0, "false": 0.0}
TIMES = {"date", "datetime", "datetime64", "period", "time", "timedelta", "timedelta64"}
CODE = r"0\d+"  # 00501 is no number: without its zeros it would be another code
MANY_CODES = 0.1  # share of a column; fewer, of several lengths, are numbers written so
LARGEST_EXACT = 2**53  # up to here float64 holds every integer
LARGEST = float(np.finfo(np.float32).max)
MOSTLY = 0.9  # share of a text column that must read as numbers for it to be one


def holds_codes(values: pd.Series) -> bool:
    """Whether the texts of a column are codes: all of one length, or many with a zero in front."""
    texts = values.dropna().astype(str)
    codes, widths = texts.str.fullmatch(CODE), texts.str.len()
    return bool(codes.any() and (widths.min() == widths.max() or codes.mean() > MANY_CODES))


def as_levels(values: pd.Series) -> pd.Series:
    """`values` as texts; 2.0 is "2", because missing values turn a column of integers to floats."""
    if not kinds.is_float_dtype(values):
        return composed(values.astype(str))
    wide = values.astype("float64")
    whole = (wide % 1 == 0) & (wide.abs() < LARGEST_EXACT)
    return wide.astype(str).mask(whole, wide.where(whole, 0).astype("int64").astype(str))


def composed(texts: pd.Series) -> pd.Series:
    """Return texts in Unicode's composed form: an `ö` of one sign or of two is one letter."""
    same: pd.Series = texts.str.normalize("NFC")
    return same


def as_categories(values: pd.Series) -> pd.Series:
    """The level of each value, the same whatever type a file gives it.

    33, 33.0 and "33.00" are one, and so are true, True and TRUE; the code 007 is not 7; a moment is
    its ISO date, with its time of day in UTC if it has one. Letters are in Unicode's composed form.
    """
    values = _written_out(values)
    if (moments := _moments(values)) is not None:
        return moments.map(lambda t: t.isoformat().removesuffix("T00:00:00+00:00")).astype(str)
    plain = plain_values(values)
    if kinds.is_numeric_dtype(plain):
        return as_levels(plain)
    texts = plain.astype(str)
    numbers = pd.to_numeric(plain, errors="coerce").astype("float64")
    exact = (numbers.abs() < LARGEST_EXACT) & ~texts.str.fullmatch(CODE)
    texts = composed(texts.mask(exact & ~plain.map(_is_bool), as_levels(numbers)))
    return texts.mask(texts.str.lower().isin(BOOLEANS), texts.str.capitalize())


def as_numbers(values: pd.Series, *, force: bool = False) -> pd.Series | None:
    """`values` as float64 with NaN for missing or infinite, or `None` for a column of text.

    A text column in which most values read as numbers is one: the rest (`?`, `n/a`) is missing. One
    with codes such as 00501 is none, but with `force`.
    True and false are 1 and 0, also as texts. Moments are seconds since 1970 in UTC, durations and
    times of day seconds, whatever unit the column has; of texts in ISO 8601 only with `force`, as
    `with_seconds` says.
    """
    plain = plain_values(_written_out(values))
    if kinds.is_numeric_dtype(plain) or kinds.is_bool_dtype(plain):
        return _bounded(plain)
    if not force and holds_codes(plain):
        return None
    parsed = pd.to_numeric(plain, errors="coerce").astype("float64")
    words = plain[parsed.isna()].astype(str).str.lower().map(BOOLEANS)
    parsed = parsed.fillna(words)
    if force or parsed.notna().sum() > MOSTLY * max(1, plain.notna().sum()):
        return _bounded(with_seconds(parsed, plain) if force else parsed)
    return None


def with_seconds(numbers: pd.Series, texts: pd.Series) -> pd.Series:
    """Return the numbers in texts, with the seconds of those that are moments or times of day.

    A stray `7:05` among numbers stays missing, in training and in rows to predict: seconds are read
    only if nearly all values are such texts, or none is a number (as in a file of one row).

    Args:
        numbers: those that were read from the texts; NaN for others.
        texts: all values of the column.
    """
    seconds = seconds_in(texts[numbers.isna()])
    stray = seconds.notna().sum() <= MOSTLY * texts.notna().sum()
    return numbers if stray and numbers.notna().any() else numbers.fillna(seconds)


def seconds_in(texts: pd.Series) -> pd.Series:
    """Seconds since 1970 for texts that are moments in ISO 8601 (in UTC if no zone is given).

    Of times of day such as 7:05 or 07:05:30 the seconds since midnight.
    """
    dated = texts.where(texts.astype(str).str.match(DAY))  # pandas also knows `now` and `today`
    since_1970 = _seconds(pd.to_datetime(dated, format="ISO8601", utc=True, errors="coerce"))
    return since_1970.fillna(since_midnight(texts))


def since_midnight(texts: pd.Series) -> pd.Series:
    """Seconds since midnight for texts that are times of day, with or without seconds."""
    written = texts.astype(str)
    times = written.where(written.str.fullmatch(TIME))
    whole = times.mask(times.str.count(":") == 1, times + ":00")  # as pandas wants them
    return _durations(whole).astype("float64")


def is_large(values: pd.Series) -> bool:
    """Whether some numbers are beyond those that float64 holds exactly."""
    return bool((values.abs() >= LARGEST_EXACT).any())


def plain_values(values: pd.Series) -> pd.Series:
    """Moments and durations in seconds, decimals as float64; all else as it is, in native order."""
    if (moments := _moments(values)) is not None:
        return _seconds(moments)
    if (convert := CONVERT.get(kind_of(values))) is not None:
        return convert(values)
    if values.dtype == np.float16 or isinstance(values.dtype, pd.Float32Dtype | pd.Float64Dtype):
        return values.astype("float64")
    if isinstance(values.dtype, np.dtype) and not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    return values


def kind_of(values: pd.Series) -> str:
    """What a column holds, by pandas' word for it; text where its type says so."""
    is_text = isinstance(values.dtype, pd.StringDtype)
    return "string" if is_text else str(pd.api.types.infer_dtype(values, skipna=True))


def _moments(values: pd.Series) -> pd.Series | None:
    """Dates, timestamps of any unit and zone, and periods as moments in UTC."""
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    if kind_of(values) not in ("date", "datetime", "datetime64"):
        return None
    moments: pd.Series = pd.to_datetime(values, utc=True, errors="coerce")
    return moments


def _seconds(times: pd.Series) -> pd.Series:
    whole: pd.Series = times.dt.as_unit("us").astype("int64") / 1e6
    return whole.where(times.notna())


def _written_out(values: pd.Series) -> pd.Series:
    """The values of pandas' categories, each as what it is."""
    return values.astype(object) if isinstance(values.dtype, pd.CategoricalDtype) else values


def _is_bool(value: object) -> bool:
    return isinstance(value, bool | np.bool_)


def _bounded(numbers: pd.Series) -> pd.Series:
    """Infinity, and what float32 would make infinite, counts as missing."""
    wide = numbers.astype("float64")
    return wide.where(wide.abs() <= LARGEST)


def _durations(values: pd.Series) -> pd.Series:
    return _seconds(pd.to_timedelta(values))


def _times_of_day(values: pd.Series) -> pd.Series:
    return _durations(values.map(lambda t: f"{t:%H:%M:%S.%f}", na_action="ignore"))


def _decimals(values: pd.Series) -> pd.Series:
    return values.map(float, na_action="ignore").astype("float64")


CONVERT = {
    "timedelta": _durations,
    "timedelta64": _durations,
    "time": _times_of_day,
    "decimal": _decimals,
}
