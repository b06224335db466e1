"""New rows: how far their distribution is from that of real ones, in the features of a judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split
from truefit.core.prepared.mapped import read
from truefit.core.targets import make
from truefit.evaluation.report.plots import BLUE, GREY, is_picture, pictures, save
from truefit.evaluation.scoring.case import Case, Floats
from truefit.training.passes import Passes
from truefit.training.samples import generate

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config

ROWS = 5000  # of each split that are compared, at most
BYTES = 2**28  # of them, at most
NAIVE = "uniform noise"  # what `baseline` is of
BIASED = ("frechet", "loss")
RISING = ("classes",)
FALLING = ("frechet",)
SHOWN = 25
JUDGE_BATCH = 64
PRESENT = 0.2  # of its even share: a class with less counts as missing


@dataclass(frozen=True)
class Context:
    """The generator, the judge (rows to features and logits), and the seed."""

    core: keras.Model
    judge: keras.Model
    seed: int


def prepare(core: keras.Model, splits: dict[str, Split], facts: Facts, config: Config) -> Context:
    """A judge: the task's classifier, trained on the training rows and their classes."""
    import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

    keras.utils.set_random_seed(config["seed"])
    shape, task = tuple(facts.input_shape), config["task"]
    classes = len(facts.target.classes)
    body = make(
        task["judge"], "task.judge", config["packages"], input_shape=shape, num_outputs=classes
    )
    inputs = keras.Input(shape)
    statistics = facts.moments()
    scaled = keras.layers.Normalization(mean=statistics.mean, variance=statistics.variance)
    judge = keras.Model(inputs, body(scaled(inputs)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    judge.compile(optimizer=keras.optimizers.Adam(), loss=loss)
    rows, random = (splits["train"].x, splits["train"].y), np.random.default_rng(config["seed"])
    passes = Passes(judge, JUDGE_BATCH, rows)
    for _ in range(task.get("judge_epochs", 10)):
        passes.train(rows, random.permutation(len(rows[0])))
    inner = keras.Model(body.input, [body.layers[-2].output, body.output])
    both = keras.Model(inputs, inner(scaled(inputs)))
    return Context(core, both, config["seed"])


def thin(splits: dict[str, Split], seed: int) -> dict[str, Split]:
    """Equally many rows of each split, drawn at random.

    A Fréchet distance falls with the number of rows, so it is compared at one number alone.
    """
    random = np.random.default_rng([seed, 0x5A3])
    row = max(1, splits["train"].x[0].nbytes)
    count = min(ROWS, max(2, BYTES // row), *(len(split.x) for split in splits.values()))
    chosen = {
        name: np.sort(random.choice(len(split.x), count, replace=False))
        for name, split in splits.items()
    }
    return {
        name: Split(read(split.x, chosen[name]), read(split.y, chosen[name]))
        for name, split in splits.items()
    }


def predict(split: Split, context: Context, batch_size: int) -> np.ndarray:
    """(rows, 2 features + 1): of the real row, of a generated one, and the class it looks like."""
    real, _ = _judged(split.x.astype(np.float32), context, batch_size)
    made, classes = _judged(generate(context.core, len(split.x), context.seed), context, batch_size)
    return np.column_stack([real, made, classes])


def _judged(rows: np.ndarray, context: Context, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    features, logits = context.judge.predict(rows, batch_size=batch_size, verbose=0)
    return features, logits.argmax(axis=1)


def scores(case: Case, weights: Floats) -> dict[str, Floats]:
    """`frechet` (also the `loss`), and `classes`: the share of classes that are made at all."""
    real, made, classes = _parts(case.prediction)
    count = len(case.facts.target.classes)
    distance, present = [], []
    for row in weights:
        # Rows that are drawn twice count twice, real and made alike.
        distance.append(frechet(real, made, row))
        shares = np.bincount(classes, row, count) / row.sum()
        present.append(np.mean(shares >= PRESENT / count))
    found = np.array(distance)
    return {"loss": found, "frechet": found.copy(), "classes": np.array(present)}


def _parts(prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    width = prediction.shape[1] // 2
    classes = prediction[:, -1].astype(int)
    return prediction[:, :width], prediction[:, width : 2 * width], classes


def frechet(real: np.ndarray, made: np.ndarray, weights: np.ndarray) -> float:
    """The Fréchet distance of two samples taken as normal (Heusel et al. 2017).

    Args:
        real: (rows, features).
        made: (rows, features).
        weights: how often a row counts, in both.
    """
    (m, a), (n, b) = (_moments(sample, weights) for sample in (real, made))
    # The trace of the root of a @ b, which is similar to a matrix that is symmetric.
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    middle = np.linalg.eigvalsh(root @ b @ root)
    both = np.sqrt(np.clip(middle, 0, None)).sum()
    return float(((m - n) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * both)


def _moments(sample: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = weights.sum()
    mean = weights @ sample / total
    centred = sample - mean
    return mean, (centred * weights[:, np.newaxis]).T @ centred / total


def baseline(cases: dict[str, Case]) -> float:
    """The distance of uniform noise from the validation rows."""
    case = cases["validation"]
    real = _parts(case.prediction)[0]
    random = np.random.default_rng([case.context.seed, 0x401])
    highest = float(cases["train"].x.max())
    noise = random.uniform(0, highest, case.x.shape).astype(np.float32)
    return frechet(real, _judged(noise, case.context, 256)[0], np.ones(len(real)))


def details(case: Case) -> dict[str, dict[str, float]]:
    """The share that each class has in what is made."""
    classes = _parts(case.prediction)[2]
    names = case.facts.target.classes
    shares = np.bincount(classes, minlength=len(names)) / len(classes)
    return {name: {"share": float(share)} for name, share in zip(names, shares, strict=True)}


def draw(folder: Path, case: Case) -> None:
    """What is made beside real rows, and how often each class is made."""
    if is_picture(case.x):
        made = generate(case.context.core, SHOWN, case.context.seed)
        save(folder / "samples.png", pictures, made, None, "generated", 5)
        save(folder / "real.png", pictures, case.x[:SHOWN], None, "real (test)", 5)
    save(folder / "classes.png", _classes, {n: d["share"] for n, d in details(case).items()})


def _classes(figure: Figure, shares: dict[str, float]) -> None:
    axes = figure.subplots()
    axes.bar(list(shares), list(shares.values()), color=BLUE)
    axes.axhline(1 / len(shares), color=GREY, lw=1, ls="--")
    axes.set(title="classes of what is generated", ylabel="share")
