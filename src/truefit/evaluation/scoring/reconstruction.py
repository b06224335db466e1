"""The row itself: what comes back, and whether PCA of the same width brings back more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split
from truefit.core.prepared.mapped import read
from truefit.evaluation.report.plots import BLUE, ORANGE, is_picture, pictures, save
from truefit.evaluation.scoring.case import Case, Floats
from truefit.training.passes import batch_within, parts

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config

FALLING = ("pca_loss", "mae", "rmse")
FITTED_ON = 20_000  # training rows that PCA sees, at most
BYTES = 2**28  # of them as float32, at most
SHOWN = 10


@dataclass(frozen=True)
class Context:
    """The model, PCA with as many components as its bottleneck is wide, and the unit of a row."""

    core: keras.Model
    pca: PCA | None
    mean: np.ndarray
    scale: np.ndarray

    def standard(self, rows: np.ndarray) -> np.ndarray:
        """Rows as flat vectors in units of the training rows' standard deviation."""
        values = (rows.astype(np.float32) - self.mean) / self.scale
        flat: np.ndarray = values.reshape(len(rows), -1)
        return flat


def prepare(core: keras.Model, splits: dict[str, Split], facts: Facts, config: Config) -> Context:
    """PCA of the training rows, where the model has a layer called `bottleneck`."""
    statistics = facts.moments()
    mean, variance = (np.array(n, np.float32) for n in (statistics.mean, statistics.variance))
    if not facts.normalize:
        mean, variance = np.zeros_like(mean), np.ones_like(variance)
    context = Context(core, None, mean, np.sqrt(variance))
    width = _width(core)
    rows = context.standard(_some(splits["train"].x))
    if width is None or width > min(rows.shape):
        return context
    pca = PCA(width, random_state=config["seed"]).fit(rows)
    return Context(core, pca, mean, np.sqrt(variance))


def _some(rows: np.ndarray) -> np.ndarray:
    """Rows at even distances: all, or as many as fit."""
    count = min(len(rows), FITTED_ON, max(2, BYTES // (4 * prod(rows.shape[1:]))))
    return read(rows, np.linspace(0, len(rows) - 1, count).astype(int))


def _width(model: keras.Model) -> int | None:
    """Units of the layer called `bottleneck`, however deep it lies."""
    for layer in model._flatten_layers():  # noqa: SLF001 - Keras' own walk through nested models
        if layer.name == "bottleneck":
            return int(prod(layer.output.shape[1:]))
    return None


def predict(split: Split, context: Context, batch_size: int) -> np.ndarray:
    """(rows, 4): squared error in standard units, PCA's, absolute and squared error as they are."""
    return np.concatenate(list(_errors(split, context, batch_size)))


def _errors(split: Split, context: Context, batch_size: int) -> Iterator[np.ndarray]:
    size = batch_within(split.x, batch_size)
    for place in parts(len(split.x), split.x, size):
        rows = read(split.x, place)
        back = context.core.predict(rows, batch_size=size, verbose=0)
        wanted, found = context.standard(rows), context.standard(back)
        off = (rows.astype(np.float64) - back).reshape(len(rows), -1)
        yield np.column_stack(
            [
                np.mean((wanted - found) ** 2, axis=1),
                _pca_error(wanted, context.pca),
                np.mean(np.abs(off), axis=1),
                np.mean(off**2, axis=1),
            ]
        )


def _pca_error(wanted: np.ndarray, pca: PCA | None) -> np.ndarray:
    if pca is None:
        return np.full(len(wanted), np.nan)
    again = pca.inverse_transform(pca.transform(wanted))
    error: np.ndarray = np.mean((wanted - again) ** 2, axis=1)
    return error


def scores(case: Case, weights: Floats) -> dict[str, Floats]:
    """`loss` (squared error in standard units) and `pca_loss`; `mae` and `rmse` as the rows are."""
    total = weights.sum(axis=1)
    loss, pca, absolute, squared = (weights @ column / total for column in case.prediction.T)
    return {"loss": loss, "pca_loss": pca, "mae": absolute, "rmse": np.sqrt(squared)}


def baseline(cases: dict[str, Case]) -> float:
    """The validation loss of the mean training row."""
    validation, middle = cases["validation"], mean_row(cases["train"])
    standard = validation.context.standard
    places = parts(len(validation.x), validation.x, 1)
    read_parts = (standard(read(validation.x, place)) for place in places)
    sums = [np.mean((part - middle) ** 2, axis=1).sum() for part in read_parts]
    return float(sum(sums) / len(validation.x))


def mean_row(train: Case) -> np.ndarray:
    """The mean training row in standard units (values,), of as many rows as PCA sees."""
    middle: np.ndarray = train.context.standard(_some(train.x)).mean(axis=0)
    return middle


def draw(folder: Path, case: Case) -> None:
    """Errors against PCA's, and rows beside their reconstructions, the worst too."""
    save(folder / "errors.png", _errors_of_rows, case.prediction[:, 0], case.prediction[:, 1])
    if not is_picture(case.x):
        return
    worst = np.argsort(-case.prediction[:, 0], kind="stable")[:SHOWN]
    for name, rows, title in (
        ("reconstructions", np.arange(min(SHOWN, len(case.x))), "rows and what comes back (test)"),
        ("furthest", worst, "the worst (test)"),
    ):
        chosen = np.array(case.x[rows])
        back = case.context.core.predict(chosen, verbose=0)
        shown = np.concatenate([chosen.astype(np.float32), back])
        save(folder / f"{name}.png", pictures, shown, None, title, len(rows), wide=True)


def _errors_of_rows(figure: Figure, ours: np.ndarray, pca: np.ndarray) -> None:
    axes = figure.subplots()
    for values, colour, name in ((ours, BLUE, "this model"), (pca, ORANGE, "PCA")):
        if np.isfinite(values).all():
            axes.hist(values, bins=40, color=colour, alpha=0.6, label=name)
    axes.set(title="error of a row (test)", xlabel="mean squared error", ylabel="rows")
    axes.legend()
