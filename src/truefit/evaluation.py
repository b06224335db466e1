"""The evaluate stage: scores with intervals on every split, the gap, the verdict, the report."""

from __future__ import annotations

import json
import math
import shutil
from typing import Any

import numpy as np
import pandas as pd

from truefit import scores
from truefit.config import Tree, load, override
from truefit.datasets.prepared import SPLITS, Facts, Split, read_facts, read_split
from truefit.errors import UserError
from truefit.files import write_json, write_text
from truefit.overfitting import Losses, judge
from truefit.paths import EVALUATE, PREPARED, TRAIN
from truefit.preload import import_keras
from truefit.report.page import Result, render
from truefit.report.plots import draw
from truefit.report.summary import summary
from truefit.tasks import Task
from truefit.tracking.provenance import dataset
from truefit.tracking.tracker import Tracker
from truefit.training import load_model, make_task, set_environment

CHUNK = 2e7  # resamples x rows that are weighed at a time: 160 MB


def evaluate() -> None:
    """Predict every split with the trained model; write metrics.json, plots/ and report.html."""
    config = load()
    facts = read_facts(PREPARED)
    task = make_task(config, facts)
    settings = config["evaluation"]
    set_environment(config["backend"], config["runtime"]["device"])
    run = json.loads((TRAIN / "run.json").read_text())
    predictions = predict_splits(override(config, run["params"]))
    resampled = {
        name: bootstrap(task, facts, split.y, prediction, settings, config["seed"])
        for name, (split, prediction) in predictions.items()
    }
    metrics = summarise(resampled, settings["confidence"])
    losses = Losses(
        metrics["train"]["loss"],
        metrics["validation"]["loss"],
        metrics["validation"]["loss_high"],
        baseline(task, facts, predictions),
        metrics["gap_low"],
    )
    metrics["verdict"], evidence = judge(losses)
    history = pd.read_csv(TRAIN / "history.csv")
    _write(Result(metrics, evidence, config, facts, task, run), history, predictions["test"])
    sent = record(config, run, metrics, summary(metrics, task.headline))
    place = f"MLflow run {run['run_id']}" if run["run_id"] else "the journal"
    print(
        summary(metrics, task.headline)
        + f"\nwhere: {EVALUATE}/report.html, {place}"
        + ("" if sent else "\nMLflow has not taken the scores yet: `truefit sync` sends them")
    )


def predict_splits(config: Tree) -> dict[str, tuple[Split, np.ndarray]]:
    """Each split's rows, mapped from disk, with the trained model's predictions.

    Raises:
        UserError: the model cannot be loaded in Keras' safe mode.
    """
    import_keras()
    try:
        model = load_model(config, TRAIN / "model.keras")
    except (ValueError, OSError, TypeError) as error:
        raise UserError(f"{TRAIN}/model.keras cannot be loaded in safe mode: {error}") from error
    predictions = {}
    for name in SPLITS:
        split = read_split(PREPARED, name)
        print(f"predicting {name}: {len(split.y)} rows", flush=True)
        size = config["evaluation"]["batch_size"]
        predicted = model.predict(split.x, batch_size=size, verbose=0)
        predictions[name] = (split, predicted.astype(np.float64))
    return predictions


def bootstrap(
    task: Task, facts: Facts, y: np.ndarray, prediction: np.ndarray, settings: Tree, seed: int
) -> dict[str, np.ndarray]:
    """Every score on the rows as they are (first) and on resamples of them.

    Rows are drawn with replacement, as often as there are rows (Efron & Tibshirani 1993, ch. 13).
    """
    random = np.random.default_rng([seed, 0xB007])
    rows, resamples = len(y), settings["resamples"]
    at_once = max(1, int(CHUNK / rows))
    parts = [score(task, facts, y, prediction, np.ones((1, rows)))]
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        weights = random.multinomial(rows, np.full(rows, 1 / rows), size=count).astype(np.float64)
        parts.append(score(task, facts, y, prediction, weights))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def score(
    task: Task, facts: Facts, y: np.ndarray, prediction: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """The task's scores for each row of `weights`."""
    if task.name == "regression":
        return scores.regression(
            y.astype(np.float64), prediction[:, 0], weights, scale=facts["target"]["scale"]
        )
    return scores.classification(
        y, probabilities(prediction), weights, binary=task.name == "binary"
    )


def probabilities(prediction: np.ndarray) -> np.ndarray:
    """(rows, classes), also for a model with one sigmoid output."""
    return prediction if prediction.shape[1] > 1 else np.hstack([1 - prediction, prediction])


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


def baseline(task: Task, facts: Facts, predictions: dict[str, tuple[Split, np.ndarray]]) -> float:
    """The validation loss of the best constant prediction that the training rows suggest."""
    y = predictions["validation"][0].y
    train = predictions["train"][0].y
    if task.name == "regression":
        return float(np.mean((y - train.mean()) ** 2) / facts["target"]["scale"] ** 2)
    shares = np.bincount(train, minlength=len(facts["target"]["classes"])) / len(train)
    return float(-np.log(np.clip(shares, scores.SMALLEST, 1))[y].mean())


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


def _write(result: Result, history: pd.DataFrame, test: tuple[Split, np.ndarray]) -> None:
    plots = EVALUATE / "plots"
    shutil.rmtree(plots, ignore_errors=True)
    plots.mkdir(parents=True)
    split, prediction = test
    best = result.run["best_epoch"]
    draw(plots, result.task, result.facts, history, best, split.y, prediction)
    write_json(EVALUATE / "metrics.json", result.metrics)
    write_text(EVALUATE / "report.html", render(result, plots))
