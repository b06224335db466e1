"""Scores as functions of row weights, so that a bootstrap is one matrix product, not a loop.

Each takes `weights` (resamples, rows): how often a row counts in a resample. All ones give the
score itself. Definitions follow scikit-learn's functions of the same names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 10
AREAS = 2_000_000  # resamples x rows of a call for which areas are found
SMALLEST = 1e-7  # probabilities are kept this far from 0 and 1, as Keras does


def classification(
    y: np.ndarray, probabilities: Floats, weights: Floats, *, binary: bool
) -> dict[str, Floats]:
    """The scores of one class of several; those of each class are averaged over the classes.

    Args:
        y: class codes (rows,).
        probabilities: (rows, classes), each row summing to 1.
        weights: (resamples, rows).
        binary: precision, recall, F1 and both areas are those of class 1; else means over classes.

    Returns:
        `loss` (cross-entropy), `accuracy`, `balanced_accuracy`, `precision`, `recall`, `f1`,
        `roc_auc`, `pr_auc` (average precision) and `calibration_error`, each (resamples,); NaN
        where a resample lacks a class that the score needs. Areas need a sorted pass for each
        resample: of many rows a part of the resamples has them, and the others NaN.
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
    shown = [1] if binary else range(classes)
    areas = [_some_areas(y == c, probabilities[:, c], weights) for c in shown]
    roc, pr = np.mean(areas, axis=0)
    confidence = probabilities.max(axis=1)
    return {
        "loss": weights @ -np.log(chosen) / total,
        "accuracy": hits.sum(axis=1) / total,
        "balanced_accuracy": np.nanmean(recall, axis=1),
        "precision": precision[:, 1] if binary else precision.mean(axis=1),
        "recall": recall[:, 1] if binary else np.nanmean(recall, axis=1),
        "f1": f1[:, 1] if binary else np.nanmean(f1, axis=1),
        "roc_auc": roc,
        "pr_auc": pr,
        "calibration_error": calibration_error(confidence, predicted == y, weights),
    }


def multilabel(y: np.ndarray, probabilities: Floats, weights: Floats) -> dict[str, Floats]:
    """The scores of several labels at once; all but `exact_match` are means over the labels.

    Args:
        y: 0 or 1 (rows, labels).
        probabilities: (rows, labels).
        weights: (resamples, rows).

    Returns:
        What `classification` returns, and `exact_match` (every label of a row right).
    """
    p = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    per_label = [
        classification(y[:, n], np.column_stack([1 - p[:, n], p[:, n]]), weights, binary=True)
        for n in range(y.shape[1])
    ]
    exact = ((probabilities > 0.5) == y).all(axis=1)
    return {
        **{name: np.mean([one[name] for one in per_label], axis=0) for name in per_label[0]},
        "exact_match": weights @ exact / weights.sum(axis=1),
    }


def calibration_error(confidence: Floats, is_right: np.ndarray, weights: Floats) -> Floats:
    """Expected calibration error over ten equal bins of confidence (Guo et al. 2017, eq. 3)."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = np.eye(BINS)[place]
    off = weights @ (bins * (is_right - confidence)[:, np.newaxis])
    return np.asarray(np.abs(off).sum(axis=1) / weights.sum(axis=1))


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
    centred = y - y.mean()  # squares of a large mean would cancel
    spread = weights @ centred**2 - (weights @ centred) ** 2 / total
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = 1 - squared / spread
    return {
        "loss": squared / total / scale**2,
        "mae": weights @ np.abs(error) / total,
        "rmse": np.sqrt(squared / total),
        "r2": r2,
    }


def _some_areas(is_class: np.ndarray, score: Floats, weights: Floats) -> np.ndarray:
    some = weights[: max(1, AREAS // weights.shape[1])]
    found = np.full((2, len(weights)), np.nan)
    found[:, : len(some)] = areas_under(is_class, score, some)
    return found


def areas_under(is_class: np.ndarray, score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The areas under the ROC and under the precision-recall curve.

    The first is the chance that a row of the class scores above one of no class, ties counting
    half; the second is average precision.
    """
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) < 0])
    # Single precision halves the time, and is exact: weights are small whole numbers.
    heavy = weights.astype(np.float32)[:, order]
    positive = np.add.reduceat(heavy * is_class[order], starts, axis=1)
    everyone = np.add.reduceat(heavy, starts, axis=1)
    found = np.cumsum(positive, axis=1, dtype=np.float64)
    claimed = np.cumsum(everyone, axis=1, dtype=np.float64)
    positives, negatives = found[:, -1], claimed[:, -1] - found[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        pr = np.nansum(positive * (found / claimed), axis=1) / positives
        above = (everyone - positive) * (found - positive / 2)
        roc = above.sum(axis=1) / (positives * negatives)
    pr[positives == 0] = np.nan
    return roc, pr


def _by_class(weights: Floats, codes: np.ndarray, rows: np.ndarray | None, classes: int) -> Floats:
    """The weight of each class (resamples, classes), of the rows that count."""
    counted = weights if rows is None else weights[:, rows]
    return np.asarray(counted @ np.eye(classes)[codes])
