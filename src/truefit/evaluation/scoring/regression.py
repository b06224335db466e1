"""A number: how far off it is, in its own unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from truefit.evaluation import scores as weighted
from truefit.evaluation.report.plots import BLUE, GREY, save
from truefit.evaluation.scoring.case import Case, Floats

RISING = ("r2",)
FALLING = ("mae", "rmse")


def scores(case: Case, weights: Floats) -> dict[str, Floats]:
    """`loss`, `mae`, `rmse` and `r2` for each row of `weights`, as `scores.regression`."""
    y = case.y.astype(np.float64)
    scale = case.facts.target.scale
    return weighted.regression(y, case.prediction[:, 0], weights, scale=scale)


def baseline(cases: dict[str, Case]) -> float:
    """The validation loss of the mean of the training rows."""
    target = cases["train"].facts.target
    error = cases["validation"].y - target.mean
    return float(np.mean(error**2) / target.scale**2)


def draw(folder: Path, case: Case) -> None:
    """Predicted against actual values, and the residuals."""
    predicted = case.prediction[:, 0]
    name = case.facts.target.name
    save(folder / "predictions.png", draw_predictions, case.y, predicted, name)
    save(folder / "residuals.png", _residuals, case.y, predicted)


def draw_predictions(figure: Figure, y: np.ndarray, predicted: np.ndarray, name: str) -> None:
    """A point for each row, and the line on which all would lie."""
    axes = figure.subplots()
    low, high = min(y.min(), predicted.min()), max(y.max(), predicted.max())
    axes.plot([low, high], [low, high], color=GREY, lw=1, ls="--")
    axes.scatter(y, predicted, s=14, alpha=0.6, color=BLUE, edgecolors="none")
    axes.set(title=f"{name} (test)", xlabel="actual", ylabel="predicted")


def _residuals(figure: Figure, y: np.ndarray, predicted: np.ndarray) -> None:
    axes = figure.subplots()
    axes.axhline(0, color=GREY, lw=1, ls="--")
    axes.scatter(predicted, y - predicted, s=14, alpha=0.6, color=BLUE, edgecolors="none")
    axes.set(title="residuals (test)", xlabel="predicted", ylabel="actual - predicted")
