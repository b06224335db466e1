"""Which yardsticks fit a task, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from threadpoolctl import threadpool_limits

from truefit.core.words import YardstickKind
from truefit.evaluation.scoring.scoring import find_scoring
from truefit.evaluation.yardsticks import constant, learned, ngrams, ratings, reconstruction, series
from truefit.evaluation.yardsticks.yardstick import Cases, Maker, Yardstick

LEARNED: dict[YardstickKind, Maker] = {
    "linear": learned.linear,
    "boosting": learned.boosting,
    "forest": learned.forest,
}
# By the module that scores the predictions; new rows like those of the data have no yardstick here.
MAKERS: dict[str, dict[YardstickKind, Maker]] = {
    "classification": {
        "constant": constant.commonest_class,
        **LEARNED,
        "nearest_mean": learned.nearest_mean,
    },
    "regression": {
        "constant": constant.mean_target,
        "persistence": series.persistence,
        "seasonal": series.seasonal,
        **LEARNED,
    },
    "multilabel": {"constant": constant.label_shares, **LEARNED},
    "ratings": {
        "constant": ratings.mean_rating,
        "linear": ratings.user_and_item_means,
        "popular": ratings.most_rated,
    },
    "next_token": {"constant": constant.code_shares, "ngrams": ngrams.ngrams},
    "reconstruction": {
        "constant": reconstruction.mean_of_rows,
        "pca": reconstruction.components,
    },
}


def measure_yardsticks(
    cases: Cases, wanted: Literal["auto"] | Sequence[YardstickKind] | None, seed: int
) -> list[Yardstick]:
    """Each yardstick that is wanted and fits the task and the rows, with its predictions.

    It learns from training rows alone, as many of them as a fixed budget allows, and is the same on
    every machine. It takes the last value before a row, which may be a target of a validation or
    test row, only if rows follow each other in time.

    Args:
        cases: the rows of "train", "validation" and "test", and what the model makes of them.
        wanted: kinds, or "auto" for all that fit.
        seed: of the rows that are drawn, and of the trees.
    """
    makers = MAKERS.get(find_scoring(cases["train"].task.scoring).kind, {})
    kinds = list(makers) if wanted == "auto" else [k for k in makers if k in (wanted or [])]
    # Sums of several threads differ in the last digits, and threads that wait for a busy core made
    # boosting 30 times slower than one thread is.
    with threadpool_limits(1):
        found = [one for kind in kinds for one in makers[kind](cases, seed)]
    if found:
        print(f"yardsticks: {', '.join(one.name for one in found)}", flush=True)
    if wanted != "auto" and (others := set(wanted or []) - {one.kind for one in found}):
        print(f"note: these data have no yardstick of kind {', '.join(sorted(others))}")
    return found
