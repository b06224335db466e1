from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from truefit import scores

seeds = st.integers(0, 10_000)


def _sample(seed: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), random.integers(0, classes, 40)])
    raw = random.random((len(y), classes)).round(1) + 0.05  # rounded, so that there are ties
    weights = random.integers(0, 4, len(y)).astype(float) + 1
    return y, raw / raw.sum(axis=1, keepdims=True), weights


@given(seeds, st.integers(2, 5))
@settings(deadline=None)
def test_classification_agrees_with_scikit_learn(seed: int, classes: int) -> None:
    """Each score with row weights is scikit-learn's with the same sample weights."""
    y, p, w = _sample(seed, classes)
    binary = classes == 2

    ours = scores.classification(y, p, w[np.newaxis], binary=binary)

    predicted = p.argmax(axis=1)
    average = "binary" if binary else "macro"
    expected = {
        "loss": metrics.log_loss(y, p, sample_weight=w),
        "accuracy": metrics.accuracy_score(y, predicted, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted, sample_weight=w),
        "f1": metrics.f1_score(y, predicted, sample_weight=w, average=average, zero_division=0),
    }
    if binary:
        expected["roc_auc"] = metrics.roc_auc_score(y, p[:, 1], sample_weight=w)
        expected["recall"] = metrics.recall_score(y, predicted, sample_weight=w, zero_division=0)
        expected["precision"] = metrics.precision_score(
            y, predicted, sample_weight=w, zero_division=0
        )
    assert {name: pytest.approx(value) for name, value in expected.items()} == {
        name: float(value[0]) for name, value in ours.items()
    }


@given(seeds)
def test_regression_agrees_with_scikit_learn(seed: int) -> None:
    """Errors are in the target's unit, the loss in units of its deviation."""
    random = np.random.default_rng(seed)
    y, predicted, w = random.normal(50, 9, 30), random.normal(50, 9, 30), random.random(30) + 0.1

    ours = scores.regression(y, predicted, w[np.newaxis], scale=9.0)

    mse = metrics.mean_squared_error(y, predicted, sample_weight=w)
    expected = {
        "loss": mse / 81,
        "mae": metrics.mean_absolute_error(y, predicted, sample_weight=w),
        "rmse": mse**0.5,
        "r2": metrics.r2_score(y, predicted, sample_weight=w),
    }
    assert {name: pytest.approx(value) for name, value in expected.items()} == {
        name: float(value[0]) for name, value in ours.items()
    }


def test_a_resample_without_a_class_has_no_auc() -> None:
    """A score that is undefined on a resample is NaN, not a number that looks like one."""
    y, p = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])

    ours = scores.classification(y, p, np.array([[1.0, 1.0, 0.0], [1, 1, 1]]), binary=True)

    assert np.isnan(ours["roc_auc"][0])
    assert ours["roc_auc"][1] == 1.0
