"""Scores with their intervals: of rows by the bootstrap, of seeds by Student's t."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from truefit.core.endings import COUNTED
from truefit.core.student import spread
from truefit.evaluation.metrics import Scores
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.scoring import Scoring

if TYPE_CHECKING:
    from truefit.config.schema import Evaluation

CHUNK = 2e7  # resamples x rows that are weighed at a time: 160 MB


def bootstrap(
    scoring: Scoring, case: Case, settings: Evaluation, seed: int
) -> dict[str, np.ndarray]:
    """Every score on the rows as they are (first) and on resamples of them.

    Rows are drawn with replacement, as often as there are rows (Efron & Tibshirani 1993, ch. 13),
    or all rows of what they belong to, where they do. The bias of a score, as the resamples show
    it, is taken from them where the scoring says that it has one (ch. 10).
    """
    # Splits are independent samples, also where they have as many rows.
    random = np.random.default_rng([seed, 0xB007, *case.name.encode()])
    rows, resamples = len(case.y), settings["n_resamples"]
    place = scoring.units(case)
    units = int(place.max()) + 1
    at_once = max(1, int(CHUNK / rows))
    found: list[Mapping[str, np.ndarray]] = [scoring.scores(case, np.ones((1, rows)))]
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = random.multinomial(units, np.full(units, 1 / units), size=count)
        found.append(scoring.scores(case, drawn[:, place].astype(np.float64)))
    resampled = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    for name in scoring.biased:
        resampled[name][1:] -= np.nanmean(resampled[name][1:]) - resampled[name][0]
    return resampled


class Interval(NamedTuple):
    """A value and the ends of its interval; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def named(self, name: str) -> Scores:
        """As metrics.json has it."""
        named = zip((name, f"{name}_low", f"{name}_high"), self, strict=True)
        return {key: or_none(number) for key, number in named}


def summarise(
    resampled: dict[str, dict[str, np.ndarray]],
    confidence: float,
    shares: Collection[str] = (),
    rows: Mapping[str, int] | None = None,
) -> dict[str, Scores]:
    """`{split: {score, score_low, score_high}}`.

    Args:
        resampled: of each split what `bootstrap` gave.
        confidence: of the intervals.
        shares: scores that are the share of a split's rows that are right.
        rows: of each split how many there are; needed for `shares`.
    """
    found: dict[str, Scores] = {name: {} for name in resampled}
    for name, values in resampled.items():
        for score in values:
            counted = rows[name] if rows and score in shares else None
            found[name] |= interval(values[score], confidence, counted).named(score)
    return found


def find_gap(resampled: dict[str, dict[str, np.ndarray]], confidence: float) -> Interval:
    """Validation loss less training loss.

    The splits are independent samples, so their resamples pair up.
    """
    return interval(resampled["validation"]["loss"] - resampled["train"]["loss"], confidence)


def interval(values: np.ndarray, confidence: float, rows: int | None = None) -> Interval:
    """Percentile interval; resamples that lack a class are left out.

    Where all of `rows` are right, or none, every resample says the same: the open end is then the
    exact one of a share (Clopper & Pearson 1934).
    """
    # SciPy's `binomtest(...).proportion_ci(method="exact")` solves for the same end numerically: in
    # most cases the last digits differ, by 5e-13 at most, and recorded results would change.
    usable = values[1:][np.isfinite(values[1:])]
    tail = (1 - confidence) / 2
    low, high = np.quantile(usable, [tail, 1 - tail]) if len(usable) else (math.nan, math.nan)
    if rows and values[0] in {0.0, 1.0}:
        end = tail ** (1 / rows)
        low, high = (end, 1.0) if values[0] else (0.0, 1 - end)
    return Interval(float(values[0]), float(low), float(high))


def or_none(number: float) -> float | None:
    """The number, as JSON has it; `None` where it is not defined."""
    return float(number) if np.isfinite(number) else None


def optimism(
    moved: float,
    model: Mapping[str, np.ndarray],
    beside: Mapping[str, np.ndarray] | None,
    confidence: float,
) -> Interval:
    """The winner's test loss less the validation loss that chose it, by luck of the choice alone.

    The smallest of many validation losses is also the luckiest (Cawley & Talbot 2010). The splits
    differ too: that difference is taken from a yardstick, which nobody chose by these rows. What is
    left holds the luck of the one training beside the mean of several, which it cannot separate.

    Args:
        moved: the loss that chose, which may be a mean over seeds, less the winner's own.
        model: losses of validation and test rows, as they are (first) and on resamples.
        beside: the yardstick's on the same resamples; `None` without one.
        confidence: of the interval.
    """
    luck = model["test"] - model["validation"] - moved
    if beside is not None:
        luck = luck - (beside["test"] - beside["validation"])
    return interval(luck, confidence)


@dataclass(frozen=True)
class Spread:
    """The mean of a score over seeds, its deviation, and the 95 % interval of the mean."""

    mean: float
    deviation: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of two values or more."""
        mean, deviation, half = spread(values)
        return cls(mean, deviation, mean - half, mean + half)


@dataclass(frozen=True)
class OverSeeds:
    """How much of a result is luck of the seed: losses on all training rows."""

    seeds: int
    val_loss: Spread
    gap: Spread


def over_seeds(repeats: pd.DataFrame) -> OverSeeds | None:
    """What the trainings of repeats.csv come to; `None` with fewer than two seeds."""
    counted = repeats["state"].isin(COUNTED) & repeats["val_loss"].notna()
    whole = repeats[(repeats["share"] == 1.0) & counted]
    if len(whole) < 2:
        return None
    losses, gaps = whole["val_loss"].tolist(), whole["gap"].tolist()
    return OverSeeds(len(whole), Spread.of(losses), Spread.of(gaps))
