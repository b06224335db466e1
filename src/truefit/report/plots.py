"""The pictures of a training: its curves, and what the test predictions look like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, roc_curve

from truefit.datasets.prepared import Facts
from truefit.tasks import Task

BLUE, ORANGE, GREY = "#2563a8", "#d9731a", "#8a8f98"
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a class may be called $10
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "font.size": 9.5,
    "legend.edgecolor": "none",
    "savefig.dpi": 130,
}


def draw(
    folder: Path,
    task: Task,
    facts: Facts,
    history: pd.DataFrame,
    best_epoch: int,
    y: np.ndarray,
    prediction: np.ndarray,
) -> None:
    """Write the pictures as PNG files; `y` and `prediction` are the test split's."""
    with mpl.rc_context(STYLE):
        unit = " (of the standardised target)" if task.name == "regression" else ""
        _save(folder / "curves.png", _curves, history, best_epoch, task.headline, unit)
        if task.name == "regression":
            _save(
                folder / "predictions.png",
                _predictions,
                y,
                prediction[:, 0],
                facts["target"]["name"],
            )
            _save(folder / "residuals.png", _residuals, y, prediction[:, 0])
            return
        codes = prediction.argmax(axis=1) if task.name == "multiclass" else prediction[:, 0] > 0.5
        _save(
            folder / "confusion.png", _confusion, y, codes.astype(int), facts["target"]["classes"]
        )
        if task.name == "binary" and len(np.unique(y)) == 2:
            _save(folder / "roc.png", _roc, y, prediction[:, 0])
            _save(folder / "calibration.png", _calibration, y, prediction[:, 0])


def _save(file: Path, paint: Callable[..., None], *values: object) -> None:
    wide = paint is _curves
    figure = Figure(figsize=(8.4 if wide else 4.6, 3.4 if wide else 4.2), layout="constrained")
    paint(figure, *values)
    # No date or version inside: the same numbers give the same bytes.
    figure.savefig(file, metadata={"Software": None})


def _curves(figure: Figure, history: pd.DataFrame, best_epoch: int, metric: str, unit: str) -> None:
    axes = figure.subplots(1, 2)
    for place, name in zip(axes, ("loss", metric), strict=True):
        place.plot(history["epoch"], history[name], color=BLUE, label="train (dropout on)")
        place.plot(history["epoch"], history[f"val_{name}"], color=ORANGE, label="validation")
        place.axvline(best_epoch, color=GREY, lw=1, ls="--", label="restored")
        place.set(title=name + unit, xlabel="epoch")
        place.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(loc="upper right")


def _confusion(figure: Figure, y: np.ndarray, predicted: np.ndarray, classes: list[str]) -> None:
    axes = figure.subplots()
    counts = confusion_matrix(y, predicted, labels=range(len(classes)))
    axes.imshow(
        counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), cmap="Blues", vmin=0, vmax=1
    )
    few = len(classes) <= 20
    names = [name if len(name) < 14 else f"{name[:12]}..." for name in classes]
    if few:
        for (row, column), count in np.ndenumerate(counts):
            share = count / max(1, counts[row].sum())
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                color="w" if share > 0.5 else "k",
            )
        turn = 45 if max(map(len, names)) > 3 else 0
        axes.set_xticks(range(len(names)), names, rotation=turn, ha="right" if turn else "center")
        axes.set_yticks(range(len(names)), names)
    axes.spines[:].set_visible(False)
    axes.set(
        title="confusion (test; colour: share of the row)", xlabel="predicted", ylabel="actual"
    )


def _roc(figure: Figure, y: np.ndarray, score: np.ndarray) -> None:
    axes = _square(figure, "ROC (test)", "false positive rate", "true positive rate")
    wrong, right, _ = roc_curve(y, score)
    axes.plot(wrong, right, color=BLUE)


def _calibration(figure: Figure, y: np.ndarray, score: np.ndarray) -> None:
    axes = _square(figure, "calibration (test)", "predicted probability", "share of class 1")
    share, predicted = calibration_curve(y, score, n_bins=8, strategy="quantile")
    axes.plot(predicted, share, marker="o", color=BLUE)


def _predictions(figure: Figure, y: np.ndarray, predicted: np.ndarray, name: str) -> None:
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


def _square(figure: Figure, title: str, x: str, y: str) -> Axes:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    axes.set(
        title=title, xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal"
    )
    return axes
