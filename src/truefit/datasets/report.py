"""The data report: what of the rows is constant, empty, equal, cut, unknown, skipped or changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from truefit.core.prepared.coding import Words
from truefit.core.prepared.columns import as_categories, as_numbers
from truefit.core.prepared.duplicates import row_digests
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.findings import DataReport, Finding, joined
from truefit.core.prepared.folder import SPLITS, Pair
from truefit.core.prepared.table import PADDING, UNKNOWN, words_of
from truefit.datasets.checks import Source
from truefit.datasets.doubtful import doubts
from truefit.datasets.splits import Indices

NARROW = 100  # columns up to which hashing by column is faster than by row
NAMES = 5  # features that a line names
MANY = 20  # columns that are left out, each with its reason
MOST = 0.5
QUIET = 8  # of 65,536 steps between the lowest and highest sample: 78 dB below the loudest sound
# Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, Chinese, Japanese.
NO_SPACES = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


@dataclass
class Seen:
    """What the rows of one split look like, gathered while they are written."""

    rows: int = 0
    constant: int = 0
    empty: int = 0
    single: int = 0
    words: int = 0
    unknown: int = 0
    digests: list[np.ndarray] = field(default_factory=list)
    full: list[np.ndarray] = field(default_factory=list)
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    def watch(self, pairs: Iterable[Pair], *, texts: bool, sound: bool) -> Iterator[Pair]:
        """The same pieces, each of them looked at; `texts` are codes of words or characters."""
        for x, y in pairs:
            self.rows += len(x)
            self.digests.append(_digests(x))
            if texts:
                self._read(x)
            elif x.ndim > 2 or sound:
                self.constant += _constant_rows(x, QUIET if sound else 0)
            elif x.dtype.kind == "f":
                self._bound(x)
            yield x, y

    def equal(self) -> int:
        """Rows that are equal to an earlier one."""
        return int(pd.Series(np.concatenate(self.digests)).duplicated().sum())

    def _read(self, codes: np.ndarray) -> None:
        filled = (codes != PADDING).sum(axis=1)
        self.empty += int((filled == 0).sum())
        self.single += int((filled == 1).sum())
        self.words += int(filled.sum())
        self.unknown += int((codes == UNKNOWN).sum())
        self.full.append(codes[:, -1] != PADDING)

    def _bound(self, x: np.ndarray) -> None:
        low, high = x.min(axis=0), x.max(axis=0)
        self.low = low if self.low is None else np.minimum(self.low, low)
        self.high = high if self.high is None else np.maximum(self.high, high)


def make_report(source: Source, facts: Facts, seen: dict[str, Seen], rows: Indices) -> DataReport:
    """What `source` and the prepared rows have that a person would want to know.

    Args:
        source: what a data function returned; its own `findings` come first.
        facts: what dataset.json will say beside the report.
        seen: of each split.
        rows: row numbers of each split in the source.
    """
    counts = [facts.splits[name].classes for name in SPLITS]
    column = facts.text
    return DataReport(
        {name: facts.splits[name].rows for name in SPLITS},
        {name: sum(count[name] for count in counts) for name in counts[0]},
        [
            *source.get("findings", []),
            *_of_columns(source["x"], facts),
            *_of_categories(source["x"], facts, rows),
            *doubts(source["x"], facts.columns or []),
            *(_of_texts(source["x"], column, seen, rows) if column else []),
            *_of_rows(facts, seen),
        ],
        _of_labels(source, facts),
    )


def _of_labels(source: Source, facts: Facts) -> dict[str, int]:
    """Rows that have each of several labels."""
    if not facts.target.labels:
        return {}
    counts = np.asarray(source["y"]).sum(axis=0)
    return dict(zip(facts.target.labels, map(int, counts), strict=True))


def _of_columns(x: object, facts: Facts) -> Iterator[Finding]:
    columns = facts.columns or []
    if dropped := [f"{c['name']} ({c['why']})" for c in columns if c["kind"] == "drop"]:
        what = f"columns are left out: {joined(dropped, MANY, ', ')}"
        yield Finding("skipped", len(dropped), len(columns), what, noted=True)
    if isinstance(x, pd.DataFrame) and not facts.sizes:
        names = [c["name"] for c in columns if c["kind"] != "drop"]
        if empty := int(x[names].isna().all(axis=1).sum()):
            yield Finding("empty", empty, len(x), "rows have no value in any column")
        for name in [c["name"] for c in columns if c["kind"] == "number"]:
            numbers = as_numbers(x[name], force=True)
            lost = x[name].notna() & (numbers is None or numbers.isna())
            if count := int(lost.sum()):
                what = f"values of {name} are infinite or no numbers, and count as missing"
                yield Finding("changed", count, len(x), what)
    for name, split in facts.splits.items():
        for column, count in split.unseen.items():
            if count:
                what = f"{name} rows have a {column} that training has not seen"
                yield Finding("unknown", count, split.rows, what, noted=True)


def _of_categories(x: Any, facts: Facts, rows: Indices) -> Iterator[Finding]:
    """Values of held-out rows that no training row has; they are coded as `(other)`."""
    held_out = np.concatenate([rows[name] for name in SPLITS if name != "train"])
    for name in [c["name"] for c in facts.columns or [] if c["kind"] == "category"]:
        levels = as_categories(x[name])
        seen = levels.iloc[rows["train"]].unique()
        unseen = x[name].iloc[held_out].notna() & ~levels.iloc[held_out].isin(seen)
        if count := int(unseen.sum()):
            what = f"validation and test rows have a {name} that training has not seen"
            yield Finding("unknown", count, len(held_out), what)


def _of_texts(
    x: pd.DataFrame, column: Words, seen: dict[str, Seen], rows: Indices
) -> Iterator[Finding]:
    """Texts that are cut, empty, of one word, and words that training does not know."""
    unit = "word" if column["kind"] == "text" else "character"
    total = sum(one.rows for one in seen.values())
    if cut := sum(_too_long(x, column, one, rows[name]) for name, one in seen.items()):
        what = f"texts are longer than {column['length']} {unit}s and are cut: raise `data.length`"
        yield Finding("cut", cut, total, what)
    if empty := sum(one.empty for one in seen.values()):
        yield Finding("empty", empty, total, f"texts hold no {unit}")
    held_out = [seen[name] for name in SPLITS if name != "train"]
    offer = _offer(x, column, seen)
    if unknown := sum(one.unknown for one in held_out):
        words = sum(one.words for one in held_out)
        what = (
            f"{unit}s of the validation and test texts are unknown{'' if offer else _why(column)}"
        )
        yield Finding("unknown", unknown, words, what)
    if offer:
        single = sum(one.single for one in seen.values())
        what = "are one word each" if single else "hold few spaces, as their script has none"
        yield Finding("unknown", single or total, total, f"texts {what}: {offer}")


def _why(column: Words) -> str:
    """Why codes are unknown: `words` cuts the list off, or no training text has them."""
    return f" (not among the {len(column['levels']):,} that training texts gave a code)"


def _offer(x: pd.DataFrame, column: Words, seen: dict[str, Seen]) -> str:
    """The way out where words cannot be seen by their spaces; empty where they can."""
    if column["kind"] != "text":
        return ""
    letters = "".join(column["levels"])
    without = len(NO_SPACES.findall(letters)) > MOST * max(1, len(letters))
    single = sum(one.single for one in seen.values()) > MOST * len(x)
    unknown = seen["test"].unknown > MOST * max(1, seen["test"].words)
    if not (without or (single and unknown)):
        return ""
    return "words are cut at spaces; `data.unit: characters` codes characters instead"


def _too_long(x: pd.DataFrame, column: Words, seen: Seen, rows: np.ndarray) -> int:
    """Only texts whose last place is taken can be longer than the places."""
    full = np.concatenate(seen.full)
    texts = x[column["name"]].iloc[rows[full]].astype(str)
    parts = words_of if column["kind"] == "text" else str
    return sum(len(parts(text)) > column["length"] for text in texts)


def _of_rows(facts: Facts, seen: dict[str, Seen]) -> Iterator[Finding]:
    train = seen["train"]
    if train.low is not None:
        names = [str(name) for name in facts.features or range(train.low.size)]
        constant = [names[n] for n in np.flatnonzero(train.low == train.high)]
        if facts.columns:  # of a table numbers alone: one that is not so in the file became it
            constant = [
                c["name"] for c in facts.columns if c["kind"] == "number" and c["name"] in constant
            ]
        if constant:
            what = f"features are the same in every training row: {joined(constant, NAMES, ', ')}"
            yield Finding("constant", len(constant), len(names), what)
    if constant_rows := sum(one.constant for one in seen.values()):
        kind = {4: "images are of one colour", 2: "sounds are silent"}
        what = kind.get(len(facts.input_shape) + 1, "rows hold one value throughout")
        yield Finding("constant", constant_rows, sum(s.rows for s in seen.values()), what)
    equal = {name: one.equal() for name, one in seen.items()}
    if equal["train"] == train.rows - 1 > 0:
        what = "training rows are equal to each other: nothing can be learned from them"
        yield Finding("equal", train.rows, train.rows, what)
        return
    for name, count in equal.items():
        if count:
            what = f"{name} rows are equal to an earlier one"
            yield Finding("equal", count, seen[name].rows, what)


def _constant_rows(x: np.ndarray, quiet: int) -> int:
    """Rows whose values differ by no more than `quiet`."""
    flat = x.reshape(len(x), -1)
    wide = np.int64 if flat.dtype.kind in "iu" else np.float64
    return int((flat.max(axis=1).astype(wide) - flat.min(axis=1) <= quiet).sum())


def _digests(x: np.ndarray) -> np.ndarray:
    if x.ndim == 2 and x.shape[1] <= NARROW:
        x = np.ascontiguousarray(x)
        whole = x.shape[1] * x.itemsize % 8 == 0
        x = x.view(np.uint64) if whole else x  # half as many columns to hash
        return np.asarray(pd.util.hash_pandas_object(pd.DataFrame(x), index=False), np.uint64)
    return row_digests(x)
