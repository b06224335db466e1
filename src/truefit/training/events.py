"""What a training tells the process that started it; its last event is its `Ending`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from truefit.core.results import Logs


@dataclass(frozen=True)
class Hello:
    """The process runs; `unsafe` says what the fork server cannot copy, empty if nothing."""

    unsafe: str


@dataclass(frozen=True)
class Ready:
    """Keras is imported and its device set up; no parameter of a trial was used yet."""


@dataclass(frozen=True)
class Left:
    """How many seconds are left of the time limit; 0 once it has passed."""

    seconds: float


@dataclass(frozen=True)
class Epoch:
    """An epoch, or a fold, has ended: its number from 1, its values, and perhaps a sample.

    A sample is what a model makes of nothing: pictures (count, height, width, channels) or text.
    """

    number: int
    logs: Logs
    sample: np.ndarray | str | None = None


Emit = Callable[[Epoch | Left], bool]  # whether the training ends here: it is pruned
