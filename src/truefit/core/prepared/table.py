"""Columns of a table become numbers; every statistic comes from the training rows alone.

Most columns become features (`number`, `category`). `code`, `text` and `characters` become whole
numbers that a model looks up in an embedding; a table holds the one sort or the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from truefit.core.prepared.coding import (
    Category,
    Code,
    Coding,
    LookedUp,
    Words,
    is_looked_up,
)
from truefit.core.prepared.columns import (
    MOSTLY,
    TIMES,
    as_categories,
    as_levels,
    as_numbers,
    kind_of,
)
from truefit.core.prepared.facts import Facts

ID_NAME = re.compile(
    r"(^|[_\s.-])(id|uuid|guid|index|rowid|rownames?)$|^unnamed: \d+$"
    r"|(?-i:(?<=[a-z0-9])(I[dD]|U[uU][iI][dD]|G[uU][iI][dD]|Index|RowNames?))$",
    re.IGNORECASE,
)
DATE = r"(\d{4}([-./])\d{1,2}\2\d{1,2}|\d{1,2}([-./])\d{1,2}\3\d{4})([T ].*)?"
FEW = 20  # with no more distinct values than this a column is never id-like
LOOKED_UP = {"code", "text", "characters"}
# As `keras.layers.TextVectorization` does, so that this layer gives the same codes in the model.
PUNCTUATION = re.compile(r"""[!"#$%&()\*\+,\-./:;<=>?@\[\\\]^_`{|}~']""")
PADDING, UNKNOWN = 0, 1
WORDS = 64  # of a text that are coded where nothing says how many


def fit_coding(
    train: pd.DataFrame,
    *,
    types: dict[str, str],
    max_categories: int = 32,
    words: int = 10_000,
    length: int | None = None,
    known: Mapping[str, pd.Index] | None = None,
) -> list[Coding]:
    """How each column is coded, as plain values for dataset.json.

    `number`: one feature, missing values filled with the median of `train`, and a second feature
    that says "was missing" if any were. `category`: one feature per level and one for all others
    (rare, missing, unseen); `rare` counts the levels of `train` that have none of their own, if
    there are some. Both say how many values are `missing` in `train`. `code`: 1, 2, ...
    for the values of `train` (`trained` is how many), then for those that only `known` has, 0 for
    any other. `text`: its first `length` words (64), `characters`: its first `length` characters
    (as many as the longest has), each 2, 3, ... by frequency, 1 where unseen in `train`; 0 pads.
    `drop`: none, with the reason.

    Raises:
        ValueError: columns that are looked up stand beside features, or two have one name.
    """
    names = pd.Index([str(name).strip() for name in train])
    if names.has_duplicates:
        twice = names[names.duplicated()][0]
        raise ValueError(f"the column name {twice!r} occurs twice; rename one")
    coding: list[Coding] = []
    for name in train:
        kind, values = types.get(str(name)), train[name]
        if kind == "code":
            others = (known or {}).get(str(name), pd.Index([]))
            coding.append(_fit_code(str(name), values, others))
        elif kind == "text":
            coding.append(_fit_words(str(name), values, "text", words, length))
        elif kind == "characters":
            coding.append(_fit_words(str(name), values, "characters", words, length))
        else:
            coding.append(_fit_column(str(name), values, kind, max_categories))
    kinds_used = {column["kind"] for column in coding} - {"drop"}
    if kinds_used & LOOKED_UP and len(kinds_used) > 1:
        raise ValueError(
            f"columns of kinds {', '.join(sorted(kinds_used))} cannot stand together: a table "
            "holds features (number, category), or codes, or one text"
        )
    return coding


def apply_coding(frame: pd.DataFrame, coding: list[Coding]) -> np.ndarray:
    """`frame` as float32 (rows, features) in the order of `feature_names`, or as int32 codes.

    Codes are (rows, columns) for `code`, (rows, length) for `text` and `characters`.
    """
    parts: list[ArrayLike] = []
    for column in coding:
        parts += _apply_column(pd.Series(frame[column["name"]]), column)
    dtype = np.int32 if sizes(coding) else np.float32
    return np.column_stack([np.asarray(part, dtype=dtype) for part in parts])


def sizes(coding: list[Coding] | None) -> list[int]:
    """Distinct codes, 0 included, of each column that is looked up; none for features."""
    spare = {"code": 1, "text": 2, "characters": 2}
    return [
        len(column["levels"]) + spare[column["kind"]]
        for column in coding or []
        if is_looked_up(column)
    ]


def words_of(text: str) -> list[str]:
    """`text` in small letters without punctuation, cut at white space (all as ASCII has them)."""
    lowered = PUNCTUATION.sub("", text.encode().lower().decode())
    return [word.decode() for word in lowered.encode().split()]


def feature_names(coding: list[Coding]) -> list[str]:
    """One name per feature: `age`, `age is missing`, `colour=red`, `colour=(other)`."""
    names: list[str] = []
    for column in coding:
        name = column["name"]
        if column["kind"] == "number":
            names += [name, f"{name} is missing"] if column["indicator"] else [name]
        elif column["kind"] == "category":
            names += [*(f"{name}={level}" for level in column["levels"]), f"{name}=(other)"]
        elif is_looked_up(column):
            names.append(name)
    return names


