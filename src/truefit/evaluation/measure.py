"""The evaluate stage: scores with intervals on every split, the gap, the verdict, the report."""

from __future__ import annotations

import hashlib
import importlib
import re
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from truefit.core.backend import import_keras, set_environment
from truefit.core.errors import UserError
from truefit.core.files import read_json, write_json, write_text
from truefit.core.inputs import Inputs
from truefit.core.paths import EVALUATE, PREPARED, REPEAT, SEARCH, TRAIN
from truefit.core.prepared.folder import SPLITS, Facts, Split, read_facts, read_split
from truefit.core.prepared.mapped import read
from truefit.core.resolved import Tree, load, override
from truefit.evaluation.advice import advise
from truefit.evaluation.beside import Compared, compare
from truefit.evaluation.drift import find_drift
from truefit.evaluation.evidence import Evidence
from truefit.evaluation.intervals import bootstrap, optimism, over_seeds, summarise
from truefit.evaluation.judging import gather, is_same_loss
from truefit.evaluation.overfitting import Verdict, judge
from truefit.evaluation.report.page import Result, render, render_card
from truefit.evaluation.report.plots import draw_curves, draw_repeats
from truefit.evaluation.report.study_plots import draw_study
from truefit.evaluation.report.summary import scores, summary
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.yardsticks.measure import measure_yardsticks
from truefit.evaluation.yardsticks.yardstick import HELD_OUT
from truefit.tracking.looks import count_looks
from truefit.tracking.provenance import dataset, evaluated_by, lineage, uncommitted
from truefit.tracking.tracker import Tracker
from truefit.training.building import make_task
from truefit.training.passes import batch_within, parts
from truefit.training.saved import core_of, load_model
from truefit.training.tasks import Task

CARD = "model_card.md"
LARGEST = 64 * 2**20  # bytes of predictions that are kept with the run; of all of them the digest


# Yardsticks by which the splits' own difference is measured, the first that is there.
STEADY = ("linear", "constant")


@dataclass(frozen=True)
class Measured:
    """What the trained model is worth on each split, and what is to be said of its training."""

    metrics: dict[str, Any]
    verdict: Verdict
    known: Evidence
    facts: Facts
    task: Task
    scoring: Any
    cases: dict[str, Case]
    compared: list[Compared]
    losses: dict[str, np.ndarray]  # by split, on its rows and on resamples of them


def evaluate() -> None:
    """Predict every split with the trained model; write metrics.json, plots/ and report.html."""
    config = load()
    inputs = Inputs.of("evaluate")
    set_environment(config["backend"], config["runtime"]["device"])
    run = read_json(TRAIN / "run.json", "run", "run_id", "params")
    history = pd.read_csv(TRAIN / "history.csv")
    measured = measure(config, run, history)
    metrics, study = measured.metrics, read_study()
    if study and metrics["same_loss"]:
        metrics |= _optimism(measured, study["winner"]["chosen_by"], config)
    repeats = pd.read_csv(REPEAT / "repeats.csv")
    result = describe(measured, config, run, study, over_seeds(repeats))
    _write(result, history, repeats, measured.scoring, measured.cases["test"])
    said = summary(metrics, result.verdict)
    sent = record(config, run, result, said, measured.cases["test"].prediction, inputs)
    place = f"MLflow run {run['run_id']}" if run["run_id"] else "the journal"
    print(
        f"{said}\nwhere: {EVALUATE}/report.html, {place}"
        + ("" if sent else "\nMLflow has not taken the scores yet: `truefit sync` sends them")
    )


def measure(config: Tree, run: Tree, history: pd.DataFrame) -> Measured:
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
    scoring = scoring_of(task)
    splits = {name: read_split(PREPARED, name) for name in SPLITS}
    trained = override(config, run["params"])
    cases = predict_splits(trained, facts, task, scoring, splits)
    resampled = {
        name: bootstrap(scoring, case, settings, config["seed"]) for name, case in cases.items()
    }
    counted = getattr(scoring, "SHARES", ()), {name: len(case.y) for name, case in cases.items()}
    metrics = summarise(resampled, settings["confidence"], *counted)
    yardsticks = measure_yardsticks(cases, settings["yardsticks"], config["seed"])
    compared = compare(scoring, cases, yardsticks, settings, config["seed"])
    known = gather(trained, run, history, scoring, cases, splits, resampled, compared, task)
    verdict = judge(known)
    metrics |= {
        "verdict": verdict.name,
        "baseline": known.losses.baseline,
        "headline": task.headline,
        "yardsticks": [one.as_json() for one in compared],
        "same_loss": is_same_loss(run, metrics, known.losses.baseline),
    }
    if hasattr(scoring, "details"):
        metrics["details"] = {name: scoring.details(case) for name, case in cases.items()}
    losses = {name: by_score["loss"] for name, by_score in resampled.items()}
    return Measured(metrics, verdict, known, facts, task, scoring, cases, compared, losses)


def _optimism(measured: Measured, chosen_by: float, config: Tree) -> Tree:
    """The optimism of the search, without the splits' own difference, which a yardstick shows."""
    with_loss = {one.yardstick.kind: one for one in measured.compared if _has_losses(one)}
    # The best by these rows would be chosen by them too, so the order is fixed.
    kind = next((kind for kind in (*STEADY, *with_loss) if kind in with_loss), None)
    beside = with_loss[kind] if kind else None
    found = optimism(
        chosen_by - measured.losses["validation"][0],
        beside.own if beside else measured.losses,
        beside.losses if beside else None,
        config["evaluation"]["confidence"],
    )
    return found | {"optimism_beside": beside.yardstick.name if beside else None}


