"""What is scored: one split, and what the model makes of it.

Each module beside this one scores one kind of task. It has `scores(case, weights)`,
`baseline(cases)` and `draw(folder, case)`; where they are needed also

- `prepare(core, splits, facts, config)`, whose result every case holds as `context`,
- `thin(splits, seed)`, the rows that are scored, where not all are,
- `predict(split, context, batch_size)` in place of the model's own,
- `details(case)`, further figures without intervals,
- `units(case)`, for each row the number of what it belongs to (a user): those are resampled,
- `NAIVE`, what `baseline` is of if not of a constant prediction,
- `BIASED`, the scores that are larger on any resample than on the sample,
- `SHARES`, the scores that are the share of rows that are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truefit.core.prepared.folder import Facts
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