def columns_of(facts: Facts) -> list[tuple[str, slice]]:
    """Each column's name and its features: a category has one for each level."""
    if not facts.columns:
        count = int(np.prod(facts.input_shape))
        names = facts.features or [f"feature {number}" for number in range(count)]
        return [(name, slice(n, n + 1)) for n, name in enumerate(names)]
    found, start = [], 0
    for column in facts.columns:
        width = len(feature_names([column]))
        found += [(column["name"], slice(start, start + width))] if width else []
        start += width
    return found


def _fit_code(name: str, values: pd.Series, known: pd.Index) -> Code:
    levels = sorted(as_levels(values).unique())
    others = sorted({*as_levels(known.to_series())} - {*levels})
    return {"name": name, "kind": "code", "levels": levels + others, "trained": len(levels)}


def _fit_words(
    name: str,
    values: pd.Series,
    kind: Literal["text", "characters"],
    words: int,
    length: int | None,
) -> Words:
    counts: Counter[str] = Counter()
    longest = 0
    for text in values.astype(str):
        parts = words_of(text) if kind == "text" else text
        counts.update(parts)
        longest = max(longest, len(parts))
    ordered = sorted(counts, key=lambda part: (-counts[part], part))
    if kind == "text":
        return {"name": name, "kind": kind, "levels": ordered[:words], "length": length or WORDS}
    places = min(longest, length or longest)
    return {"name": name, "kind": kind, "levels": ordered, "length": places}


def _look_up(values: pd.Series, column: LookedUp) -> np.ndarray:
    if column["kind"] == "code":
        codes = {level: code for code, level in enumerate(column["levels"], start=1)}
        return as_levels(values).map(codes).fillna(0).to_numpy(np.int32)
    codes = {level: code for code, level in enumerate(column["levels"], start=UNKNOWN + 1)}
    coded = np.full((len(values), column["length"]), PADDING, dtype=np.int32)
    for row, text in zip(coded, values.astype(str), strict=True):
        parts = words_of(text) if column["kind"] == "text" else text
        found = [codes.get(part, UNKNOWN) for part in parts[: column["length"]]]
        row[: len(found)] = found
    return coded


def text_of(codes: np.ndarray, column: Words) -> str:
    """The words or characters that `_look_up` coded; a question mark for each unseen one."""
    known = [code for code in codes if code != PADDING]
    parts = ["?" if code == UNKNOWN else column["levels"][code - UNKNOWN - 1] for code in known]
    return (" " if column["kind"] == "text" else "").join(parts)


def _fit_column(name: str, values: pd.Series, asked: str | None, max_categories: int) -> Coding:
    numbers = as_numbers(values, force=asked == "number")
    why = (
        "by `data.types`"
        if asked == "drop"
        else None
        if asked
        else _why_drop(name, values, numbers)
    )
    if why:
        return {"name": name, "kind": "drop", "why": why}
    if asked != "category" and numbers is not None:
        fill, missing = numbers.median(), int(numbers.isna().sum())
        return {
            "name": name,
            "kind": "number",
            "fill": float(fill) if np.isfinite(fill) else 0.0,
            "indicator": bool(missing),
            "missing": missing,
        }
    counts = as_categories(values.dropna()).value_counts()
    ordered = sorted(counts.index, key=lambda level: (-counts[level], level))
    levels, missing = sorted(ordered[: max_categories - 1]), int(values.isna().sum())
    column: Category = {"name": name, "kind": "category", "levels": levels, "missing": missing}
    if len(ordered) > len(levels):
        column["rare"] = len(ordered) - len(levels)
    return column


def _why_drop(name: str, values: pd.Series, numbers: pd.Series | None) -> str | None:
    present = values.dropna()
    distinct = present.nunique()
    if distinct == 0:
        return "it has no values"
    if distinct == 1 and len(present) == len(values):
        return f"it is constant ({present.iloc[0]})"
    if numbers is None:
        return _why_drop_text(present.astype(str), distinct)
    if (
        kind_of(values) in TIMES
        or distinct < len(present)
        or distinct <= FEW
        or (numbers.dropna() % 1 != 0).any()
    ):
        return None
    if ID_NAME.search(name) or _counts_rows(numbers):
        return f"it is id-like (whole numbers, all {distinct} differ)"
    return None


def _why_drop_text(texts: pd.Series, distinct: int) -> str | None:
    dates = texts[texts.map(lambda text: re.fullmatch(DATE, text) is not None)]
    if len(dates) > MOSTLY * len(texts):
        return (
            f"it holds dates ({dates.iloc[0]}): put what matters of them in columns of numbers "
            "(a month, days since), or keep it as a category by `data.types`"
        )
    if distinct > max(FEW, len(texts) / 2):
        why = f"it is id-like (text, {distinct} of {len(texts)} values differ)"
        return f"{why}; `data.types` keeps it"
    return None


def _counts_rows(numbers: pd.Series) -> bool:
    """Whether a column is the number of the row, from any start (some rows are held out)."""
    offsets = numbers.to_numpy() - numbers.index.to_numpy()
    return bool((offsets == offsets[0]).all())


def _apply_column(values: pd.Series, column: Coding) -> list[ArrayLike]:
    if column["kind"] == "number":
        numbers = as_numbers(values, force=True)
        filled = numbers.fillna(column["fill"]) if numbers is not None else values
        missing = numbers.isna() if numbers is not None else values.isna()
        return [filled, missing] if column["indicator"] else [filled]
    if column["kind"] == "category":
        levels = column["levels"]
        text = as_categories(values).where(values.notna(), None)
        return [*((text == level) for level in levels), ~text.isin(levels)]
    return [_look_up(values, column)] if is_looked_up(column) else []