def _has_losses(one: Compared) -> bool:
    """Whether yardstick and model have losses on both held-out splits."""
    return all(
        name in losses and np.isfinite(losses[name][0])
        for losses in (one.losses, one.own)
        for name in HELD_OUT
    )


def test_rows(facts: Facts) -> str:
    """What names the test rows as they came; the same for two models that may be compared."""
    test = facts["splits"]["test"]
    return str(test.get("source") or test["digest"])


def read_study() -> Tree:
    """What study.json says of the search, with the configured values' trial; empty without one."""
    study: Tree = read_json(SEARCH / "study.json", "winner")
    if not study["winner"]:
        return {}
    trials = pd.read_csv(SEARCH / "trials.csv")
    return study | {"trials": trials}


def describe(measured: Measured, config: Tree, run: Tree, study: Tree, repeats: Tree) -> Result:
    """All that the report and the model card say.

    `study` is of `read_study`, `repeats` of `over_seeds`; either may be empty.
    """
    leaks, facts = measured.known.leaks, measured.facts
    splits = {name: Split(case.x, case.y) for name, case in measured.cases.items()}
    trained = override(config, run["params"])
    advice = advise(measured.verdict, trained, run["params"], facts)
    known = {
        **vars(leaks),
        "drift": find_drift(splits, facts, config["seed"]),
        "repeats": repeats,
        "looks": count_looks(test_rows(facts), run["weights_sha256"]),
    }
    return Result(
        metrics=measured.metrics,
        config=config,
        facts=facts,
        task=measured.task,
        run=run,
        known=known,
        verdict={**vars(measured.verdict), "next": advice.command, "remark": advice.remark},
        study=study,
        lineage=lineage(facts, run, study),
    )


def scoring_of(task: Task) -> Any:
    """The module that scores the task's predictions; `scoring.case` says what it has."""
    return importlib.import_module(task.scoring)


def predict_splits(
    config: Tree,
    facts: Facts,
    task: Task,
    scoring: Any,
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
        prepare = getattr(scoring, "prepare", None)
        context = prepare(core, splits, facts, config) if prepare else None
    except ValueError as error:
        raise UserError(str(error)) from error
    if hasattr(scoring, "thin"):
        splits = scoring.thin(splits, config["seed"])
    cases, size = {}, config["evaluation"]["batch_size"]
    for name, split in splits.items():
        if name not in names:
            continue
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


def _key(yardstick: Tree) -> str:
    """What MLflow calls it: its kind, and how long n-grams are, of which there are several."""
    kind, name = yardstick["kind"], yardstick["name"]
    return re.sub(r"\W+", "_", f"{kind} {name}") if kind == "ngrams" else kind


def record(
    config: Tree, run: Tree, result: Result, text: str, predicted: np.ndarray, inputs: Inputs
) -> bool:
    """Add scores, predictions, report and plots to the training's run; whether MLflow has them."""
    metrics, headline = result.metrics, result.metrics["headline"]
    values = {
        f"{split}_{name}": value
        for split in SPLITS
        for name, value in metrics[split].items()
        if value is not None
    }
    for one in metrics["yardsticks"]:
        if (score := one["scores"]["test"].get(headline)) is not None:
            values[f"yardstick_{_key(one)}_test_{headline}"] = score
    # One name for every task, so that MLflow's table has one column.
    for end in ("", "_low", "_high"):
        if (score := metrics["test"].get(f"{headline}{end}")) is not None:
            values[f"score{end}"] = score
    with (
        Tracker(config["project"], "evaluate") as tracker,
        tempfile.TemporaryDirectory() as place,
    ):
        name = run["run"]
        tracker.inputs(name, "evaluate", inputs)
        for file in ("study.json", "trials.csv"):
            tracker.file(name, SEARCH / file, "search")
        tracker.file(name, REPEAT / "repeats.csv")
        if predicted.nbytes <= LARGEST:
            np.save(Path(place) / "predictions.npy", predicted)
            tracker.file(name, Path(place) / "predictions.npy")
        # The training may be of an earlier commit: what has not changed is not trained again.
        tracker.text(name, "evaluate/uncommitted.diff.txt", uncommitted())
        told = f"```\n{text}\n```\n\nRun it again:\n\n{run['repeat']}"
        tags = {
            "truefit.verdict": metrics["verdict"],
            "truefit.cause": result.verdict["cause"],
            "truefit.headline": headline,
            "truefit.test": test_rows(result.facts),
            "truefit.test_looks": result.known["looks"],
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


def _write(
    result: Result, history: pd.DataFrame, repeats: pd.DataFrame, scoring: Any, test: Case
) -> None:
    plots = EVALUATE / "plots"
    shutil.rmtree(plots, ignore_errors=True)
    plots.mkdir(parents=True)
    draw_curves(plots, history, result.run["best_epoch"], result.task.curves)
    scoring.draw(plots, test)
    draw_repeats(plots, repeats)
    if study := result.study:
        draw_study(plots, study["trials"], study["importances"], study["winner"]["slot"])
    write_json(EVALUATE / "metrics.json", result.metrics)
    write_json(EVALUATE / "scores.json", scores(result.metrics))
    write_json(EVALUATE / "verdict.json", result.verdict)
    write_text(EVALUATE / CARD, render_card(result))
    write_text(EVALUATE / "report.html", render(result, plots))
