"""Scores as functions of row weights, so that a bootstrap is one matrix product, not a loop.

Each takes `weights` (resamples, rows): how often a row counts in a resample. All ones give the
score itself. Definitions follow scikit-learn's functions of the same names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALLEST = 1e-7  # probabilities are kept this far from 0 and 1, as Keras does


def classification(
    y: NDArray[Any], probabilities: Floats, weights: Floats, *, binary: bool
) -> dict[str, Floats]:
    """Cross-entropy `loss`, `accuracy`, `balanced_accuracy`, `f1`; for two classes also `roc_auc`.

    Args:
        y: class codes (rows,).
        probabilities: (rows, classes), each row summing to 1.
        weights: (resamples, rows).
        binary: precision, recall and F1 are those of class 1; else F1 is the mean over classes.

    Returns:
        Each score (resamples,); NaN where a resample lacks a class that the score needs.
    """
    classes = probabilities.shape[1]
    total = weights.sum(axis=1)
    chosen = np.clip(probabilities[np.arange(len(y)), y], SMALLEST, 1.0)
    predicted = probabilities.argmax(axis=1)
    hits = _by_class(weights, y[predicted == y], predicted == y, classes)
    actual = _by_class(weights, y, None, classes)
    claimed = _by_class(weights, predicted, None, classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / actual
        precision = np.where(claimed > 0, hits / claimed, 0.0)
        f1 = 2 * hits / (actual + claimed)
    scores = {
        "loss": weights @ -np.log(chosen) / total,
        "accuracy": hits.sum(axis=1) / total,
        "balanced_accuracy": np.nanmean(recall, axis=1),
    }
    if binary:
        auc = roc_auc(y, probabilities[:, 1], weights)
        return {
            **scores,
            "precision": precision[:, 1],
            "recall": recall[:, 1],
            "f1": f1[:, 1],
            "roc_auc": auc,
        }
    return {**scores, "f1": np.nanmean(f1, axis=1)}


def regression(y: Floats, predicted: Floats, weights: Floats, *, scale: float) -> dict[str, Floats]:
    """`loss` (squared error in units of `scale`), `mae`, `rmse` in the target's unit, and `r2`.

    Args:
        y: (rows,).
        predicted: (rows,).
        weights: (resamples, rows).
        scale: the standard deviation of the target that the model was trained in.
    """
    total = weights.sum(axis=1)
    error = y - predicted
    squared = weights @ error**2
    mean = weights @ y / total
    spread = weights @ y**2 - total * mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = 1 - squared / spread
    return {
        "loss": squared / total / scale**2,
        "mae": weights @ np.abs(error) / total,
        "rmse": np.sqrt(squared / total),
        "r2": r2,
    }


def roc_auc(y: NDArray[Any], score: Floats, weights: Floats) -> Floats:
    """The chance that a row of class 1 scores above one of class 0, ties counting half."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    sorted_weights, is_positive = weights[:, order], y[order] == 1
    positive = np.add.reduceat(sorted_weights * is_positive, starts, axis=1)
    negative = np.add.reduceat(sorted_weights * ~is_positive, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((positive * (below + negative / 2)).sum(axis=1) / pairs)


def _by_class(
    weights: Floats, codes: NDArray[Any], rows: NDArray[Any] | None, classes: int
) -> Floats:
    """The weight of each class (resamples, classes), of the rows that count."""
    counted = weights if rows is None else weights[:, rows]
    return np.asarray(counted @ np.eye(classes)[codes])
