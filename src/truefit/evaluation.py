"""The evaluate stage: scores with intervals on every split, the gap, the verdict, the report."""

from __future__ import annotations

import importlib
import json
import math
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from truefit.building import core_of, load_model, make_task
from truefit.config import Tree, load, override
from truefit.datasets.prepared import SPLITS, Facts, read_facts, read_split
from truefit.errors import UserError
from truefit.files import write_json, write_text
from truefit.mapped import read
from truefit.overfitting import Losses, judge
from truefit.passes import batch_within, parts
from truefit.paths import EVALUATE, PREPARED, TRAIN
from truefit.preload import import_keras, set_environment
from truefit.report.page import Result, render
from truefit.report.plots import draw_curves
from truefit.report.summary import summary
from truefit.scoring.case import Case
from truefit.tasks import Task
from truefit.tracking.provenance import dataset
from truefit.tracking.tracker import Tracker

CHUNK = 2e7  # resamples x rows that are weighed at a time: 160 MB


def evaluate() -> None:
    """Predict every split with the trained model; write metrics.json, plots/ and report.html."""
    config = load()
    facts = read_facts(PREPARED)
    task = make_task(config, facts)
    settings = config["evaluation"]
    set_environment(config["backend"], config["runtime"]["device"])
    run = json.loads((TRAIN / "run.json").read_text())
    scoring = scoring_of(task)
    cases = predict_splits(override(config, run["params"]), facts, task, scoring)
    resampled = {
        name: bootstrap(scoring, case, settings, config["seed"]) for name, case in cases.items()
    }
    metrics = summarise(resampled, settings["confidence"])
    losses = Losses(
        metrics["train"]["loss"],
        metrics["validation"]["loss"],
        metrics["validation"]["loss_high"],
        scoring.baseline(cases),
        metrics["gap_low"],
        getattr(scoring, "NAIVE", "a constant prediction"),
    )
    metrics["verdict"], evidence = judge(losses)
    metrics |= {"baseline": losses.baseline, "headline": task.headline}
    if hasattr(scoring, "details"):
        metrics["details"] = {name: scoring.details(case) for name, case in cases.items()}
    history = pd.read_csv(TRAIN / "history.csv")
    _write(Result(metrics, evidence, config, facts, task, run), history, scoring, cases["test"])
    sent = record(config, run, metrics, summary(metrics))
    place = f"MLflow run {run['run_id']}" if run["run_id"] else "the journal"
    print(
        summary(metrics)
        + f"\nwhere: {EVALUATE}/report.html, {place}"
        + ("" if sent else "\nMLflow has not taken the scores yet: `truefit sync` sends them")
    )


def scoring_of(task: Task) -> Any:
    """The module that scores the task's predictions; `scoring.case` says what it has."""
    return importlib.import_module(task.scoring)


def predict_splits(config: Tree, facts: Facts, task: Task, scoring: Any) -> dict[str, Case]:
    """Each split's rows, mapped from disk, with what the trained model makes of them.

    Raises:
        UserError: the model cannot be loaded in Keras' safe mode, or the scoring lacks something.
    """
    import_keras()
    try:
        core = core_of(load_model(config, TRAIN / "model.keras"))
    except (ValueError, OSError, TypeError) as error:
        raise UserError(f"{TRAIN}/model.keras cannot be loaded in safe mode: {error}") from error
    splits = {name: read_split(PREPARED, name) for name in SPLITS}
    try:
        prepare = getattr(scoring, "prepare", None)
        context = prepare(core, splits, facts, config) if prepare else None
    except ValueError as error:
        raise UserError(str(error)) from error
    if hasattr(scoring, "thin"):
        splits = scoring.thin(splits, config["seed"])
    cases, size = {}, config["evaluation"]["batch_size"]
    for name, split in splits.items():
        print(f"predicting {name}: {len(split.y)} rows", flush=True)
        if hasattr(scoring, "predict"):
            predicted = scoring.predict(split, context, size)
        else:
            predicted = predict_rows(core, split.x, size)
        predicted = np.asarray(predicted, np.float64)
        cases[name] = Case(name, split.x, split.y, predicted, facts, task, context)
    return cases


