"""A training in each fold: k trainings that are judged as one."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from statistics import fmean, median

import numpy as np

from truefit.core.prepared.folder import read_facts, read_tables
from truefit.core.resolved import Tree
from truefit.core.results import Logs
from truefit.training.events import Emit, Epoch, Left
from truefit.training.folds import described, pair, read_both
from truefit.training.runtime import set_up
from truefit.training.seeds import part_seed
from truefit.training.train import MACHINE, One


def cross_validate(config: Tree, folder: Path, folds: np.ndarray, seed: int, emit: Emit) -> Tree:
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
    done: list[Tree] = []
    places, pruned = _places(folds), False
    for number, (repeat, fold) in enumerate(places):
        fit_on, validate_on = pair(rows, folds[repeat] == fold)
        own = part_seed(seed, number)
        one = One(config, described(facts, fit_on), tables, fit_on, validate_on, own)
        done.append(one.train(lambda event: isinstance(event, Left) and emit(event)))
        asked = emit(Epoch(number + 1, _so_far(done)))
        if pruned := asked and len(done) < len(places):  # after the last there is nothing to save
            break
    ends = {"pruned": pruned, "timed_out": _reached(done, config["training"]["time_limit"])}
    return {**_summary(done), **ends, "seconds": time.monotonic() - started}


def _places(folds: np.ndarray) -> list[tuple[int, int]]:
    return [(repeat, fold) for repeat, row in enumerate(folds) for fold in range(row.max() + 1)]


def _reached(done: list[Tree], limit: float | None) -> str:
    """How many folds the time limit ended, if any."""
    ended = sum(bool(result["timed_out"]) for result in done)
    if not ended:
        return ""
    return f"training.time_limit of {limit:g} s ended {ended} of {len(done)} folds; {MACHINE}"


def _mean(done: list[Tree], key: str) -> float:
    return fmean(result[key] for result in done)


def _so_far(done: list[Tree]) -> Logs:
    return {
        "loss": _mean(done, "train_loss_at_best"),
        "val_loss": _mean(done, "best_val_loss"),
        "gap": _mean(done, "gap"),
        "fold_val_loss": done[-1]["best_val_loss"],
        "fold_best_epoch": done[-1]["best_epoch"],
    }


def _summary(done: list[Tree]) -> Tree:
    weights = "".join(result["weights_sha256"] for result in done)
    constants = [result["constant_loss"] for result in done]
    return {
        **{key: _mean(done, key) for key in ("best_val_loss", "train_loss_at_best", "gap")},
        "constant_loss": None if None in constants else fmean(constants),
        "best_epoch": round(median(result["best_epoch"] for result in done)),
        "parameters": done[0]["parameters"],
        "weights_sha256": hashlib.sha256(weights.encode()).hexdigest(),
        "samples_per_second": _mean(done, "samples_per_second"),
        "folds": [result["best_val_loss"] for result in done],
    }
