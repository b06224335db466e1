"""Several labels at once: each scored by itself, and their means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_fscore_support

from truefit.evaluation import scores as weighted
from truefit.evaluation.report.plots import BLUE, is_picture, pictures, save
from truefit.evaluation.scoring import classification
from truefit.evaluation.scoring.case import Case, Floats
from truefit.evaluation.scoring.classification import (
    MISTAKES,
    draw_calibration,
    draw_precision_recall,
    draw_roc,
)

SHARES = ("exact_match",)
RISING = (*classification.RISING, "exact_match")
FALLING = classification.FALLING


def scores(case: Case, weights: Floats) -> dict[str, Floats]:
    """Every score for each row of `weights`, as `scores.multilabel`."""
    return weighted.multilabel(case.y, case.prediction, weights)


def baseline(cases: dict[str, Case]) -> float:
    """The validation loss of the share that each label has in training."""
    share = np.clip(cases["train"].y.mean(axis=0), weighted.SMALLEST, 1 - weighted.SMALLEST)
    y = cases["validation"].y
    return float(-np.mean(y * np.log(share) + (1 - y) * np.log(1 - share)))


def details(case: Case) -> dict[str, dict[str, float]]:
    """Rows, precision, recall and F1 of each label."""
    figures = precision_recall_fscore_support(case.y, case.prediction > 0.5, zero_division=0)
    names = ("precision", "recall", "f1", "rows")
    return {
        label: {name: float(figure[place]) for name, figure in zip(names, figures, strict=True)}
        for place, label in enumerate(case.facts.target.labels)
    }


def draw(folder: Path, case: Case) -> None:
    """F1 of each label, ROC and precision-recall curves, calibration, and the worst mistakes."""
    labels = case.facts.target.labels
    save(folder / "labels.png", _labels, {name: d["f1"] for name, d in details(case).items()})
    both = [n for n in range(len(labels)) if 0 < case.y[:, n].sum() < len(case.y)]
    curves = [(labels[n], case.y[:, n] == 1, case.prediction[:, n]) for n in both]
    save(folder / "roc.png", draw_roc, curves)
    save(folder / "precision_recall.png", draw_precision_recall, curves)
    chosen = case.prediction > 0.5
    confidence = np.where(chosen, case.prediction, 1 - case.prediction)
    save(
        folder / "calibration.png", draw_calibration, confidence.ravel(), (chosen == case.y).ravel()
    )
    if is_picture(case.x):
        worst = np.argsort(-np.abs(case.y - case.prediction).max(axis=1), kind="stable")[:MISTAKES]
        words = [
            f"{_name(chosen[row], labels)},\nnot {_name(case.y[row], labels)}" for row in worst
        ]
        save(folder / "mistakes.png", pictures, case.x[worst], words, "furthest off (test)")


def _name(chosen: np.ndarray, labels: list[str]) -> str:
    return "+".join(label for label, yes in zip(labels, chosen, strict=True) if yes) or "none"


def _labels(figure: Figure, values: dict[str, float]) -> None:
    axes = figure.subplots()
    axes.barh(list(values), list(values.values()), color=BLUE)
    axes.invert_yaxis()
    axes.set(title="F1 of each label (test)", xlim=(0, 1))
