"""The constant answer: what a model that looks at no row would say, and its loss."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.mapped import read
from truefit.training.tasks import Task

SMALLEST = 1e-7  # shares are kept this far from 0 and 1, as Keras keeps probabilities
BYTES = 16 * 2**20  # of constant outputs that are made at a time
Rows = tuple[np.ndarray, np.ndarray]


def constant_loss(
    task: Task, facts: Facts, shape: tuple[Any, ...], fit_on: Rows, validate_on: Rows
) -> float | None:
    """The task's loss on the validation rows of the constant answer that the training rows suggest.

    Shares of the classes, labels or codes, or the mean. So it compares with a training's
    validation loss, whatever loss the task has.

    Args:
        task: has the loss.
        facts: what dataset.json says.
        shape: of the model's output, `None` for the rows first.
        fit_on: training rows, with targets as they are trained on.
        validate_on: validation rows, likewise.

    Returns:
        `None` where the task has no loss of its own, or no constant is known for its target.
    """
    loss = task.loss()
    answer = _answer(facts, fit_on[1], shape)
    if loss is None or answer is None:
        return None
    x, y = validate_on
    step = max(1, BYTES // max(1, 4 * answer.size))
    total = 0.0
    for start in range(0, len(x), step):
        part = read(y, slice(start, start + step))
        outputs = np.broadcast_to(answer, (len(part), *answer.shape))
        total += len(part) * _mean(loss(part, np.ascontiguousarray(outputs)))
    return total / len(x) if isfinite(total) else None


def _mean(losses: ArrayLike) -> float:
    from keras import ops  # noqa: PLC0415 - the backend is chosen by the environment before this

    return float(ops.convert_to_numpy(ops.mean(losses)))


def _answer(facts: Facts, y: np.ndarray, shape: tuple[Any, ...]) -> np.ndarray | None:
    """What the model would have to put out for every row, as logits or in the unit of training."""
    kind, outputs = facts.target.kind, int(shape[-1])
    match kind:
        case "classes":
            shares = np.bincount(np.asarray(y), minlength=max(2, outputs)) / len(y)
            answer = _logit(shares[1:]) if outputs == 1 else np.log(np.maximum(shares, SMALLEST))
        case "labels":
            answer = _logit(np.asarray(y, np.float64).mean(axis=0))
        case "number":  # which is trained on in deviations from its mean
            answer = np.zeros(1)
        case "next":
            counts = np.bincount(np.asarray(y).ravel(), minlength=outputs)
            answer = np.tile(np.log(np.maximum(counts / counts.sum(), SMALLEST)), (*shape[1:-1], 1))
        case "input":
            answer = np.zeros(shape[1:]) if facts.normalize else np.mean(y, axis=0)
        case _:
            return None
    return answer.astype(np.float32) if answer.shape == tuple(shape[1:]) else None


def _logit(shares: ArrayLike) -> np.ndarray:
    inside = np.clip(shares, SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(inside / (1 - inside)))
