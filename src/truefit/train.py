"""The train stage: one training with the winner's parameters, on record with its model."""

from __future__ import annotations

import os

import pandas as pd

from truefit.child import Ending, Job
from truefit.config import Tree, dump, load, override, read_yaml
from truefit.datasets.prepared import read_facts
from truefit.errors import UserError
from truefit.files import write_json, write_text
from truefit.paths import PREPARED, SEARCH, TRAIN
from truefit.preload import import_keras
from truefit.progress import Board
from truefit.tracking.models import log_model
from truefit.tracking.runs import Tracker, attempt, config_params
from truefit.trainer import Trainer
from truefit.training import load_model


def train_stage() -> None:
    """Train with best.yaml and write model.keras, history.csv and run.json.

    Raises:
        UserError: the training did not complete; its run says why.
    """
    config = load()
    best = read_yaml(SEARCH / "best.yaml") or {}
    chosen = override(config, best)
    TRAIN.mkdir(parents=True, exist_ok=True)
    job = Job(chosen, PREPARED, config["seed"], TRAIN / "model.keras")
    with Trainer(config["backend"], config["runtime"]["device"]) as trainer:
        tracker = Tracker.open(config["project"])
        run_id = tracker.start(_name(chosen), "train", {"seed": config["seed"]})
        try:
            ending = _train(trainer, job)
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"
            attempt(lambda: tracker.end(run_id, "stopped", reason))
            raise
    if ending.state == "complete":
        _write(run_id, tracker.experiment_id, config["seed"], best, ending)
    if problem := attempt(lambda: _record(tracker, run_id, chosen, ending)):
        attempt(lambda: tracker.end(run_id, "stopped", problem))
        raise UserError(
            f"MLflow did not take the run: {problem}\n`dvc repro` trains and sends it again"
        )
    if ending.state != "complete":
        raise UserError(f"the training ended as {ending.state}: {ending.reason}")
    result = ending.result
    print(
        f"trained: {len(ending.history)} epochs, best {result['best_epoch']}: "
        f"val_loss {result['best_val_loss']:.4f}, gap {result['gap']:+.4f} (run {run_id})"
    )


def _train(trainer: Trainer, job: Job) -> Ending:
    with Board(epochs=job.config["training"]["epochs"]) as board:
        return trainer.run(job, lambda event: board.epoch(event["epoch"], event["logs"]))


def _record(tracker: Tracker, run_id: str, chosen: Tree, ending: Ending) -> None:
    tracker.log(run_id, params=config_params(chosen), metrics=ending.result, history=ending.history)
    tracker.client.log_text(run_id, dump(chosen), "config.yaml")
    if ending.state == "complete":
        tracker.files(run_id, [TRAIN / "history.csv"])
        import_keras()
        # Loaded from its file, in safe mode: what could not be loaded again is not logged.
        log_model(run_id, load_model(chosen, TRAIN / "model.keras"), read_facts(PREPARED))
    tracker.end(run_id, ending.state, ending.reason)


def _write(run_id: str, experiment_id: str, seed: int, params: Tree, ending: Ending) -> None:
    frame = pd.DataFrame(ending.history)
    write_text(TRAIN / "history.csv", frame.to_csv(index=False, lineterminator="\n"))
    write_json(
        TRAIN / "run.json",
        {
            **ending.result,
            "run_id": run_id,
            "experiment_id": experiment_id,
            "seed": seed,
            "params": params,
        },
    )


def _name(config: Tree) -> str:
    names = [config[key]["_target_"].rpartition(".")[2] for key in ("model", "data")]
    return " ".join([*names, os.environ.get("DVC_EXP_NAME", "")]).strip()
