"""What follows at each place: loss in nats, perplexity, bits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split
from truefit.evaluation.report.plots import BLUE, ORANGE, listing, save
from truefit.evaluation.scores import SMALLEST
from truefit.evaluation.scoring.case import Case, Floats
from truefit.training.samples import TEXTS, write_on

if TYPE_CHECKING:
    from truefit.config.schema import Config

RISING = ("accuracy",)
FALLING = ("perplexity", "bits")
PIECE = 256  # rows whose probabilities are held at a time


def prepare(core: object, splits: dict[str, Split], facts: Facts, config: Config) -> object:
    """The model itself: probabilities of every place are too many to keep."""
    del splits, facts, config
    return core


def predict(split: Split, context: object, batch_size: int) -> np.ndarray:
    """(rows, length, 2): the loss at each place in nats, and whether the likeliest code was it."""
    parts = []
    for start in range(0, len(split.x), PIECE):
        y = np.array(split.y[start : start + PIECE])
        p = context.predict(  # type: ignore[attr-defined]
            np.array(split.x[start : start + PIECE]), batch_size=min(PIECE, batch_size), verbose=0
        )
        chosen = np.take_along_axis(p, y[..., np.newaxis], axis=-1)[..., 0]
        loss = -np.log(np.clip(chosen, SMALLEST, 1.0))
        parts.append(np.stack([loss, p.argmax(axis=-1) == y], axis=-1))
    return np.concatenate(parts)


def scores(case: Case, weights: Floats) -> dict[str, Floats]:
    """`loss` in nats per place, `perplexity` = e^loss, `bits` = loss / ln 2, and `accuracy`."""
    total = weights.sum(axis=1)
    loss, hits = (weights @ case.prediction[..., n].mean(axis=1) / total for n in (0, 1))
    return {
        "loss": loss,
        "perplexity": np.exp(loss),
        "bits": loss / np.log(2),
        "accuracy": hits,
    }


def baseline(cases: dict[str, Case]) -> float:
    """The validation loss of the codes' frequencies in training."""
    counts = np.bincount(cases["train"].y.ravel(), minlength=cases["train"].facts.sizes[0])
    shares = np.clip(counts / counts.sum(), SMALLEST, 1)
    return float(-np.log(shares)[np.asarray(cases["validation"].y)].mean())


def draw(folder: Path, case: Case) -> None:
    """The loss at each place of the row and for each of the commonest codes; how rows go on."""
    save(folder / "places.png", _places, case.prediction[..., 0].mean(axis=0))
    save(folder / "codes.png", _codes, case)
    text, core = case.facts.text, case.context
    levels = text["levels"] if text else []

    def logits_of(rows: np.ndarray) -> np.ndarray:
        likely: np.ndarray = np.log(np.clip(core.predict_on_batch(rows), SMALLEST, 1.0))
        return likely

    texts = write_on(logits_of, levels, np.array(case.x[:TEXTS]), seed=0).split("\n\n")
    save(folder / "continuations.png", listing, texts, "[given] and drawn (test)", wide=True)


def _places(figure: Figure, loss: np.ndarray) -> None:
    axes = figure.subplots()
    axes.plot(np.arange(1, len(loss) + 1), loss, color=BLUE)
    axes.set(title="loss by place (test)", xlabel="codes known", ylabel="nats")


def _codes(figure: Figure, case: Case) -> None:
    axes = figure.subplots()
    levels = case.facts.text["levels"] if case.facts.text else []
    counts = np.bincount(case.y.ravel(), minlength=len(levels) + 2)
    summed = np.bincount(case.y.ravel(), case.prediction[..., 0].ravel(), len(levels) + 2)
    common = [c for c in np.argsort(-counts, kind="stable")[:20] if c > 1 and counts[c]]
    names = [repr(levels[code - 2])[1:-1].replace(" ", "\N{OPEN BOX}") for code in common]
    axes.bar(names, summed[common] / counts[common], color=ORANGE)
    axes.set(title="loss of the commonest codes (test)", ylabel="nats")
