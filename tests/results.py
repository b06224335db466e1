"""What a training comes to, where nothing trains."""

from __future__ import annotations

from typing import Any

from truefit.core.results import Result
from truefit.training.process.child import Ending


def result_of(val_loss: float, gap: float = 0.01, **known: Any) -> Result:
    """A result with this loss and gap; `known` are other fields that a test looks at."""
    rest = {"best_epoch": 1, "parameters": 10, "weights_sha256": "0" * 64, "seconds": 1.0, **known}
    return Result(best_val_loss=val_loss, train_loss_at_best=val_loss - gap, gap=gap, **rest)


def result_from(ending: Ending) -> Result:
    """The result of a training that has one."""
    assert ending.result is not None, ending.reason
    return ending.result
