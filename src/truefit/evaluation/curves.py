"""Figures of a curve of losses: how ragged it is, and how noisy."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from truefit.evaluation.evidence import Curve

# A loss that came down by less than this share of the baseline has learned nothing.
LEARNED = 0.05


def raggedness(curve: Curve) -> float:
    """Mean rise of the training loss from an epoch to the next, of what it gained at best.

    A loss that has learned nothing is measured by a share of the baseline.
    """
    if len(curve.train) < 2:
        return 0.0
    gained = max(curve.baseline - min(curve.train), LEARNED * abs(curve.baseline))
    rises = (max(0.0, after - before) for before, after in pairwise(curve.train))
    return sum(rises) / (len(curve.train) - 1) / gained


def noise(losses: list[float]) -> float:
    """The deviation of a loss around its course, from second differences (Gasser et al. 1986)."""
    bends = [abs(a - 2 * b + c) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)]
    return 1.4826 * median(bends) / 6**0.5 if bends else 0.0
