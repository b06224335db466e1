"""Numbers to people and texts to pandas, such as 4,5 or $1,000: in targets, in rows to predict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from truefit.core.prepared.coding import Coding
from truefit.core.prepared.columns import MOSTLY
from truefit.core.prepared.findings import Finding
from truefit.datasets.checks import Lines, name_rows
from truefit.datasets.layouts import Layout
from truefit.datasets.numerals import HALF
from truefit.datasets.signs import DRESSED, SIGNS, numbers_in, signs_in, with_decimals

MANY = 20  # whole numbers with more distinct values than this are a quantity, not classes
FEW = 5  # texts that may all mean "missing", and rows that say little of how all are written
GROUP = rf"{SIGNS}\d{{3}}(?!\d)|,\d\d(?=,)"
FRACTION = r"\d[.,]\d"
BARE = "write bare numbers, such as 1234.5"


def dressed(values: pd.Series) -> pd.Series:
    """Return those of the values that are numbers with signs, units or groups, as texts."""
    texts = values[values.map(lambda value: isinstance(value, str))].astype(object)
    strange = texts[pd.to_numeric(texts, errors="coerce").isna()]
    return strange[[re.fullmatch(DRESSED, text) is not None for text in strange]]


def are_numbers(values: pd.Series) -> bool:
    """Whether nearly all values are numbers, and some of them only to people."""
    counts = values.value_counts()
    labels = pd.Series(counts.index.tolist(), dtype=object)
    found = labels.index.isin(dressed(labels).index)
    plain = pd.to_numeric(labels, errors="coerce").notna()
    rows = int(counts.to_numpy()[found | plain].sum())
    return bool(found.any()) and rows > MOSTLY * len(values)


def refuse_quantities(values: pd.Series, name: str, lines: Lines | None) -> None:
    """Refuse texts as classes that are an amount: fractions, or more than 20 different numbers.

    Args:
        values: the target, without a missing one.
        name: of the target.
        lines: where rows stand in their file.

    Raises:
        ValueError: they are; the message says what reads them, and what keeps them as classes.
    """
    if pd.api.types.is_numeric_dtype(values) or not are_numbers(values):
        return
    texts = values.astype(str)
    bare = texts.str.replace(GROUP, "", regex=True)
    if values.nunique() <= MANY and not bare.str.contains(FRACTION).any():
        return  # 10 %, 20 % and 50 % may be classes
    found = dressed(values)
    rows = values.index.get_indexer(found.index)
    raise ValueError(
        f"{name}: expected numbers, or names of classes, received numbers that read as texts, such "
        f"as {found.iloc[0]!r:.40} ({name_rows(rows, lines)}): {_settings(values, found)}; if they "
        "are classes choose `task: multiclass` (`-S '++set.task=multiclass'`)"
    )


def amounts_in(values: pd.Series, name: str) -> list[Finding]:
    """Return the finding on classes such as 10 % and 20 %, which may be meant as numbers."""
    if not are_numbers(values):
        return []
    found = dressed(values)
    what = (
        f"values of {name} are numbers with a sign, a unit or groups, such as "
        f"{found.iloc[0]!r:.40}, and are taken for classes: if they are amounts, {BARE}"
    )
    return [Finding("doubtful", len(found), len(values), what, noted=True)]


def remedy(values: pd.Series, bad: Sequence[object]) -> str:
    """Return what is to be done with a target of numbers in which some values are none.

    Args:
        values: the target.
        bad: those of the values that are no numbers; not empty.
    """
    texts = pd.Series([value for value in bad if isinstance(value, str)], dtype=object)
    found = dressed(texts)
    if len(found) > HALF * len(bad):
        return _settings(values, found)
    different = texts.unique().tolist()
    if not different:
        return "correct it"
    if len(different) <= FEW:
        return (
            f"correct it, or if it means that the value is missing set `data.na_values: "
            f"{different!r}` (for a table)"
        )
    return (
        f"{len(different)} different texts are none: correct them, or choose `task: multiclass` "
        "(`-S '++set.task=multiclass'`) if they are classes"
    )


def refuse_other_signs(rows: Any, columns: Sequence[Coding], layout: Layout) -> None:
    """Refuse rows to predict with a column of numbers that are written otherwise than in training.

    Args:
        rows: as they were read; only a table is looked at.
        columns: how they are coded.
        layout: how the table was written that is learned from.

    Raises:
        ValueError: nearly all values of a column are numbers, and more of them have other signs
            than training takes for missing; or all of more than five have signs or units that no
            setting reads.
    """
    if not isinstance(rows, pd.DataFrame):
        return
    for name in [column["name"] for column in columns if column["kind"] == "number"]:
        present = rows[name].dropna() if name in rows else pd.Series(dtype=object)
        texts = present[present.map(lambda value: isinstance(value, str))].astype(object)
        strange = texts[numbers_in(texts, *layout.signs(name)).isna()]
        read, signs = len(present) - len(strange), signs_in(strange)
        if len(strange) <= (1 - MOSTLY) * len(present):
            continue  # they count as missing, as in training
        signed = signs.texts and read + signs.texts > MOSTLY * len(present)
        units = not read and len(present) > FEW
        if signed or (units and len(dressed(strange)) > MOSTLY * len(present)):
            decimal, thousands = layout.signs(name)
            between = f"{thousands!r} between thousands" if thousands else "no groups of thousands"
            where = name_rows(rows.index.get_indexer(strange.index), None)
            raise ValueError(
                f"{name!r} holds {strange.iloc[0]!r:.40} ({where}): expected numbers as the model "
                f"has learned from, with {decimal!r} before decimals and {between}; write them so "
                "in the file"
            )


def _settings(values: pd.Series, found: pd.Series) -> str:
    """What reads these texts as numbers: settings of a table, or other texts in the data."""
    signs = signs_in(found)
    if signs.texts < len(found):  # a currency, a unit or a percent sign
        return BARE
    texts = values[values.map(lambda value: isinstance(value, str))]
    if "," in signs.decimals and with_decimals(texts, "."):
        return f"some have a comma before decimals and others a point: {BARE}"
    keys = [f"`data.decimal: {sign!r}`" for sign in signs.decimals - {"."}] + signs.thousands_keys
    if not keys:
        return BARE
    return f"set {' and '.join(keys)} (for a table of `csv` or `text_csv`), or {BARE}"
