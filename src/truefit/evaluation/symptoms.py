"""What targets and predictions show beside losses: sure mistakes, a missed class."""

from __future__ import annotations

import numpy as np

from truefit.core.balance import headline
from truefit.core.prepared.facts import Facts
from truefit.evaluation.evidence import Missed, Sure

SUREST = 0.15  # share of the validation rows whose predictions are looked at as the surest
FEW = 0.05  # share of a class' rows that are recognised and still count as none
MANY = 1 / 3  # of the rare classes so many are missed; one of a hundred is no symptom
SEEN = 10  # validation rows of a class from which its absence among the answers says something


def surest(
    probabilities: np.ndarray, y: np.ndarray, others: list[np.ndarray], train: np.ndarray
) -> Sure | None:
    """Return how many of the surest predictions, which a yardstick shares, the labels contradict.

    Args:
        probabilities: the model's (rows, classes).
        y: class codes (rows,).
        others: what yardsticks answer, class codes (rows,) each; the row counts if any agrees.
        train: class codes of the training rows (rows,), whose commonest one is the constant answer.
    """
    from scipy.stats import binomtest  # noqa: PLC0415 - `truefit show` needs none of it

    if not others:
        return None
    answer = probabilities.argmax(axis=1)
    order = np.argsort(-probabilities.max(axis=1), kind="stable")[: int(SUREST * len(y))]
    shared = np.any([other[order] == answer[order] for other in others], axis=0)
    rows = order[shared]
    if not len(rows):
        return None
    wrong = int((answer[rows] != y[rows]).sum())
    low = binomtest(wrong, len(rows)).proportion_ci(0.95, method="exact").low
    everywhere = float((answer != y).mean())
    constant = float((y != np.bincount(train).argmax()).mean())
    return Sure(len(rows), wrong, float(low), everywhere, constant)


def find_missed(probabilities: np.ndarray, y: np.ndarray, facts: Facts) -> Missed | None:
    """Return a class of unbalanced data of which next to no row is recognised, if there is one.

    Args:
        probabilities: the model's on validation rows (rows, classes).
        y: their class codes (rows,).
        facts: what dataset.json says.
    """
    names = facts.target.classes
    trained = [facts.splits["train"].classes[name] for name in names]
    if headline(trained) == "accuracy":
        return None
    counts = np.bincount(y, minlength=len(names))
    right = np.bincount(y[probabilities.argmax(axis=1) == y], minlength=len(names))
    rare = (np.array(trained) * len(names) < sum(trained)) & (counts >= SEEN)
    (missed,) = np.nonzero(rare & (right <= FEW * counts))
    if len(missed) < max(1, MANY * rare.sum()):
        return None
    return Missed(names[missed[0]], int(counts[missed[0]]))
