"""Student's interval for the mean of few values (Student 1908)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

CONFIDENCE = 0.95


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, standard deviation, and half the width of the mean's 95 % interval.

    Args:
        values: at least two.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - only a stage that ends needs it

    mean, deviation, count = fmean(values), stdev(values), len(values)
    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return mean, deviation, quantile * deviation / count**0.5
