"""Evidence for the verdict, from a training's history and from its scored predictions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from truefit.core.prepared.caps import find_cap
from truefit.core.prepared.folder import Split
from truefit.core.run import Run
from truefit.evaluation.beside import Compared
from truefit.evaluation.evidence import Curve, Evidence, Losses
from truefit.evaluation.intervals import find_gap, interval
from truefit.evaluation.leaks import find_leaks
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.scoring import Scoring
from truefit.evaluation.symptoms import find_missed, surest
from truefit.training.tasks import Task

if TYPE_CHECKING:
    from truefit.config.schema import Config

SAME = 1e-3  # how far two ways to the same loss may be apart
DECIDES = 0.95  # the confidence of the intervals that a verdict looks at


def gather(
    config: Config,
    run: Run,
    history: pd.DataFrame,
    scoring: Scoring,
    cases: dict[str, Case],
    splits: dict[str, Split],
    resampled: dict[str, dict[str, np.ndarray]],
    compared: list[Compared],
    task: Task,
) -> Evidence:
    """What the verdict is drawn from; of the held-out rows those of validation alone decide."""
    facts, validation = cases["validation"].facts, cases["validation"]
    # A verdict does not depend on what a report shows.
    gap = find_gap(resampled, DECIDES)
    validated = interval(resampled["validation"]["loss"], DECIDES)
    baseline = scoring.baseline(cases)
    constant = next((one for one in compared if one.yardstick.kind == "constant"), None)
    lead = constant.leads["validation"].get("loss") if constant else None
    losses = Losses(
        train=float(resampled["train"]["loss"][0]),
        validation=validated.value,
        baseline=baseline,
        gap_low=gap.low,
        gap_high=gap.high,
        rows=len(validation.y),
        surely_better=lead.high < 0 if lead else validated.high < baseline,
        naive=scoring.naive,
    )
    # Two players' losses go up and down by design.
    lone = task.name != "generation"
    # A loss of the model's own has no constant answer that it could be compared with.
    silent = Curve([], [], 0, 0, baseline)
    curve = _curve(config, run, history, baseline) if lone and not run.has_own_loss else silent
    leaks = find_leaks(splits, facts, config["seed"])
    beside = tuple(one.beside(task.headline) for one in compared)
    kind, known = facts.target.kind, Evidence(losses, curve, leaks, beside)
    if kind == "classes" and scoring.probabilities:
        p = scoring.probabilities(validation.prediction)
        answers = [
            scoring.probabilities(one.yardstick.predictions["validation"]).argmax(axis=1)
            for one in compared
            if one.yardstick.kind != "constant"
        ]
        missed = find_missed(p, validation.y, facts)
        train = np.asarray(cases["train"].y)
        return replace(known, sure=surest(p, validation.y, answers, train), missed=missed)
    if kind == "number" and not facts.sizes:
        return replace(known, cap=find_cap(np.asarray(cases["train"].y)))
    return known


def is_same_loss(run: Run, loss: float, baseline: float) -> bool:
    """Whether search and training minimised the scores' loss, which is `loss` on validation rows.

    A model or a task may have its own, which is compared with no other.
    """
    trained = run.result.best_val_loss
    return math.isclose(trained, loss, rel_tol=SAME, abs_tol=SAME * abs(baseline))


def _curve(config: Config, run: Run, history: pd.DataFrame, baseline: float) -> Curve:
    """Losses by epoch, dropout off."""
    train, validation = history["train_loss"].tolist(), history["val_loss"].tolist()
    limit = config["training"]["time_limit"] if run.state == "timed_out" else None
    constant = run.result.constant_loss
    start = baseline if constant is None else constant
    return Curve(
        train, validation, config["training"]["epochs"], run.result.best_epoch, start, limit
    )
