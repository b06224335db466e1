"""Yardsticks of rows that are to be rebuilt: the mean row, and principal components."""

from __future__ import annotations

import numpy as np

from truefit.core.prepared.mapped import read
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.reconstruction import mean_row
from truefit.evaluation.yardsticks.yardstick import HELD_OUT, Cases, Yardstick
from truefit.training.passes import batch_within

BLOCK = 10_000


def mean_of_rows(cases: Cases, seed: int) -> list[Yardstick]:
    """The mean training row, whatever the row was."""
    del seed
    middle = mean_row(cases["train"])
    predictions = {name: _errors(cases[name], middle) for name in HELD_OUT}
    return [Yardstick("the mean row", "constant", len(cases["train"].x), predictions)]


def components(cases: Cases, seed: int) -> list[Yardstick]:
    """Principal components, as many as the bottleneck is wide: the scoring's own, if it has some.

    Its errors are known in standard units alone.
    """
    del seed
    train = cases["train"]
    if train.context.pca is None:
        return []
    predictions = {}
    for name in HELD_OUT:
        error = cases[name].prediction[:, 1]
        unknown = np.full(len(error), np.nan)
        predictions[name] = np.column_stack([error, error, unknown, unknown])
    rows = train.context.pca.n_samples_
    return [
        Yardstick(f"PCA of {train.context.pca.n_components_} components", "pca", rows, predictions)
    ]


def _errors(case: Case, middle: np.ndarray) -> np.ndarray:
    """As the scoring has them; PCA's are NaN."""
    size, context = batch_within(case.x, BLOCK), case.context
    found = []
    for start in range(0, len(case.x), size):
        rows = read(case.x, slice(start, start + size))
        off = context.standard(rows) - middle
        raw = (off.reshape(rows.shape) * context.scale).reshape(off.shape)
        mean = [np.mean(part, axis=1) for part in (off**2, np.abs(raw), raw**2)]
        found.append(np.column_stack([mean[0], np.full(len(rows), np.nan), mean[1], mean[2]]))
    return np.concatenate(found)
