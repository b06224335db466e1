"""What is found out while rows are written: mean, variance, and that all are finite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from sklearn.preprocessing import StandardScaler

from truefit.core.prepared.facts import Moments
from truefit.core.prepared.folder import Pair

WHITES = (1.0, 16.0, 255.0, 65535.0)  # what a white pixel is in the usual formats


class Statistics:
    """Mean and variance over all but the last axis (features, or channels of images)."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._scaler = StandardScaler()
        self._range = (0.0, 0.0)
        self._counts: np.ndarray | None = None  # of each value of a pixel, (channels, 256)

    def watch(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """The same pieces, each of them counted in."""
        for x, y in pairs:
            self._range = min(self._range[0], float(x.min())), max(self._range[1], float(x.max()))
            if x.dtype == np.uint8:
                self._count(x.reshape(-1, x.shape[-1]))
            else:
                self._add(x)
            yield x, y

    def _count(self, pixels: np.ndarray) -> None:
        """Counting bytes is exact, and several times faster than adding them up as float64."""
        counts = np.array([np.bincount(channel, minlength=256) for channel in pixels.T])
        self._counts = counts if self._counts is None else self._counts + counts

    def _add(self, x: np.ndarray) -> None:
        for part in np.array_split(x, max(1, len(x) // 4096)):
            rows = part.reshape(-1, x.shape[-1]).astype(np.float64)
            finite = rows[np.isfinite(rows).all(axis=1)]
            if len(finite):  # the others are refused by `check_finite`, once all are counted
                self._scaler.partial_fit(finite)

    def white(self) -> float | None:
        """The least usual value of a white pixel that no value seen exceeds; black is 0."""
        lowest, highest = self._range
        return next((w for w in WHITES if lowest >= 0 and highest <= w), None)

    def moments(self) -> Moments:
        """Mean, variance and what white is."""
        if self._counts is not None:
            mean, variance = _of_counts(self._counts)
        else:
            mean, variance = self._scaler.mean_, self._scaler.var_
        # A constant feature has nothing to scale; 1 keeps it, instead of dividing by rounding.
        constant = variance <= 1e-14 * np.maximum(mean**2, 1e-30)
        spread = np.where(constant, 1.0, variance)
        return Moments(mean.tolist(), spread.tolist(), self.white())


def _of_counts(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, total = np.arange(256), counts.sum(axis=1)
    mean = counts @ values / total
    return mean, (counts * (values - mean[:, np.newaxis]) ** 2).sum(axis=1) / total


def check_finite(pairs: Iterable[Pair], split: str) -> Iterator[Pair]:
    """The same pieces.

    Raises:
        ValueError: once all are seen, if some rows of the split hold NaN or infinity.
    """
    bad = 0
    for x, y in pairs:
        if x.dtype.kind == "f":
            finite = np.isfinite(x)
            bad += 0 if finite.all() else int((~finite.reshape(len(x), -1).all(axis=1)).sum())
        yield x, y
    if bad:
        raise ValueError(
            f"x holds NaN or infinity (beyond 3.4e38) in {bad} rows of the {split} split: fill or "
            "remove them"
        )


def count_unseen(
    pairs: Iterable[Pair], unseen: dict[str, int], trained: dict[str, int]
) -> Iterator[Pair]:
    """The same pieces; `unseen` gets how many rows have a code of no training row, by column.

    Such a code is 0, or above the last one that is `trained`: those that only a feature table has.
    """
    for x, y in pairs:
        for name, column in zip(unseen, x.T, strict=True):
            unseen[name] += int(((column == 0) | (column > trained[name])).sum())
        yield x, y
