"""The same answer for every row: what a model that has learned nothing would say."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from truefit.core.readable import readable
from truefit.evaluation.scores import SMALLEST
from truefit.evaluation.yardsticks.yardstick import HELD_OUT, Cases, Yardstick, repeat


def commonest_class(cases: Cases, seed: int) -> list[Yardstick]:
    """The share of each class in training, so that the commonest is always predicted."""
    del seed
    train = cases["train"]
    classes = train.facts.target.classes
    shares = np.bincount(train.y, minlength=len(classes)) / len(train.y)
    answer = shares[1:] if train.task.num_outputs == 1 else shares
    return [_always(f'always "{classes[shares.argmax()]}"', cases, answer)]


def mean_target(cases: Cases, seed: int) -> list[Yardstick]:
    """The mean of the training targets."""
    del seed
    target = cases["train"].facts.target
    return [_always(f"always the mean ({readable(target.mean)})", cases, [target.mean])]


def label_shares(cases: Cases, seed: int) -> list[Yardstick]:
    """The share that each label has in training."""
    del seed
    return [_always("the share of each label", cases, cases["train"].y.mean(axis=0))]


def code_shares(cases: Cases, seed: int) -> list[Yardstick]:
    """How often each code follows anything in training: (rows, length, 2) of loss and hit."""
    del seed
    train = cases["train"]
    counts = np.bincount(train.y.ravel(), minlength=train.facts.sizes[0])
    loss = -np.log(np.clip(counts / counts.sum(), SMALLEST, 1))
    likeliest = counts.argmax()
    predictions = {}
    for name in HELD_OUT:
        y = np.asarray(cases[name].y)
        predictions[name] = np.stack([loss[y], y == likeliest], axis=-1)
    return [Yardstick("the commonest code", "constant", len(train.y), predictions)]


def _always(name: str, cases: Cases, answer: ArrayLike) -> Yardstick:
    predictions = {split: repeat(answer, len(cases[split].y)) for split in HELD_OUT}
    return Yardstick(name, "constant", len(cases["train"].y), predictions)