def predict_rows(core: Any, rows: np.ndarray, batch_size: int) -> np.ndarray:
    """The model's output for rows that may be larger than memory."""
    size = batch_within(rows, batch_size)
    found = [
        core.predict(read(rows, place), batch_size=size, verbose=0)
        for place in parts(len(rows), rows, size)
    ]
    return np.concatenate(found)


def bootstrap(scoring: Any, case: Case, settings: Tree, seed: int) -> dict[str, np.ndarray]:
    """Every score on the rows as they are (first) and on resamples of them.

    Rows are drawn with replacement, as often as there are rows (Efron & Tibshirani 1993, ch. 13),
    or all rows of what they belong to, where they do. The bias of a score, as the resamples show
    it, is taken from them where the scoring says that it has one (ch. 10).
    """
    random = np.random.default_rng([seed, 0xB007])
    rows, resamples = len(case.y), settings["resamples"]
    place = scoring.units(case) if hasattr(scoring, "units") else np.arange(rows)
    units = int(place.max()) + 1
    at_once = max(1, int(CHUNK / rows))
    found: list[Mapping[str, np.ndarray]] = [scoring.scores(case, np.ones((1, rows)))]
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = random.multinomial(units, np.full(units, 1 / units), size=count)
        found.append(scoring.scores(case, drawn[:, place].astype(np.float64)))
    resampled = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    for name in getattr(scoring, "BIASED", ()):
        resampled[name][1:] -= np.nanmean(resampled[name][1:]) - resampled[name][0]
    return resampled


def summarise(resampled: dict[str, dict[str, np.ndarray]], confidence: float) -> dict[str, Any]:
    """`{split: {score, score_low, score_high}}`, and the gap with its interval.

    The splits are independent samples, so their resamples pair up for the gap.
    """
    metrics: dict[str, Any] = {
        name: {
            key: value
            for score in values
            for key, value in _interval(score, values[score], confidence)
        }
        for name, values in resampled.items()
    }
    gap = resampled["validation"]["loss"] - resampled["train"]["loss"]
    return metrics | dict(_interval("gap", gap, confidence))


def _interval(name: str, values: np.ndarray, confidence: float) -> list[tuple[str, float | None]]:
    """Percentile interval; resamples that lack a class are left out, an undefined score is null."""
    usable = values[1:][np.isfinite(values[1:])]
    tail = (1 - confidence) / 2
    low, high = np.quantile(usable, [tail, 1 - tail]) if len(usable) else (math.nan, math.nan)
    named = ((name, values[0]), (f"{name}_low", low), (f"{name}_high", high))
    return [(key, float(value) if np.isfinite(value) else None) for key, value in named]


def record(config: Tree, run: Tree, metrics: dict[str, Any], text: str) -> bool:
    """Add scores, report and plots to the training's run; whether MLflow has taken them."""
    values = {
        f"{split}_{name}": value
        for split in SPLITS
        for name, value in metrics[split].items()
        if value is not None
    }
    with Tracker(config["project"], "evaluate") as tracker:
        name = run["run"]
        told = f"```\n{text}\n```\n\nRun it again:\n\n{run['repeat']}"
        tags = {"truefit.verdict": metrics["verdict"], "mlflow.note.content": told}
        tracker.log(name, tags=tags)
        tracker.scores(name, values, on=dataset(config, "evaluation"))
        for file in (EVALUATE / "report.html", EVALUATE / "metrics.json"):
            tracker.file(name, file)
        tracker.file(name, EVALUATE / "plots", "plots")
    return not tracker.unsent


def _write(result: Result, history: pd.DataFrame, scoring: Any, test: Case) -> None:
    plots = EVALUATE / "plots"
    shutil.rmtree(plots, ignore_errors=True)
    plots.mkdir(parents=True)
    draw_curves(plots / "curves.png", history, result.run["best_epoch"], result.task.curves)
    scoring.draw(plots, test)
    write_json(EVALUATE / "metrics.json", result.metrics)
    write_text(EVALUATE / "report.html", render(result, plots))
