"""What a trained model is worth: scores with intervals on every split, the gap, the verdict."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from truefit.core.backend import import_keras
from truefit.core.errors import UserError
from truefit.core.paths import PREPARED, TRAIN
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import SPLITS, Split, read_facts, read_split
from truefit.core.prepared.mapped import read
from truefit.core.resolved import override
from truefit.core.run import Run
from truefit.evaluation.beside import Compared, compare
from truefit.evaluation.evidence import Evidence
from truefit.evaluation.finding import Verdict
from truefit.evaluation.intervals import bootstrap, find_gap, optimism, or_none, summarise
from truefit.evaluation.judging import gather, is_same_loss
from truefit.evaluation.metrics import Metrics, Optimism
from truefit.evaluation.overfitting import judge
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.scoring import Scoring, find_scoring
from truefit.evaluation.yardsticks.measure import measure_yardsticks
from truefit.evaluation.yardsticks.yardstick import HELD_OUT
from truefit.training.building import make_task
from truefit.training.passes import batch_within, parts
from truefit.training.saved import core_of, load_model
from truefit.training.tasks import Task

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config

# Yardsticks by which the splits' own difference is measured, the first that is there.
STEADY = ("linear", "constant")


@dataclass(frozen=True)
class Measured:
    """What the trained model is worth on each split, and what is to be said of its training."""

    metrics: Metrics
    verdict: Verdict
    known: Evidence
    facts: Facts
    task: Task
    scoring: Scoring
    cases: dict[str, Case]
    compared: list[Compared]
    losses: dict[str, np.ndarray]  # by split, on its rows and on resamples of them


def measure(config: Config, run: Run, history: pd.DataFrame) -> Measured:
    """Scores with intervals on every split, the gap, and the verdict on the training.

    Args:
        config: the resolved configuration.
        run: what run.json says of the training.
        history: its values by epoch.

    Raises:
        UserError: the model cannot be loaded in Keras' safe mode, or the scoring lacks something.
    """
    facts, settings = read_facts(PREPARED), config["evaluation"]
    task = make_task(config, facts)
    scoring = find_scoring(task.scoring)
    splits = {name: read_split(PREPARED, name) for name in SPLITS}
    trained = override(config, run.params)
    cases = predict_splits(trained, facts, task, scoring, splits)
    resampled = {
        name: bootstrap(scoring, case, settings, config["seed"]) for name, case in cases.items()
    }
    for score in resampled["validation"]:
        if why := scoring.why_not_compared(score):  # no fault any more: its model is trained
            print(f"note: a score is not compared with yardsticks: {why}")
    counted = scoring.shares, {name: len(case.y) for name, case in cases.items()}
    scores = summarise(resampled, settings["confidence_level"], *counted)
    gap = find_gap(resampled, settings["confidence_level"])
    yardsticks = measure_yardsticks(cases, settings["yardsticks"], config["seed"])
    compared = compare(scoring, cases, yardsticks, settings, config["seed"])
    known = gather(trained, run, history, scoring, cases, splits, resampled, compared, task)
    verdict = judge(known)
    losses = {name: by_score["loss"] for name, by_score in resampled.items()}
    metrics: Metrics = {
        "train": scores["train"],
        "validation": scores["validation"],
        "test": scores["test"],
        "gap": or_none(gap.value),
        "gap_low": or_none(gap.low),
        "gap_high": or_none(gap.high),
        "verdict": verdict.name,
        "baseline": known.losses.baseline,
        "headline": task.headline,
        "yardsticks": [one.as_json() for one in compared],
        "same_loss": is_same_loss(run, losses["validation"][0], known.losses.baseline),
    }
    if scoring.details:
        metrics["details"] = {name: scoring.details(case) for name, case in cases.items()}
    return Measured(metrics, verdict, known, facts, task, scoring, cases, compared, losses)


def find_optimism(measured: Measured, chosen_by: float, config: Config) -> Optimism:
    """The optimism of the search, without the splits' own difference, which a yardstick shows."""
    with_loss = {one.yardstick.kind: one for one in measured.compared if _has_losses(one)}
    # The best by these rows would be chosen by them too, so the order is fixed.
    kind = next((kind for kind in (*STEADY, *with_loss) if kind in with_loss), None)
    beside = with_loss[kind] if kind else None
    found = optimism(
        chosen_by - measured.losses["validation"][0],
        beside.own if beside else measured.losses,
        beside.losses if beside else None,
        config["evaluation"]["confidence_level"],
    )
    return {
        "optimism": or_none(found.value),
        "optimism_low": or_none(found.low),
        "optimism_high": or_none(found.high),
        "optimism_beside": beside.yardstick.name if beside else None,
    }


def _has_losses(one: Compared) -> bool:
    """Whether yardstick and model have losses on both held-out splits."""
    return all(
        name in losses and np.isfinite(losses[name][0])
        for losses in (one.losses, one.own)
        for name in HELD_OUT
    )


def test_rows(facts: Facts) -> str:
    """What names the test rows as they came; the same for two models that may be compared."""
    test = facts.splits["test"]
    return test.source or test.digest


def predict_splits(
    config: Config,
    facts: Facts,
    task: Task,
    scoring: Scoring,
    splits: dict[str, Split],
    *,
    names: Collection[str] = SPLITS,
    file: Path = TRAIN / "model.keras",
) -> dict[str, Case]:
    """The rows of the splits that are named, mapped from disk, with what the model makes of them.

    Raises:
        UserError: the model cannot be loaded in Keras' safe mode, or the scoring lacks something.
    """
    import_keras()
    try:
        core = core_of(load_model(config, file))
    except ValueError as error:
        raise UserError(
            f"{file} cannot be loaded in safe mode: {error}; `dvc checkout` or `dvc repro -f "
            "train` brings it back"
        ) from error
    try:
        context = scoring.prepare(core, splits, facts, config) if scoring.prepare else None
    except ValueError as error:
        raise UserError(str(error)) from error
    splits = scoring.thin(splits, config["seed"])
    cases, size = {}, config["evaluation"]["batch_size"]
    for name, split in splits.items():
        if name not in names:
            continue
        print(f"predicting {name}: {len(split.y)} rows", flush=True)
        if scoring.predict:
            predicted = scoring.predict(split, context, size)
        else:
            predicted = predict_rows(core, split.x, size)
        predicted = np.asarray(predicted, np.float64)
        cases[name] = Case(name, split.x, split.y, predicted, facts, task, context)
    return cases


def predict_rows(core: keras.Model, rows: np.ndarray, batch_size: int) -> np.ndarray:
    """The model's output for rows that may be larger than memory."""
    size = batch_within(rows, batch_size)
    found = [
        core.predict(read(rows, place), batch_size=size, verbose=0)
        for place in parts(len(rows), rows, size)
    ]
    return np.concatenate(found)
