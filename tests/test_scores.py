from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import not_none
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics

from truefit.core.prepared.folder import SPLITS
from truefit.evaluation import scores
from truefit.evaluation.intervals import summarise

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
    options: dict[str, Any] = {"sample_weight": w, "average": average, "zero_division": 0}
    areas = [
        (
            metrics.roc_auc_score(y == c, p[:, c], sample_weight=w),
            metrics.average_precision_score(y == c, p[:, c], sample_weight=w),
        )
        for c in ([1] if binary else range(classes))
    ]
    expected = {
        "loss": metrics.log_loss(y, p, sample_weight=w),
        "accuracy": metrics.accuracy_score(y, predicted, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted, sample_weight=w),
        "precision": metrics.precision_score(y, predicted, **options),
        "recall": metrics.recall_score(y, predicted, **options),
        "f1": metrics.f1_score(y, predicted, **options),
        "roc_auc": np.mean([roc for roc, _ in areas]),
        "pr_auc": np.mean([pr for _, pr in areas]),
    }
    error = ours.pop("calibration_error")
    assert 0 <= error[0] <= 1
    assert {name: pytest.approx(value) for name, value in expected.items()} == {
        name: float(value[0]) for name, value in ours.items()
    }


@given(seeds, st.integers(2, 4))
@settings(deadline=None)
def test_labels_are_scored_as_so_many_binary_tasks(seed: int, labels: int) -> None:
    """Each score of several labels is the mean over them of scikit-learn's; a match is of all."""
    random = np.random.default_rng(seed)
    y = np.vstack([np.zeros(labels), np.ones(labels), random.integers(0, 2, (30, labels))])
    y, p = y.astype(int), random.random((32, labels)).round(1)
    w = random.integers(1, 4, 32).astype(float)

    ours = scores.multilabel(y, p, w[np.newaxis])

    options: dict[str, Any] = {"sample_weight": w, "zero_division": 0}
    f1 = [metrics.f1_score(y[:, n], p[:, n] > 0.5, **options) for n in range(labels)]
    assert ours["f1"][0] == pytest.approx(np.mean(f1))
    exact = metrics.accuracy_score(y, p > 0.5, sample_weight=w)
    assert ours["exact_match"][0] == pytest.approx(exact)


def test_calibration_error_is_the_distance_from_what_was_said() -> None:
    """Right as often as said: 0. Always sure and right in half of the rows: a half."""
    right, ones = np.arange(100) % 2 == 0, np.ones((1, 100))

    honest = scores.calibration_error(np.full(100, 0.5), right, ones)
    sure = scores.calibration_error(np.full(100, 1.0), right, ones)

    assert honest[0] == pytest.approx(0)
    assert sure[0] == pytest.approx(0.5)


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


def test_r2_does_not_mind_where_zero_is() -> None:
    """The same errors of targets a billion away have the same R2."""
    random = np.random.default_rng(0)
    y = random.normal(size=200)
    near, weights = y + random.normal(size=200), np.ones((1, 200))

    here = scores.regression(y, near, weights, scale=1.0)["r2"]
    there = scores.regression(y + 1e9, near + 1e9, weights, scale=1.0)["r2"]

    assert np.allclose(here, there, rtol=1e-4)


def test_a_resample_without_a_class_has_no_auc() -> None:
    """A score that is undefined on a resample is NaN, not a number that looks like one."""
    y, p = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])

    ours = scores.classification(y, p, np.array([[1.0, 1.0, 0.0], [1, 1, 1]]), binary=True)

    assert np.isnan(ours["roc_auc"][0])
    assert ours["roc_auc"][1] == 1.0


def test_areas_of_many_rows_come_from_fewer_resamples() -> None:
    """A large split has areas for its first resamples, and its other scores for all of them."""
    random = np.random.default_rng(0)
    y, p = random.integers(0, 2, 40_000), random.random((40_000, 1))
    weights = np.ones((60, 40_000))

    ours = scores.classification(y, np.hstack([1 - p, p]), weights, binary=True)

    assert np.isfinite(ours["accuracy"]).all()
    assert np.isfinite(ours["roc_auc"]).sum() == 50


@given(st.integers(1, 500), st.booleans(), st.floats(0.5, 0.999))
@settings(deadline=None)
def test_where_every_row_is_right_the_interval_is_not_a_point(
    rows: int, right: bool, confidence: float
) -> None:
    """A share of 1 or 0 has the exact interval of a binomial share, on any resamples."""
    same = {"loss": np.full(9, 0.1), "accuracy": np.full(9, float(right))}
    splits, each = dict.fromkeys(SPLITS, same), dict.fromkeys(SPLITS, rows)

    found = summarise(splits, confidence, ("accuracy",), each)["test"]

    exact = binomtest(rows * right, rows).proportion_ci(confidence, method="exact")
    low, high = not_none(found["accuracy_low"]), not_none(found["accuracy_high"])
    assert np.isclose([low, high], exact).all()
    assert found["loss_low"] == found["loss_high"]
