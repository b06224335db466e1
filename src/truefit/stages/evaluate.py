"""The evaluate stage: scores, the verdict, the report, and their record in MLflow."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from truefit.core.backend import set_environment
from truefit.core.errors import plain
from truefit.core.files import read_record, write_json, write_text
from truefit.core.inputs import Inputs
from truefit.core.paths import EVALUATE, REPEAT, SEARCH, TRAIN
from truefit.core.prepared.folder import SPLITS, Split
from truefit.core.resolved import load, override
from truefit.core.run import Run
from truefit.core.study import StudySummary, of_slot
from truefit.evaluation.advice import advise
from truefit.evaluation.drift import find_drift
from truefit.evaluation.finding import Judgement
from truefit.evaluation.intervals import OverSeeds, Spread, over_seeds
from truefit.evaluation.measure import Measured, find_optimism, measure, test_rows
from truefit.evaluation.metrics import YardstickScores
from truefit.evaluation.report.page import Page, render, render_card
from truefit.evaluation.report.plots import draw_curves, draw_repeats
from truefit.evaluation.report.study_plots import draw_study
from truefit.evaluation.report.summary import scores, summary
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.scoring import Scoring
from truefit.tracking.events import Tags
from truefit.tracking.looks import count_looks
from truefit.tracking.provenance import dataset, evaluated_by, lineage, uncommitted
from truefit.tracking.tracker import Tracker

if TYPE_CHECKING:
    from truefit.config.schema import Config

CARD = "model_card.md"
LARGEST = 64 * 2**20  # bytes of predictions that are kept with the run; of all of them the digest


def evaluate() -> None:
    """Predict every split with the trained model; write metrics.json, plots/ and report.html."""
    config = load()
    inputs = Inputs.of("evaluate")
    set_environment(config["backend"], config["runtime"]["device"])
    run = Run.read(TRAIN / "run.json")
    history = pd.read_csv(TRAIN / "history.csv")
    measured = measure(config, run, history)
    study = read_study()
    if study and measured.metrics["same_loss"]:
        optimism = find_optimism(measured, study.winner.chosen_by, config)
        measured = replace(measured, metrics={**measured.metrics, **optimism})
    repeats = pd.read_csv(REPEAT / "repeats.csv")
    result = describe(measured, config, run, study, over_seeds(repeats))
    _write(result, history, repeats, measured.scoring, measured.cases["test"])
    said = summary(measured.metrics, result.verdict)
    sent = record(config, run, result, said, measured.cases["test"].prediction, inputs)
    place = f"MLflow run {run.run_id}" if run.run_id else "the journal"
    print(
        f"{plain(said)}\nwhere: {EVALUATE}/report.html, {place}"
        + ("" if sent else "\nMLflow has not taken the scores yet: `truefit sync` sends them")
    )


def read_study() -> StudySummary | None:
    """What study.json says of the search; `None` without one."""
    return read_record(SEARCH / "study.json", StudySummary.from_json, "winner")


def describe(
    measured: Measured,
    config: Config,
    run: Run,
    study: StudySummary | None,
    repeats: OverSeeds | None,
) -> Page:
    """All that the report and the model card say."""
    facts = measured.facts
    splits = {name: Split(case.x, case.y) for name, case in measured.cases.items()}
    trained = override(config, run.params)
    advice = advise(measured.verdict, trained, run.params, facts)
    return Page(
        metrics=measured.metrics,
        config=config,
        facts=facts,
        task=measured.task,
        run=run,
        leaks=measured.known.leaks,
        drift=find_drift(splits, facts, config["seed"]),
        repeats=repeats,
        looks=count_looks(test_rows(facts), run.result.weights_sha256),
        verdict=Judgement.of(measured.verdict, advice),
        study=study,
        lineage=lineage(facts, run, study),
    )


def record(
    config: Config, run: Run, result: Page, text: str, predicted: np.ndarray, inputs: Inputs
) -> bool:
    """Add scores, predictions, report and plots to the training's run; whether MLflow has them."""
    metrics, headline = result.metrics, result.metrics["headline"]
    splits = zip(SPLITS, (metrics["train"], metrics["validation"], metrics["test"]), strict=True)
    values = {
        f"{split}_{name}": value
        for split, found in splits
        for name, value in found.items()
        if value is not None
    }
    for one in metrics["yardsticks"]:
        if (score := one["scores"]["test"].get(headline)) is not None:
            values[f"yardstick_{_key(one)}_test_{headline}"] = score
    values |= _over_seeds(result)
    # One name for every task, so that MLflow's table has one column.
    for end in ("", "_low", "_high"):
        if (score := metrics["test"].get(f"{headline}{end}")) is not None:
            values[f"score{end}"] = score
    with (
        Tracker(config["mlflow_experiment"], "evaluate") as tracker,
        tempfile.TemporaryDirectory() as place,
    ):
        name = run.run
        tracker.inputs(name, "evaluate", inputs)
        for file in ("study.json", "trials.csv"):
            tracker.file(name, SEARCH / file, "search")
        tracker.file(name, REPEAT / "repeats.csv")
        if predicted.nbytes <= LARGEST:
            np.save(Path(place) / "predictions.npy", predicted)
            tracker.file(name, Path(place) / "predictions.npy")
        # The training may be of an earlier commit: what has not changed is not trained again.
        tracker.text(name, "evaluate/uncommitted.diff.txt", uncommitted())
        told = f"```\n{text}\n```\n\nRun it again:\n\n{run.repeat}"
        tags: Tags = {
            "truefit.verdict": metrics["verdict"],
            "truefit.cause": result.verdict.cause,
            "truefit.headline": headline,
            "truefit.test": test_rows(result.facts),
            "truefit.test_looks": result.looks,
            "truefit.predictions": hashlib.sha256(np.ascontiguousarray(predicted).data).hexdigest(),
            "mlflow.note.content": told,
            **evaluated_by(),
        }
        tracker.log(name, tags=tags)
        tracker.scores(name, values, on=dataset(config, "evaluation"))
        for file in ("report.html", "metrics.json", "verdict.json", CARD):
            tracker.file(name, EVALUATE / file)
        tracker.card(name, EVALUATE / CARD)
        tracker.file(name, EVALUATE / "plots", "plots")
        tracker.check(name, "evaluate", inputs)
    return not tracker.unsent


