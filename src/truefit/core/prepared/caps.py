"""A target that was cut off at one end of its range, as prices and times often are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CAPPED, OFTEN = 0.01, 10  # share of the rows, and how many times as often as other values
DISTINCT = 50  # different values below which a number is a grade or a count, and has no cap


@dataclass(frozen=True)
class Cap:
    """A value at the end of the target's range that many rows have; `other` is the usual count."""

    value: float
    rows: int
    of: int
    other: float


def find_cap(y: np.ndarray) -> Cap | None:
    """Return the end of the target's range at which it was cut off, if many rows lie there.

    Args:
        y: targets (rows,), numbers.
    """
    values, counts = np.unique(y, return_counts=True)
    if len(values) < DISTINCT:
        return None
    usual = float(np.median(counts[1:-1]))
    for end in (-1, 0):
        rows = int(counts[end])
        if end == 0 and values[0] == 0:
            continue  # nothing sold, nothing claimed, no rain: a value, and no limit of the scale
        if rows >= CAPPED * len(y) and rows >= OFTEN * usual:
            return Cap(float(values[end]), rows, len(y), usual)
    return None
