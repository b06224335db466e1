"""Logistic and ridge regression, with the penalty that suits a tenth of the training rows best."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from truefit.evaluation.scores import SMALLEST

STEPS = 100
Matrix: TypeAlias = np.ndarray | sparse.csr_array  # (rows, features), dense or sparse
Linear: TypeAlias = LogisticRegression | Ridge
Predict = Callable[[Matrix], np.ndarray]


def fit_linear(
    x: Matrix, y: np.ndarray, kind: str, outputs: int, penalties: tuple[float, ...], seed: int
) -> Predict:
    """A linear model of standardised features, or of sparse ones as they are.

    Args:
        x: (rows, features), dense or sparse.
        y: class codes, labels of 0 and 1 (rows, labels), or numbers.
        kind: of the target: "classes", "labels" or "number".
        outputs: how many classes or labels there are.
        penalties: weights of the squared coefficients, of which one is chosen.
        seed: of the tenth of the rows that chooses it.

    Returns:
        What predicts (rows, outputs): probabilities, or the number.
    """
    fit, loss = {
        "classes": (_fit_classes, _log_loss),
        "labels": (_fit_labels, _label_loss),
        "number": (_fit_number, _squared_error),
    }[kind]
    kept, held = tenth(len(y), seed)
    if not sparse.issparse(x):
        x = x.astype(np.float64)  # in float32 the last digits of a sum change the first ones here

    def worth(penalty: float) -> float:
        return loss(y[held], fit(x[kept], y[kept], outputs, penalty)(x[held]))

    with warnings.catch_warnings():
        # After so many steps the rest is worth nothing: a yardstick need not be the optimum.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(x, y, outputs, min(penalties, key=worth))


def tenth(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted numbers of nine tenths of the rows and of the last one, at random."""
    order = np.random.default_rng([seed, 0x10]).permutation(rows)
    held = max(1, rows // 10)
    return np.sort(order[held:]), np.sort(order[:held])


def in_all_classes(found: np.ndarray, seen: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities (rows, classes) of those for the classes that were `seen`; 0 for the others."""
    whole = np.zeros((len(found), classes))
    whole[:, seen] = found
    return whole


def _fit_classes(x: Matrix, y: np.ndarray, classes: int, penalty: float) -> Predict:
    seen = np.unique(y)
    if len(seen) == 1:
        return lambda rows: in_all_classes(np.ones((rows.shape[0], 1)), seen, classes)
    model = _scaled(x, LogisticRegression(C=1 / penalty, max_iter=STEPS)).fit(x, y)
    return lambda rows: in_all_classes(model.predict_proba(rows), seen, classes)


def _fit_labels(x: Matrix, y: np.ndarray, labels: int, penalty: float) -> Predict:
    each = [_fit_classes(x, y[:, label], 2, penalty) for label in range(labels)]
    return lambda rows: np.column_stack([predict(rows)[:, 1] for predict in each])


def _fit_number(x: Matrix, y: np.ndarray, outputs: int, penalty: float) -> Predict:
    model = _scaled(x, Ridge(alpha=penalty)).fit(x, y)
    return lambda rows: model.predict(rows).reshape(-1, outputs)


def _scaled(x: Matrix, model: Linear) -> Linear | Pipeline:
    return model if sparse.issparse(x) else make_pipeline(StandardScaler(), model)


def _log_loss(y: np.ndarray, p: np.ndarray) -> float:
    return float(-np.log(np.clip(p[np.arange(len(y)), y], SMALLEST, 1)).mean())


def _label_loss(y: np.ndarray, p: np.ndarray) -> float:
    right = np.where(y == 1, p, 1 - p)
    return float(-np.log(np.clip(right, SMALLEST, 1)).mean())


def _squared_error(y: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean((y - predicted[:, 0]) ** 2))
