"""One class of two or more: scores, per class too, and what the mistakes look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from truefit.core.prepared.table import text_of
from truefit.evaluation import scores as weighted
from truefit.evaluation.report.plots import (
    BLUE,
    GREY,
    colours,
    is_picture,
    listing,
    pictures,
    save,
    square,
    waves,
)
from truefit.evaluation.scoring.case import Case, Floats

MANY = 20  # classes above which a picture no longer names each
MISTAKES = 12
SHARES = ("accuracy",)
RISING = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc")
FALLING = ("calibration_error",)


def scores(case: Case, weights: Floats) -> dict[str, Floats]:
    """Every score for each row of `weights`, as `scores.classification`."""
    return weighted.classification(
        case.y, probabilities(case.prediction), weights, binary=_is_binary(case)
    )


def _is_binary(case: Case) -> bool:
    """Whether there are two classes; precision, recall and areas are then those of the second."""
    return len(case.facts.target.classes) == 2


def baseline(cases: dict[str, Case]) -> float:
    """The validation loss of the shares that the classes have in training."""
    train, validation = cases["train"], cases["validation"]
    shares = np.bincount(train.y, minlength=len(train.facts.target.classes)) / len(train.y)
    return float(-np.log(np.clip(shares, weighted.SMALLEST, 1))[validation.y].mean())


def details(case: Case) -> dict[str, dict[str, float]]:
    """Rows, precision, recall, F1 and the areas under both curves, of each class."""
    p, classes = probabilities(case.prediction), case.facts.target.classes
    codes = range(len(classes))
    precision, recall, f1, rows = precision_recall_fscore_support(
        case.y, p.argmax(axis=1), labels=codes, zero_division=0
    )
    found = {}
    for code, name in zip(codes, classes, strict=True):
        found[name] = {
            "rows": int(rows[code]),
            "precision": float(precision[code]),
            "recall": float(recall[code]),
            "f1": float(f1[code]),
            **_areas(case.y == code, p[:, code]),
        }
    return found


def _areas(is_class: np.ndarray, score: np.ndarray) -> dict[str, float]:
    if is_class.all() or not is_class.any():
        return {}
    roc, pr = roc_auc_score(is_class, score), average_precision_score(is_class, score)
    return {"roc_auc": float(roc), "pr_auc": float(pr)}


def probabilities(prediction: np.ndarray) -> np.ndarray:
    """(rows, classes), also for a model with one sigmoid output."""
    return prediction if prediction.shape[1] > 1 else np.hstack([1 - prediction, prediction])


def draw(folder: Path, case: Case) -> None:
    """Confusion matrix, ROC and precision-recall curves, calibration, and the worst mistakes."""
    p, classes = probabilities(case.prediction), case.facts.target.classes
    predicted = p.argmax(axis=1)
    save(folder / "confusion.png", _confusion, case.y, predicted, classes)
    shown = [1] if _is_binary(case) else range(len(classes))
    drawn = [c for c in shown if len(shown) <= MANY and 0 < (case.y == c).sum() < len(case.y)]
    if drawn:
        curves = [(classes[c], case.y == c, p[:, c]) for c in drawn]
        save(folder / "roc.png", draw_roc, curves)
        save(folder / "precision_recall.png", draw_precision_recall, curves)
    save(folder / "calibration.png", draw_calibration, p.max(axis=1), predicted == case.y)
    if (predicted != case.y).any():
        _draw_mistakes(folder, case, p, predicted)


def _draw_mistakes(folder: Path, case: Case, p: np.ndarray, predicted: np.ndarray) -> None:
    """The rows whose own class had the least probability: images, sounds and texts."""
    classes = case.facts.target.classes
    wrong = np.flatnonzero(predicted != case.y)
    worst = wrong[np.argsort(p[wrong, case.y[wrong]], kind="stable")][:MISTAKES]
    words = [f"{classes[predicted[row]]}, not {classes[case.y[row]]}" for row in worst]
    title, rows, columns = "worst mistakes (test)", np.array(case.x[worst]), case.facts.columns
    if is_picture(rows):
        save(folder / "mistakes.png", pictures, rows, words, title)
    elif rows.dtype == np.int16:
        save(folder / "mistakes.png", waves, rows.astype(float), words, title)
    elif columns and columns[0]["kind"] in ("text", "characters"):
        told = [
            f"{text}: {text_of(row, columns[0])}" for text, row in zip(words, rows, strict=True)
        ]
        save(folder / "mistaken_texts.png", listing, told, title, wide=True)


def _confusion(figure: Figure, y: np.ndarray, predicted: np.ndarray, classes: list[str]) -> None:
    axes = figure.subplots()
    counts = confusion_matrix(y, predicted, labels=range(len(classes)))
    axes.imshow(
        counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), cmap="Blues", vmin=0, vmax=1
    )
    names = [name if len(name) < 14 else f"{name[:12]}..." for name in classes]
    if len(classes) <= MANY:
        for (row, column), count in np.ndenumerate(counts):
            share = count / max(1, counts[row].sum())
            ink = "w" if share > 0.5 else "k"
            axes.text(column, row, str(count), ha="center", va="center", color=ink)
        turn = 45 if max(map(len, names)) > 3 else 0
        axes.set_xticks(range(len(names)), names, rotation=turn, ha="right" if turn else "center")
        axes.set_yticks(range(len(names)), names)
    axes.spines[:].set_visible(False)
    axes.set(
        title="confusion (test; colour: share of the row)", xlabel="predicted", ylabel="actual"
    )


def draw_roc(figure: Figure, curves: list[tuple[str, np.ndarray, np.ndarray]]) -> None:
    """One curve for each (name, whether a row is of it, its score)."""
    axes = square(figure, "ROC (test)", "false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    for colour, (name, is_class, score) in zip(colours(len(curves)), curves, strict=False):
        wrong, right, _ = roc_curve(is_class, score)
        axes.plot(wrong, right, color=colour, label=name)
    if len(curves) > 1:
        axes.legend(fontsize=7, loc="lower right")


def draw_precision_recall(figure: Figure, curves: list[tuple[str, np.ndarray, np.ndarray]]) -> None:
    """As `draw_roc`."""
    axes = square(figure, "precision and recall (test)", "recall", "precision")
    for colour, (name, is_class, score) in zip(colours(len(curves)), curves, strict=False):
        precision, recall, _ = precision_recall_curve(is_class, score)
        axes.plot(recall, precision, color=colour, label=name)
    if len(curves) > 1:
        axes.legend(fontsize=7, loc="lower left")


def draw_calibration(figure: Figure, confidence: np.ndarray, is_right: np.ndarray) -> None:
    """How often a prediction of such confidence is right; a point for each eighth of the rows."""
    axes = square(figure, "calibration (test)", "probability of the predicted class", "share right")
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    share, predicted = calibration_curve(is_right, confidence, n_bins=8, strategy="quantile")
    axes.plot(predicted, share, marker="o", color=BLUE)
