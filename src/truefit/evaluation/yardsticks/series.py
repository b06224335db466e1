"""What a number was before: the last value, and the one of a season ago.

Both are the simple forecasts of Hyndman & Athanasopoulos (2021, section 5.2).

The past of a row is known in two cases. Its features are the last values of the target itself, one
window after the other; or rows follow each other in time, as dataset.json says (`in_order`), and
then it is the targets of the rows before, also where these are validated or tested on: a forecast
of one step. In any other case there is no such yardstick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from truefit.evaluation.yardsticks.yardstick import HELD_OUT, Cases, Yardstick

LAGS = 1_000  # rows that a season may be long
PERIODS = 3  # of a season that the training rows must hold
LOOKED_AT = 100_000  # training rows in which a season is looked for: the last ones
WINDOWS = 2_000  # training rows that show whether rows are windows of one series
AGAIN = 0.2  # share of windows whose target ends the next one; the others' next one is held out
WITHIN = 1.25  # times the least: of lags that vary so little the shortest, no multiple of it


@dataclass(frozen=True)
class Past:
    """What the target was `lag` rows before each row of a split, for lags up to `lags`.

    Where that is not known, at the beginning of the training rows, it is NaN.
    """

    lags: int
    before: Callable[[str, int], np.ndarray]


def persistence(cases: Cases, seed: int) -> list[Yardstick]:
    """The last value before each row."""
    del seed
    past = past_of(cases)
    return [_of_lag("last value", "persistence", cases, past, 1)] if past else []


def seasonal(cases: Cases, seed: int) -> list[Yardstick]:
    """The value of a season before each row, if the training targets have a season."""
    del seed
    past = past_of(cases)
    lag = season_of(past, np.asarray(cases["train"].y)) if past else None
    if past is None or lag is None:
        return []
    return [_of_lag(f"same as {lag} rows before", "seasonal", cases, past, lag)]


def season_of(past: Past, y: np.ndarray) -> int | None:
    """The lag from 2 whose differences to the targets vary least, or `None`.

    A season varies less from one to the next than the targets do from row to row, and than they do
    altogether: their autocorrelation at that lag is above a half. A trend, which adds the same to
    all differences, does not hide it.
    """
    if past.lags < 2:
        return None
    y = y[-LOOKED_AT:]
    spread = np.array(
        [np.nanvar(y - past.before("train", lag)[-LOOKED_AT:]) for lag in range(1, past.lags + 1)]
    )
    most = min(spread[0], np.var(y), WITHIN * spread[1:].min())
    lags = np.flatnonzero((spread[1:] < most) | (spread[1:] == 0))  # 0: an exact season
    return int(lags[0]) + 2 if len(lags) else None


def past_of(cases: Cases) -> Past | None:
    """What is known of the past of each row, or `None`."""
    facts = cases["train"].facts
    windows = None if facts.sizes else _of_windows(cases)
    return windows or (_of_targets(cases) if facts.in_order else None)


def _of_windows(cases: Cases) -> Past | None:
    """The steps of each row, if the next row's are the same, one further, with the target last."""
    x, y = cases["train"].x[:WINDOWS], np.asarray(cases["train"].y[:WINDOWS], np.float32)
    if x.ndim > 3 or x.shape[1] < 2:
        return None
    for channel in range(x.shape[2] if x.ndim == 3 else 1):
        if _slides(np.asarray(_steps(x, channel)), y):
            break
    else:
        return None

    def before(split: str, lag: int) -> np.ndarray:
        return _steps(cases[split].x, channel)[:, -lag].astype(np.float64)

    return Past(x.shape[1], before)


def _steps(x: np.ndarray, channel: int) -> np.ndarray:
    return x[..., channel] if x.ndim == 3 else x


def _slides(steps: np.ndarray, y: np.ndarray) -> bool:
    """Whether rows are windows of one series, which slide by one step."""
    now, after = steps[:-1], steps[1:]
    varied = np.ptp(now, axis=1) > 0
    same = (now[:, 1:] == after[:, :-1]).all(axis=1) & (y[:-1] == after[:, -1])
    return bool(varied.sum() > 1 and same[varied].mean() >= AGAIN)


def _of_targets(cases: Cases) -> Past:
    names = ("train", *HELD_OUT)
    series = np.concatenate([np.asarray(cases[name].y, np.float64) for name in names])
    ends = dict(zip(names, np.cumsum([len(cases[name].y) for name in names]), strict=True))

    padded = np.concatenate([np.full(LAGS, np.nan), series])

    def before(split: str, lag: int) -> np.ndarray:
        end = LAGS - lag + ends[split]
        return padded[end - len(cases[split].y) : end]

    return Past(min(LAGS, len(cases["train"].y) // PERIODS), before)


def _of_lag(name: str, kind: str, cases: Cases, past: Past, lag: int) -> Yardstick:
    predictions = {split: past.before(split, lag)[:, np.newaxis] for split in HELD_OUT}
    rows = len(cases["train"].y) if kind == "seasonal" else 0  # the last value needs no learning
    return Yardstick(name, kind, rows, predictions)  # type: ignore[arg-type]
