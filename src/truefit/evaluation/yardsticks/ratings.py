"""Yardsticks of ratings: what each user and each item is rated on average, and the most rated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from truefit.evaluation.yardsticks import constant, learned
from truefit.evaluation.yardsticks.yardstick import HELD_OUT, Cases, Yardstick

LISTS = 4  # figures of a user's list, which a rating does not give


def mean_rating(cases: Cases, seed: int) -> list[Yardstick]:
    """The mean of the training ratings."""
    return [_without_lists(one) for one in constant.mean_target(cases, seed)]


def user_and_item_means(cases: Cases, seed: int) -> list[Yardstick]:
    """The mean rating, and how far each user and each item are from it, drawn towards it.

    That is ridge regression on users and items (Koren et al. 2009, "biases").
    """
    found = [_without_lists(one) for one in learned.linear(cases, seed)]
    return [replace(one, name="user and item means") for one in found]


def most_rated(cases: Cases, seed: int) -> list[Yardstick]:
    """The list of the items with most training ratings, the same for all; it predicts no rating."""
    del seed
    predictions = {}
    for name in HELD_OUT:
        figures = cases[name].prediction  # its last two are those of that list
        predictions[name] = np.full_like(figures, np.nan)
        predictions[name][:, 1:3] = predictions[name][:, 3:5] = figures[:, 3:5]
    return [Yardstick("most rated items", "popular", len(cases["train"].y), predictions)]


def _without_lists(one: Yardstick) -> Yardstick:
    predictions = {
        name: np.pad(ratings, ((0, 0), (0, LISTS)), constant_values=np.nan)
        for name, ratings in one.predictions.items()
    }
    return replace(one, predictions=predictions)