def _over_seeds(result: Page) -> dict[str, float]:
    """Means of the repeats and of the winner's finalists, so that MLflow's table can sort them."""
    study, repeats = result.study, result.repeats
    found: dict[str, float] = {"repeats": repeats.seeds if repeats else 0}
    if repeats:
        found |= _named("repeats_val_loss", repeats.val_loss)
        found |= _named("repeats_gap", repeats.gap)
    if study and (finalist := of_slot(study.finalists, study.winner.slot)):
        value = Spread(finalist.mean, finalist.deviation, finalist.low, finalist.high)
        found |= {"finalists": len(finalist.values), **_named("finalists_value", value)}
        found |= _named("finalists_gap", Spread.of(finalist.gaps))
    return found


def _named(name: str, spread: Spread) -> dict[str, float]:
    return {f"{name}_{part}": value for part, value in asdict(spread).items()}


def _key(yardstick: YardstickScores) -> str:
    """What MLflow calls it: its kind, and how long n-grams are, of which there are several."""
    kind, name = yardstick["kind"], yardstick["name"]
    return re.sub(r"\W+", "_", f"{kind} {name}") if kind == "ngrams" else kind


def _write(
    result: Page, history: pd.DataFrame, repeats: pd.DataFrame, scoring: Scoring, test: Case
) -> None:
    plots = EVALUATE / "plots"
    shutil.rmtree(plots, ignore_errors=True)
    plots.mkdir(parents=True)
    draw_curves(plots, history, result.run.result.best_epoch, result.task.curves)
    scoring.draw(plots, test)
    draw_repeats(plots, repeats)
    if study := result.study:
        trials = pd.read_csv(SEARCH / "trials.csv")
        draw_study(plots, trials, study.importances, study.winner.slot)
    write_json(EVALUATE / "metrics.json", result.metrics)
    write_json(EVALUATE / "scores.json", scores(result.metrics))
    result.verdict.write(EVALUATE / "verdict.json")
    write_text(EVALUATE / CARD, render_card(result))
    write_text(EVALUATE / "report.html", render(result, plots))
