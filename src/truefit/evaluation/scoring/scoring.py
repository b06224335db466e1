"""How one kind of task is scored: what a module of this room offers, and what holds without."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from truefit.core.errors import UserError
from truefit.core.moved import current
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split
from truefit.evaluation.scoring.case import Case, Floats

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config

Splits = dict[str, Split]
ROOM = __name__.rpartition(".")[0]


def every_row(splits: Splits, seed: int) -> Splits:
    """All rows are scored."""
    del seed
    return splits


def row_by_row(case: Case) -> np.ndarray:
    """Each row stands for itself, (rows,)."""
    return np.arange(len(case.y))


@dataclass(frozen=True)
class Scoring:
    """The functions of a scoring module; those with a default here may be missing there.

    `module` is its dotted name; `kind` its name in this room, empty for a module of the user's own.
    """

    module: str
    kind: str
    scores: Callable[[Case, Floats], dict[str, Floats]]  # by name, (resamples,), of weighted rows
    baseline: Callable[[dict[str, Case]], float]  # the loss of the constant answer
    draw: Callable[[Path, Case], None]  # pictures of the test rows
    prepare: Callable[[keras.Model, Splits, Facts, Config], object] | None = (
        None  # a case's `context`
    )
    thin: Callable[[Splits, int], Splits] = every_row  # the rows that are scored
    predict: Callable[[Split, Any, int], np.ndarray] | None = None  # in place of the model's own
    details: Callable[[Case], dict[str, dict[str, float]]] | None = None  # without intervals
    units: Callable[[Case], np.ndarray] = row_by_row  # what is resampled: a row's user, say
    probabilities: Callable[[np.ndarray], np.ndarray] | None = None  # (rows, classes)
    naive: str = "the constant answer"  # what `baseline` is of
    biased: tuple[str, ...] = ()  # scores that are larger on any resample than on the sample
    shares: tuple[str, ...] = ()  # scores that are the share of rows that are right
    rising: tuple[str, ...] = ()  # scores of which more is better
    falling: tuple[str, ...] = ()  # scores of which less is better, besides `loss`

    def is_rising(self, score: str) -> bool:
        """Return whether more of a score is better.

        Raises:
            UserError: the module does not say so, or says both.
        """
        if why := self.why_not_compared(score):
            raise UserError(why)
        return score in self.rising

    def why_not_compared(self, score: str) -> str:
        """Why nobody knows which of two values is better; empty if the module says it."""
        rises, falls = score in self.rising, score in ("loss", *self.falling)
        if rises != falls:
            return ""
        received = "both" if rises else "neither"
        return (
            f"{self.module}: expected the score {score!r} in one of its constants RISING (more is "
            f"better) and FALLING (less is better), received it in {received}: write, for example, "
            f'`FALLING = ("{score}",)` there'
        )


def find_scoring(name: str) -> Scoring:
    """What the module of that name offers; its constants have the names in capitals."""
    module = importlib.import_module(current(name))
    room, _, kind = module.__name__.rpartition(".")
    offered = {
        field.name: getattr(module, spelt)
        for field in fields(Scoring)
        for spelt in (field.name, field.name.upper())
        if hasattr(module, spelt)
    }
    named = {"module": module.__name__, "kind": kind if room == ROOM else ""}
    return Scoring(**{**offered, **named})
