"""Values of a table that perhaps mean another thing than they say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from truefit.core.prepared.coding import Coding
from truefit.core.prepared.columns import as_numbers
from truefit.core.prepared.findings import Finding, joined

NINES = [float("9" * digits) for digits in range(2, 8)]  # 99 to 9,999,999: written for "missing"
TWICE = 2  # that a value which means "missing" stands there at least
SHOWN = 10  # levels that a line names
ALIKE = (
    "look alike ({}), as they differ in capital letters, blanks or invisible signs alone: write "
    "them alike in the data if they are the same"
)
# Soft hyphens, joiners, marks of direction and of byte order: signs that no font shows.
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def doubts(x: Any, columns: Sequence[Coding]) -> Iterator[Finding]:
    """Numbers such as -999 that may mean "missing", and levels that look alike.

    Args:
        x: the rows as the source gave them; only a table is looked at.
        columns: how they are coded.
    """
    if not isinstance(x, pd.DataFrame):
        return
    for column in columns:
        if column["kind"] == "number":
            yield from _nines(column["name"], as_numbers(x[column["name"]], force=True))
        elif column["kind"] == "category":
            yield from _alike(column["name"], column["levels"])


def alike(names: Sequence[str]) -> list[str]:
    """Return those of `names` that are one with another but for case, blanks and invisible signs.

    Each is as Python's `repr` writes it, which shows such signs.
    """
    bare = [" ".join(INVISIBLE.sub("", name).casefold().split()) for name in names]
    counts = Counter(bare)
    return [repr(name) for name, seen in zip(names, bare, strict=True) if counts[seen] > 1]


def _nines(name: str, numbers: pd.Series | None) -> Iterator[Finding]:
    """A lowest or highest value of nines alone that lies further off than the others spread."""
    present = np.asarray([] if numbers is None else numbers.dropna(), np.float64)
    for value, far in ((present.min(), 1), (present.max(), -1)) if len(present) else ():
        others, count = present[present != value], int((present == value).sum())
        if abs(value) not in NINES or count < TWICE or not len(others):
            continue
        away = far * ((others.min() if far > 0 else others.max()) - value)
        if away > np.ptp(others) or (value < 0 <= others.min()):
            what = (
                f"values of {name} are {value:.0f}, far from all others: if they mean that a value "
                f"is missing, write them so (for a table: `data.na_values: ['{value:.0f}']`)"
            )
            yield Finding("doubtful", count, len(present), what)


def _alike(name: str, levels: list[str]) -> Iterator[Finding]:
    """Levels that look alike."""
    if several := alike(levels):
        what = f"levels of {name} {ALIKE.format(joined(several, SHOWN, ', '))}"
        yield Finding("doubtful", len(several), len(levels), what)
