"""Numbers as people write them: with signs for thousands and decimals, and marks for missing."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types as kinds

from truefit.core.prepared.columns import (
    BOOLEANS,
    CODE,
    MOSTLY,
    holds_codes,
    since_midnight,
    with_seconds,
)
from truefit.core.prepared.findings import Finding
from truefit.datasets.layouts import Layout
from truefit.datasets.signs import DRESSED, numbers_in, signs_in, with_decimals

LONG = r"[-+]?\d{16,}"  # whole numbers that float64 may round
MARK = r"[\W_]+"  # a text without letters and digits, such as ? or --, stands for no value
# The usual ones for no value, with both dashes.
NO_VALUE = ("?", "??", "-", "--", "---", ".", "..", "*", "\u2013", "\u2014")
SOME = 100  # values, spread evenly: one of them is a time of day where nearly all are
HALF = 0.5  # a column with more numbers than this was perhaps meant to be one


def as_written(frame: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Rows to predict: each text that is a number by the layout's signs becomes one."""
    changed = {}
    for name, texts in _texts(frame):
        numbers = numbers_in(texts, *layout.signs(name))
        numbers = numbers.mask(_match(texts, rf"{CODE}|{LONG}"))  # levels have them as they are
        if numbers.notna().all():
            changed[name] = numbers.where(texts.notna())
        elif numbers.notna().any():
            changed[name] = texts.astype(object).mask(numbers.notna(), numbers)
    return with_columns(frame, changed)


