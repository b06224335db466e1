"""What is scored: one split, and what the model makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truefit.core.prepared.facts import Facts
from truefit.training.tasks import Task

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One split, mapped from disk, and the predictions for its rows.

    `prediction` has a row per row of `x`: the model's output, or what the scoring made of it.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    prediction: np.ndarray
    facts: Facts
    task: Task
    context: Any = None
