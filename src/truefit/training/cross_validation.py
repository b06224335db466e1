"""A training in each fold: k trainings that are judged as one."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.prepared.folder import read_facts, read_tables
from truefit.core.results import Logs, Result
from truefit.training.events import Emit, Epoch, Left
from truefit.training.folds import described, pair, read_both
from truefit.training.runtime import set_up
from truefit.training.seeds import part_seed
from truefit.training.train import MACHINE, One, Trained

if TYPE_CHECKING:
    from truefit.config.schema import Config


def cross_validate(
    config: Config, folder: Path, folds: np.ndarray, seed: int, emit: Emit
) -> Trained:
    """Train once in each fold on the rows of the others, and validate on its own.

    Mean and variance of the inputs are those of the rows trained on. Early stopping looks at the
    fold that is held out, as it looks at the validation split elsewhere.

    Args:
        config: the resolved configuration with the trial's parameters in place.
        folder: the prepared folder; its test split is not touched.
        folds: (repeats, rows) the fold of each row, as `folds.assign` gives it.
        seed: of all trainings; each fold's own follows from it.
        emit: called with an `Epoch` after each fold; `True` prunes. With what is `Left` as by
            `training.train`, in each fold for itself. `val_loss`, `loss` and `gap` are means over
            the folds so far, `fold_val_loss` is the last one's.

    Returns:
        As `training.train`: means over the folds, and the median of their best epochs. `folds` has
        each one's loss. A fold that its time limit ended counts with what it had reached.

    Raises:
        TrainingFailedError: as `training.train`, of any fold.
    """
    started = time.monotonic()
    set_up(config["runtime"])
    facts = read_facts(folder)
    tables, rows = read_tables(folder, facts), read_both(folder)
    done: list[Trained] = []
    places, pruned = _places(folds), False
    for number, (repeat, fold) in enumerate(places):
        fit_on, validate_on = pair(rows, folds[repeat] == fold)
        own = part_seed(seed, number)
        one = One(config, described(facts, fit_on), tables, fit_on, validate_on, own)
        done.append(one.train(lambda event: isinstance(event, Left) and emit(event)))
        asked = emit(Epoch(number + 1, _so_far([one.result for one in done])))
        if pruned := asked and len(done) < len(places):  # after the last there is nothing to save
            break
    result = _summary([one.result for one in done], time.monotonic() - started)
    return Trained(result, pruned, _reached(done, config["training"]["time_limit"]))


def _places(folds: np.ndarray) -> list[tuple[int, int]]:
    return [(repeat, fold) for repeat, row in enumerate(folds) for fold in range(row.max() + 1)]


def _reached(done: list[Trained], limit: float | None) -> str:
    """How many folds the time limit ended, if any."""
    ended = sum(bool(one.timed_out) for one in done)
    if not ended:
        return ""
    return f"training.time_limit of {limit:g} s ended {ended} of {len(done)} folds; {MACHINE}"


def _so_far(done: list[Result]) -> Logs:
    return {
        "loss": fmean(one.train_loss_at_best for one in done),
        "val_loss": fmean(one.best_val_loss for one in done),
        "gap": fmean(one.gap for one in done),
        "fold_val_loss": done[-1].best_val_loss,
        "fold_best_epoch": done[-1].best_epoch,
    }


def _summary(done: list[Result], seconds: float) -> Result:
    weights = "".join(one.weights_sha256 for one in done)
    constants = [one.constant_loss for one in done if one.constant_loss is not None]
    return Result(
        best_epoch=round(median(one.best_epoch for one in done)),
        best_val_loss=fmean(one.best_val_loss for one in done),
        train_loss_at_best=fmean(one.train_loss_at_best for one in done),
        gap=fmean(one.gap for one in done),
        constant_loss=fmean(constants) if len(constants) == len(done) else None,
        parameters=done[0].parameters,
        weights_sha256=hashlib.sha256(weights.encode()).hexdigest(),
        seconds=seconds,
        samples_per_second=fmean(one.samples_per_second or 0.0 for one in done),
        folds=[one.best_val_loss for one in done],
    )
