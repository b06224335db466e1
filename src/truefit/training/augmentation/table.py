"""Rows of a table with noise on their numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

if TYPE_CHECKING:
    from truefit.core.prepared.facts import FactsJSON


def table(
    *, facts: FactsJSON, seed: int, noise: Annotated[float, Ge(0)] = 0.0
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function of rows (rows, features) and targets that gives rows nearby.

    Noise on the inputs acts as a penalty on the slope of what is learned (Bishop 1995).

    Args:
        facts: what dataset.json says.
        seed: of the random numbers.
        noise: standard deviation of normal noise, in units of each number's own; categories and
            marks of missing values stay as they are.

    Raises:
        ValueError: rows are not of features.
    """
    shape = facts["input_shape"]
    if len(shape) != 1 or facts["sizes"] or not facts["statistics"]:
        raise ValueError(
            "augmentation table needs rows of features; `augmentation: none` or another file of it"
        )
    random = np.random.default_rng([seed, 0x7AB])
    spread = np.sqrt(facts["statistics"]["variance"]) * noise * _is_number(facts)

    def augment(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shaken = x + random.standard_normal(x.shape, dtype=np.float32) * spread
        return shaken.astype(np.float32), y

    return augment


def _is_number(facts: FactsJSON) -> np.ndarray:
    """Which features are numbers, in the order of the features."""
    if not facts["columns"]:
        return np.ones(facts["input_shape"][0])
    marks: list[bool] = []
    for column in facts["columns"]:
        if column["kind"] == "number":
            marks += [True, False] if column["indicator"] else [True]
        elif column["kind"] == "category":
            marks += [False] * (len(column["levels"]) + 1)
    return np.array(marks, dtype=float)
