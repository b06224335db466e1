"""Signs in numbers as people write them: before decimals, between thousands, and units."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

# Blanks that do not break and typographic apostrophes too; in India `,` stands in 1,23,456.
SIGNS = "[,.' \u00a0\u202f\u2019]"
GROUPED = re.compile(
    rf"[-+]?\d{{1,3}}(?P<sign>{SIGNS})(?:\d{{2,3}}(?P=sign))*\d{{3}}(?P<rest>[.,]\d+)?"
)
# $12, 12 %, (12), 1.5M, 12 kg: a number to people, a text to pandas.
UNIT = r"(?:[$€£¥₹%‰°]|[kKMBgm]|[A-Za-zµ]{2,5})"
DRESSED = (
    r"(?!\d+(?:st|nd|rd|th)$)"  # 1st is a rank
    rf"[(\u2212+-]?(?:[$€£¥₹] ?)?[\u2212+-]?\d+(?:{SIGNS}\d{{3}}|,\d\d(?=,\d))*(?:[.,]\d+)?"
    rf"[ \u00a0\u202f]?{UNIT}?[)-]?"
)
DECIMAL = re.compile(r"[-+]?\d*(?P<sign>[,.])\d+")


def numbers_in(texts: pd.Series, decimal: str, thousands: str | None) -> pd.Series:
    """The numbers that texts hold with these signs, as float64; NaN for any other text.

    Groups are strict: with `thousands="," ` 1,665 is a number and 7,5 is none.
    """
    written = texts.astype(object).where(texts.notna(), "").astype("str")
    if thousands:
        sign, point = re.escape(thousands), re.escape(decimal)
        groups = rf"[-+]?\d{{1,3}}{sign}(?:\d{{2,3}}{sign})*\d{{3}}(?:{point}\d*)?"
        bare = written.str.replace(thousands, "", regex=False)
        written = written.mask(written.str.fullmatch(groups), bare)
    if decimal != ".":
        written = written.str.replace(".", " ", regex=False).str.replace(decimal, ".", regex=False)
    numbers: pd.Series = pd.to_numeric(written, errors="coerce").astype("float64")
    return numbers


@dataclass(frozen=True)
class Signs:
    """Signs in texts that are numbers with some: between decimals, and between thousands.

    `texts` is how many there are, `plain` how many of them have no groups of thousands.
    """

    decimals: set[str]
    thousands: set[str]
    plain: int
    texts: int

    @property
    def thousands_keys(self) -> list[str]:
        """The settings that read the groups."""
        # As it is where `repr` would escape it: YAML reads no escapes in such quotes.
        shown = [repr(sign) if sign.isascii() else f"'{sign}'" for sign in sorted(self.thousands)]
        return [f"`data.thousands: {sign}`" for sign in shown]


def signs_in(texts: Iterable[str]) -> Signs:
    """Return the signs of those of the texts that are numbers with signs and nothing else."""
    grouped, plain = [], []
    for text in texts:
        if match := GROUPED.fullmatch(text):
            grouped.append(match)
        elif match := DECIMAL.fullmatch(text):
            plain.append(match)
    decimals = {m["sign"] for m in plain} | {m["rest"][0] for m in grouped if m["rest"]}
    # `1,665` beside `16,65` is no grouping.
    thousands = {match["sign"] for match in grouped} - decimals
    return Signs(decimals, thousands, len(plain), len(plain) + len(grouped))


def with_decimals(texts: pd.Series, decimal: str) -> str | None:
    """Return the first number with this decimal sign that cannot be a group of thousands."""
    for text in texts:
        match = DECIMAL.fullmatch(text) if isinstance(text, str) else None
        if match and match["sign"] == decimal and not GROUPED.fullmatch(text):
            return str(text)
    return None
