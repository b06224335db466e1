"""Numbers as people write them: what a column of texts would be with other signs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from truefit.datasets.table import MOSTLY

GROUPED = re.compile(r"[-+]?\d{1,3}(?P<sign>[,.' ])\d{3}(?:(?P=sign)\d{3})*(?P<rest>[.,]\d+)?")
DECIMAL = re.compile(r"[-+]?\d*(?P<sign>[,.])\d+")


def check_numerals(
    file: Path, frame: pd.DataFrame, types: Mapping[str, str], decimal: str = "."
) -> None:
    """Refuse a column of numbers that reads as text; say what of a column of numbers is none.

    Args:
        file: for messages.
        frame: as pandas has read it.
        types: what is asked of columns; `category` and `drop` are not looked at.
        decimal: the sign that it was read with.

    Raises:
        ValueError: the values are numbers with a sign for thousands, or another decimal sign.
    """
    for name, values in frame.items():
        if types.get(str(name)) in ("category", "drop") or pd.api.types.is_numeric_dtype(values):
            continue
        texts = values.dropna().astype(str)
        plain = texts if decimal == "." else texts.str.replace(".", " ").str.replace(decimal, ".")
        strange = texts[pd.to_numeric(plain, errors="coerce").isna()]
        if strange.empty:
            continue
        _refuse(file, str(name), texts, strange, decimal)
        if types.get(str(name)) == "number" or len(strange) < (1 - MOSTLY) * len(texts):
            print(
                f"note: {len(strange)} of {len(texts)} values of {name!r} are no numbers and count "
                f"as missing, such as {strange.iloc[0]!r:.40}"
            )


def _refuse(file: Path, name: str, texts: pd.Series, strange: pd.Series, decimal: str) -> None:
    grouped = [match for match in map(GROUPED.fullmatch, strange) if match]
    plain = [
        match
        for match in map(DECIMAL.fullmatch, strange)
        if match and not GROUPED.fullmatch(match[0])
    ]
    if len(texts) - len(strange) + len(grouped) + len(plain) <= MOSTLY * len(texts):
        return
    decimals = {match["sign"] for match in plain} | {m["rest"][0] for m in grouped if m["rest"]}
    # `1,665` beside `16,65` is no grouping.
    thousands = {match["sign"] for match in grouped} - decimals
    keys = [f"`data.thousands: {sign!r}`" for sign in sorted(thousands)]
    keys += [f"`data.decimal: {sign!r}`" for sign in sorted(decimals - {decimal})]
    if keys:
        raise ValueError(
            f"{file}: {name!r} holds {strange.iloc[0]!r:.40}, which reads as text: set "
            f"{' and '.join(keys)} if these are numbers, or `data.types.{name}: category` if they "
            "are none"
        )
