"""What a user gives an item: as a number, and whether the best of a list are those they liked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split
from truefit.evaluation import scores as weighted
from truefit.evaluation.report.plots import BLUE, GREY, save
from truefit.evaluation.scoring import regression
from truefit.evaluation.scoring.case import Case, Floats
from truefit.evaluation.scoring.regression import baseline, draw_predictions

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config

__all__ = ["baseline", "draw", "predict", "prepare", "scores", "units"]
RISING = (
    *regression.RISING,
    *("recall_at_10", "ndcg_at_10", "popular_recall_at_10", "popular_ndcg_at_10"),
)
FALLING = regression.FALLING
TOP = 10
USERS = 2000  # whose lists are made; of more, these are drawn at random, the same for any model
PAIRS = 2**18  # pairs that are predicted at a time


@dataclass(frozen=True)
class Context:
    """The model, the rows of each split, and the rating from which an item counts as liked."""

    core: keras.Model
    splits: dict[str, Split]
    items: int
    liked: float


def prepare(core: keras.Model, splits: dict[str, Split], facts: Facts, config: Config) -> Context:
    """Liked is what is rated at least the mean of the training ratings."""
    del config  # two models are compared on the same users, whatever their seeds
    return Context(core, splits, facts.sizes[1], facts.target.mean)


def predict(split: Split, context: Context, batch_size: int) -> np.ndarray:
    """(rows, 5): the rating; recall and NDCG of the row's user, and those of the most rated items.

    The last four are NaN where there is no list.
    """
    rating = context.core.predict(np.array(split.x), batch_size=batch_size, verbose=0)[:, 0]
    lists = np.full((len(rating), 4), np.nan)
    if split is not context.splits["train"]:
        for user, figures in _ranked(split, context, batch_size).items():
            lists[split.x[:, 0] == user] = figures
    return np.column_stack([rating, lists])


def _ranked(split: Split, context: Context, batch_size: int) -> dict[int, tuple[float, ...]]:
    """Recall@10 and NDCG@10 of each user with liked items, among all items not known before.

    Then the same of the items that training has most ratings of, which know nothing of the user.
    """
    users = np.unique(split.x[:, 0])
    users = users[users > 0]
    if len(users) > USERS:
        users = np.sort(np.random.default_rng(0).choice(users, USERS, replace=False))
    known = _known(split, context)
    often = np.bincount(context.splits["train"].x[:, 1], minlength=context.items).astype(float)
    found: dict[int, tuple[float, ...]] = {}
    step = max(1, PAIRS // context.items)
    for start in range(0, len(users), step):
        some = users[start : start + step]
        pairs = np.stack(np.meshgrid(some, np.arange(context.items), indexing="ij"), axis=-1)
        flat = pairs.reshape(-1, 2).astype(np.int32)
        rated = context.core.predict(flat, batch_size=batch_size * 16, verbose=0)
        for user, row in zip(some, rated.reshape(len(some), -1), strict=True):
            mine = split.x[:, 0] == user
            liked = split.x[mine & (split.y >= context.liked), 1]
            liked = np.unique(liked[liked > 0])
            if len(liked):
                barred = [0, *known.get(int(user), ())]
                popular = often.copy()
                row[barred] = popular[barred] = -np.inf
                found[int(user)] = (*ranking(row, liked), *ranking(popular, liked))
    return found


def ranking(rated: np.ndarray, liked: np.ndarray) -> tuple[float, float]:
    """Recall and NDCG (Järvelin & Kekäläinen 2002, binary gains) of the ten highest.

    Args:
        rated: (items,) what is predicted for each.
        liked: the items that should be among the highest.
    """
    top = np.argsort(-rated, kind="stable")[:TOP]
    hits = np.isin(top, liked)
    gains = 1 / np.log2(np.arange(2, TOP + 2))
    best = gains[: len(liked)].sum()
    return float(hits.sum() / len(liked)), float(gains[: len(top)] @ hits / best)


def _known(split: Split, context: Context) -> dict[int, list[int]]:
    """The items that each user rated in the splits before this one."""
    known: dict[int, list[int]] = {}
    for earlier in context.splits.values():
        if earlier is split:
            break
        for user, item in np.array(earlier.x):
            known.setdefault(int(user), []).append(int(item))
    return known


def units(case: Case) -> np.ndarray:
    """The user of each row: what one user gives is no evidence of its own."""
    users: np.ndarray = np.unique(case.x[:, 0], return_inverse=True)[1]
    return users


def scores(case: Case, weights: Floats) -> dict[str, Floats]:
    """As a regression, and `recall_at_10` and `ndcg_at_10` as means over users.

    `popular_recall_at_10` and `popular_ndcg_at_10` are those of a list of what is rated most: a
    model of ratings may predict them well and rank worse than that (Cremonesi et al. 2010).
    """
    y, scale = case.y.astype(np.float64), case.facts.target.scale
    users, counts = np.unique(case.x[:, 0], return_inverse=True, return_counts=True)[1:]
    per_user = weights / counts[users]
    has_list = np.isfinite(case.prediction[:, 1])
    shares = per_user[:, has_list]
    with np.errstate(invalid="ignore"):
        lists = [shares @ case.prediction[has_list, n] / shares.sum(axis=1) for n in range(1, 5)]
    names = ("recall_at_10", "ndcg_at_10", "popular_recall_at_10", "popular_ndcg_at_10")
    return {
        **weighted.regression(y, case.prediction[:, 0], weights, scale=scale),
        **dict(zip(names, lists, strict=True)),
    }


def draw(folder: Path, case: Case) -> None:
    """Predicted against actual ratings, and the error by how often an item was rated."""
    predicted = case.prediction[:, 0]
    if len(np.unique(case.y)) <= 20:
        save(folder / "predictions.png", _by_rating, case.y, predicted)
    else:
        save(folder / "predictions.png", draw_predictions, case.y, predicted, "rating")
    save(folder / "popularity.png", _popularity, case)


def _by_rating(figure: Figure, y: np.ndarray, predicted: np.ndarray) -> None:
    axes = figure.subplots()
    values = np.unique(y)
    groups, names = [predicted[y == v] for v in values], [f"{v:g}" for v in values]
    axes.boxplot(groups, tick_labels=names, sym="")
    axes.set(title="rating (test)", xlabel="actual", ylabel="predicted")


def _popularity(figure: Figure, case: Case) -> None:
    axes = figure.subplots()
    seen = np.bincount(case.context.splits["train"].x[:, 1], minlength=case.context.items)
    often = seen[case.x[:, 1]]
    edges = np.unique(np.quantile(often, np.linspace(0, 1, 9)).astype(int))
    place = np.clip(np.searchsorted(edges, often, side="right") - 1, 0, max(0, len(edges) - 2))
    error = (case.y - case.prediction[:, 0]) ** 2
    rmse = [np.sqrt(error[place == n].mean()) for n in np.unique(place)]
    axes.bar([f"{edges[n]}+" for n in np.unique(place)], rmse, color=BLUE)
    axes.axhline(np.sqrt(error.mean()), color=GREY, lw=1, ls="--")
    what = "training ratings of the item"
    axes.set(title="error by popularity (test)", xlabel=what, ylabel="RMSE")
