"""What a yardstick is, and how many training rows one may learn from.

The limits are counts, not seconds, so that a yardstick is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from truefit.core.words import YardstickKind
from truefit.evaluation.scoring.case import Case

Cases = dict[str, Case]
HELD_OUT = ("validation", "test")
# A model of fewer rows than this, where there are more, says little about what the rows hold.
FEWEST = 2_000


@dataclass(frozen=True)
class Yardstick:
    """A simple model of the training rows, and its predictions for the rows held out.

    `name` is what a person calls it, `kind` what the configuration calls it, `rows` how many
    training rows it learned from. `predictions` has for "validation" and "test" an array of the
    form that the task's scoring reads as `Case.prediction`; figures that the yardstick does not
    have (the lists of a rating model) are NaN.
    """

    name: str
    kind: YardstickKind
    rows: int
    predictions: dict[str, np.ndarray]


Maker = Callable[[Cases, int], list[Yardstick]]


def choose_rows(rows: int, most: float, key: list[int]) -> np.ndarray | None:
    """Sorted numbers of the rows to learn from: all, or `most` of them drawn at random.

    `None` if these would be fewer than FEWEST of more.
    """
    count = min(rows, int(most))
    if count < min(rows, FEWEST):
        return None
    return np.sort(np.random.default_rng(key).permutation(rows)[:count])


def repeat(prediction: ArrayLike, rows: int) -> np.ndarray:
    """(rows, ...) of one and the same prediction."""
    return np.repeat(np.asarray(prediction, np.float64)[np.newaxis], rows, axis=0)