def with_columns(frame: pd.DataFrame, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return a copy of the table in which these columns replace those of the same names."""
    frame = frame.copy()  # `assign` takes no column that is called `self`
    for name, values in columns.items():
        frame[name] = values
    return frame


@dataclass(frozen=True)
class Numerals:
    """How texts of a table become numbers.

    Attributes:
        file: for messages; of an own function its name.
        types: what is asked of columns; all but those of `number` stay as they are.
        targets: in these only marks count as missing, as any word may be a class.
        layout: the signs; `None` for a file whose columns have types, where nothing sets signs
            and a target of texts has classes.
        typed: whether `data.types` is a setting, which messages may name. An own function has
            types in what it returns. Where a file has no types at all, numbers with signs are
            refused if signs were set; if not they stay texts, and `code_target` knows what is
            asked.
    """

    file: Path | str
    types: Mapping[str, str]
    targets: Collection[str]
    layout: Layout | None = None
    typed: bool = True

    def read(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
        """The table with columns of numbers as float64, and what of their texts was doubtful.

        Raises:
            ValueError: the values are numbers with other signs than the layout has.
        """
        changed, findings = {}, []
        for name, texts in _texts(frame):
            if self.types.get(name, "number") != "number" or (
                name in self.targets and not self.layout
            ):
                continue
            if finding := self._times(name, texts):
                changed[name] = since_midnight(texts)
                findings.append(finding)
                continue
            numbers = numbers_in(texts, *self._signs(name))
            if numbers.notna().any() and name not in self.targets:
                numbers = numbers.fillna(texts.astype("str").str.lower().map(BOOLEANS))
            if self.types.get(name) == "number":
                numbers = with_seconds(numbers, texts)
            present = texts.dropna()
            strange = present[numbers[present.index].isna()]
            if len(strange) and self._sets_signs(name):
                self._refuse(name, present, strange, frame)
            if self.types.get(name) == "number" and len(strange) == len(present):
                asked = f"`data.types.{name}: number`" if self.typed else "the type number"
                raise ValueError(
                    f"{self.file}: {asked} is set, and none of the {len(present)} values of "
                    f"{name!r} is one, such as {present.iloc[0]!r:.40}: write numbers (a date as "
                    "2024-12-31), or set `category` or `drop`"
                )
            is_number, finding = self._decide(name, present, strange)
            findings += [finding] if finding else []
            if is_number:
                changed[name] = numbers
        return with_columns(frame, changed), findings

    def _signs(self, name: str) -> tuple[str, str | None]:
        return self.layout.signs(name) if self.layout else (".", None)

    def _sets_signs(self, name: str) -> bool:
        return self.layout is not None and (self.typed or self._signs(name) != (".", None))

    def _by_type(self, name: str, kind: str, way_out: str) -> str:
        """`way_out` with what sets a column's type in place of `{}`; empty where nothing does."""
        if self.typed:
            return way_out.format(f"`data.types.{name}: {kind}`")
        if self.layout:
            return ""
        types = json.dumps({"types": {name: kind}}, ensure_ascii=False)
        return way_out.format(f'`"coding": {types}` in what {self.file} returns')

    def _times(self, name: str, texts: pd.Series) -> Finding | None:
        """What is to be said of a column of times of day; `None` if it is none."""
        present = texts.dropna()
        some = present.iloc[:: max(1, len(present) // SOME)]
        if name in self.targets or not since_midnight(some).notna().any():
            return None  # most columns, without a look at each of their rows
        times = present[since_midnight(present).notna()]
        if len(times) <= MOSTLY * len(present):
            return None
        lost = len(present) - len(times)
        what = (
            f"values of {name!r} are times of day, such as {times.iloc[0]!r}, and are taken for "
            f"seconds since midnight{f'; {lost} other values count as missing' if lost else ''}"
            f"{self._by_type(name, 'category', '; {} keeps them as they are')}"
        )
        return Finding("changed", len(times), len(present), what, noted=True)

    def _decide(
        self, name: str, present: pd.Series, strange: pd.Series
    ) -> tuple[bool, Finding | None]:
        """Whether a column of texts holds numbers, and what is to be said of it."""
        numbers = len(present) - len(strange)
        if self.types.get(name) != "number" and holds_codes(present):
            codes = present[_match(present, CODE)]
            way_out = self._by_type(name, "number", ": {} takes them as numbers")
            what = (
                f"values of {name!r} begin with a zero, such as {codes.iloc[0]!r:.40}, so they are "
                f"codes and it is taken for a category{way_out}"
            )
            return False, Finding("doubtful", len(codes), len(present), what, noted=True)
        if name in self.targets and _match(present, LONG).any():
            return False, None  # as numbers two classes would be one
        if strange.empty:
            return bool(numbers), None
        marks = bool(strange.str.fullmatch(MARK).all()) and self._no_classes(name, present, strange)
        few = len(strange) < (1 - MOSTLY) * len(present) and name not in self.targets
        if self.types.get(name) == "number" or few or (numbers and marks):
            keep = self._by_type(name, "category", "; {} keeps them")
            keep = "" if self.types.get(name) else keep
            first = repr(strange.iloc[0])[:40]
            what = f"values of {name!r} are no numbers and count as missing, such as {first}{keep}"
            return True, Finding("changed", len(strange), len(present), what, noted=True)
        return False, self._why_text(name, present, strange)

    def _no_classes(self, name: str, present: pd.Series, marks: pd.Series) -> bool:
        """Whether marks beside numbers stand for no value, and not for classes such as + and -.

        In a target that no setting keeps as it is this needs usual marks, and two numbers at least.
        """
        if self.typed or name not in self.targets:
            return True
        return bool(marks.isin(NO_VALUE).all()) and len(present.drop(marks.index).unique()) > 1

    def _why_text(self, name: str, present: pd.Series, strange: pd.Series) -> Finding | None:
        """What is to be said of a column that stays text although it holds numbers."""
        if name in self.targets:  # `code_target` has more to say of it
            return None
        numbers = len(present) - len(strange)
        first = repr(strange.iloc[0])[:40]
        dressed = _match(strange, DRESSED)
        if dressed.sum() + numbers > MOSTLY * len(present):
            what = (
                f"values of {name!r} are numbers with a sign, a unit or groups, such as "
                f"{strange[dressed].iloc[0]!r:.40}, and are taken for texts: write bare numbers"
            ) + self._by_type(name, "category", ", or set {} if they are none")
            return Finding("doubtful", int(dressed.sum()), len(present), what, noted=True)
        if numbers < HALF * len(present):
            return None
        blank = f"set `data.na_values: [{first}]`" if self.typed else "give NaN for them"
        what = (
            f"values of {name!r} are no numbers, such as {first}, so it is taken for a category: "
            f"{blank} or {self._by_type(name, 'number', '{}')} if they mean that a value is missing"
        )
        return Finding("doubtful", len(strange), len(present), what, noted=True)

    def _refuse(
        self, name: str, present: pd.Series, strange: pd.Series, frame: pd.DataFrame
    ) -> None:
        """Numbers with other signs are refused, with the settings that read them."""
        signs = signs_in(strange)
        if len(present) - len(strange) + signs.texts <= MOSTLY * len(present):
            return
        decimal, _ = self._signs(name)
        where = f"{self.file}: {name!r} holds {strange.iloc[0]!r:.40}"
        signs_set = "leave out `data.decimal` and `data.thousands`"
        kept = f"`data.types.{name}: category`" if self.typed else signs_set
        if signs.plain and (other := with_decimals(present.drop(strange.index), decimal)):
            raise ValueError(
                f"{where} and {other!r:.40}: expected one sign for decimals in a column, received "
                f"both; write them alike in the file, or {kept} if they are none"
            )
        keys = signs.thousands_keys
        if signs.decimals - {decimal}:
            keys.append(self._decimals(name, frame, *sorted(signs.decimals - {decimal})))
        if keys:
            raise ValueError(
                f"{where}, which reads as text: set {' and '.join(keys)} if these are numbers, "
                f"or {kept} if they are none"
            )

    def _decimals(self, name: str, frame: pd.DataFrame, sign: str) -> str:
        """The setting for the whole file, or where columns differ for those that have a comma."""
        used = {str(other): self._decimal_of(str(other), v) for other, v in frame.items()}
        used[name] = sign
        commas = [f"{other}: ','" for other, own in used.items() if own == ","]
        grouped = self.layout.thousands if self.layout else None
        differ = commas and ("." in used.values() or grouped == ",")
        if not differ or not self.typed:
            return f"`data.decimal: {sign!r}`"
        return (
            f"`data.decimal: {{{', '.join(commas)}}}` (not `data.decimal: {sign!r}`, as other "
            "columns are written otherwise)"
        )

    def _decimal_of(self, name: str, values: pd.Series) -> str | None:
        """The decimal sign that a column's fractions are written with, if it has some."""
        if kinds.is_float_dtype(values):
            return self._signs(name)[0] if (values.dropna() % 1 != 0).any() else None
        if kinds.is_numeric_dtype(values):
            return None
        return next((s for s in ",." if with_decimals(values.dropna(), s)), None)


def decimals_in(texts: pd.Series) -> dict[str, str]:
    """The first number that texts hold with each decimal sign; `1,500` may be a group."""
    found = {sign: with_decimals(texts.dropna(), sign) for sign in ",."}
    return {sign: number for sign, number in found.items() if number}


def _match(texts: pd.Series, pattern: str) -> pd.Series:
    written = texts.astype(object).where(texts.notna(), "").astype("str")
    return written.str.fullmatch(pattern)


def _texts(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """The columns that hold texts, as texts where there is a value."""
    for name, values in frame.items():
        if isinstance(values.dtype, pd.StringDtype) or values.dtype == np.dtype(object):
            present = values.dropna()
            if len(present) and all(isinstance(value, str) for value in present):
                yield str(name), values
