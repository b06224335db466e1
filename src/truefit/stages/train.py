"""The train stage: one training with the winner's parameters, on record with its model."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from truefit.config.overrides import made
from truefit.core.backend import import_keras
from truefit.core.endings import NO_ROOM
from truefit.core.errors import UserError
from truefit.core.files import write_text
from truefit.core.inputs import Inputs
from truefit.core.own_code import for_screen
from truefit.core.paths import PREPARED, SEARCH, TRAIN, state_folder
from truefit.core.prepared.folder import read_facts
from truefit.core.resolved import Params, load, names, override, read_yaml
from truefit.core.results import Result
from truefit.core.run import Run
from truefit.core.signatures import package_files
from truefit.core.study import StudySummary
from truefit.core.trees import flatten
from truefit.evaluation.advice import after_divergence
from truefit.evaluation.report.plots import write_sample
from truefit.tracking.describe import at_best, describe
from truefit.tracking.events import Dataset
from truefit.tracking.models import load_logged_model, save_model
from truefit.tracking.progress import EpochBar
from truefit.tracking.provenance import config_params, dataset, how_to_repeat
from truefit.tracking.tracker import Tracker
from truefit.training.events import Epoch
from truefit.training.process.child import Ending, Job
from truefit.training.process.trainer import Trainer
from truefit.training.process.tryout import require_saving
from truefit.training.saved import core_of, example, load_model, modules_of, sentence

if TYPE_CHECKING:
    from truefit.config.schema import Config

CLOSE = 1e-6  # relative difference of two losses of the same training
KEPT = 14 * 24 * 3600  # seconds after which a checkpoint is left over


def train_stage() -> None:
    """Train with best.yaml and write model.keras, history.csv and run.json.

    A training that its time limit ended has a model too: its best weights so far.

    Raises:
        UserError: the training came to no model; its run says why.
    """
    config = load()
    best: Params = read_yaml(SEARCH / "best.yaml") or {}
    chosen = override(config, best)
    TRAIN.mkdir(parents=True, exist_ok=True)
    inputs = Inputs.of("train")
    checkpoint = _checkpoint(inputs, chosen)
    job = _job(config, chosen, checkpoint)
    device = config["runtime"]["device"]
    with (
        Trainer(config["backend"], device) as trainer,
        Tracker(config["mlflow_experiment"], "train") as tracker,
    ):
        if not _study():  # else the search has tried it
            require_saving(trainer, chosen)
        data = dataset(config, "training")
        run = _begin_record(tracker, job, data, on_gpu=device != "cpu" and trainer.gpus() > 0)
        tracker.inputs(run, "train", inputs)
        trainer.sampled = lambda _, values: tracker.sample(run, values)
        ending = _train(trainer, tracker, run, job)
        if ending.state not in NO_ROOM:  # it has come to its own end
            checkpoint.unlink(missing_ok=True)
        tracker.check(run, "train", inputs)
        _record(tracker, run, chosen, ending, data)
    result = _require_result(ending, chosen, best)
    _write(tracker, run, job.seed, best, ending, result)
    _tell(ending, result, _where(tracker, run))


def _job(config: Config, chosen: Config, checkpoint: Path) -> Job:
    own = chosen["training"]["seed"]
    return Job(
        chosen,
        PREPARED,
        config["seed"] if own is None else own,
        TRAIN / "model.keras",
        gaps=True,
        samples=True,
        checkpoint=checkpoint if chosen["training"]["resume"] else None,
    )


def _begin_record(tracker: Tracker, job: Job, data: Dataset, *, on_gpu: bool) -> str:
    """The training's run: with what it is trained, on what, from where."""
    tags = {
        "seed": job.seed,
        "device": "gpu" if on_gpu else "cpu",
        "truefit.set": _choices(),
        "mlflow.note.content": f"Under way. Run it again:\n\n{how_to_repeat([])}",
        **_origin(),
    }
    params = config_params(job.config)
    run = tracker.start("train", _name(job.config), tags=tags, params=params, dataset=data)
    tracker.provenance(run, job.config)
    return run


def _require_result(ending: Ending, chosen: Config, params: Params) -> Result:
    """The training's result, if it counts.

    Raises:
        UserError: it came to no model; what to do next is named where it is known.
    """
    if ending.counts and ending.result:
        return ending.result
    said = f"the training ended as {ending.state}: {for_screen(ending.reason, own=ending.own)}"
    advice = _advice(ending, chosen, params)
    raise UserError(f"{said}\nnext: {advice}" if advice else said, own=ending.own)


def _tell(ending: Ending, result: Result, where: str) -> None:
    """Print what the training came to, and how it stands to the trial that won."""
    before = result.resumed_after
    resumed = f" (the first {before} before it was interrupted)" if before else ""
    print(
        f"trained: {len(ending.history)} epochs{resumed}, best {result.best_epoch}: "
        f"val_loss {result.best_val_loss:.4f}, gap {result.gap:+.4f}{where}"
    )
    if ending.state == "timed_out":
        print(f"note: the time limit ended it: {ending.reason}")
    if said := _beside_trial(result.best_val_loss):
        print(said)


def _checkpoint(inputs: Inputs, config: Config) -> Path:
    """Where a training on these inputs keeps its state; those that nobody went on with go."""
    folder = state_folder() / "checkpoints"
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        if time.time() - file.stat().st_mtime > KEPT:
            file.unlink(missing_ok=True)
    packages = [f"{name}={version(name)}" for name in ("keras", config["backend"], "numpy")]
    own = [file for package in config["packages"] for file in package_files(package)]
    named = [Path(text) for text in flatten(config["model"]).values() if isinstance(text, str)]
    files = Inputs.at(*own, *(file for file in named if file.is_file()))
    known = json.dumps([inputs.digest(), files.digest(), config, packages], sort_keys=True)
    return folder / f"{hashlib.sha256(known.encode()).hexdigest()[:16]}.npz"


def _advice(ending: Ending, chosen: Config, params: Params) -> str:
    if ending.state != "diverged":
        return ""
    return after_divergence(ending.reason, chosen, params, read_facts(PREPARED)).command


def _train(trainer: Trainer, tracker: Tracker, run: str, job: Job) -> Ending:
    with (
        EpochBar(epochs=job.config["training"]["epochs"]) as board,
        tempfile.TemporaryDirectory() as place,
    ):

        def on_epoch(epoch: Epoch) -> None:
            tracker.epoch(run, epoch.number, epoch.logs)
            board.epoch(epoch.number, epoch.logs)
            if epoch.sample is not None:
                file = write_sample(Path(place) / f"epoch_{epoch.number:04}", epoch.sample)
                tracker.file(run, file, "samples")

        return trainer.run(job, on_epoch)


def _record(tracker: Tracker, run: str, chosen: Config, ending: Ending, data: Dataset) -> None:
    metrics = {**at_best(ending.result, ending.history), "seconds": ending.seconds}
    if ending.counts:
        frame = pd.DataFrame(ending.history)
        write_text(TRAIN / "history.csv", frame.to_csv(index=False, lineterminator="\n"))
        tracker.file(run, TRAIN / "history.csv")
        _record_model(tracker, run, chosen)
        tracker.scores(run, metrics, on=data)
    told = describe(ending.state, ending.reason, ending.result)
    text = f"{told}\n\nRun it again:\n\n{how_to_repeat([])}"
    verdict = {"truefit.verdict": "diverged"} if ending.state == "diverged" else {}
    weights = {"truefit.weights": ending.result.weights_sha256} if ending.result else {}
    tracker.log(run, tags={"mlflow.note.content": text, **verdict, **weights})
    last = {} if ending.counts else metrics
    tracker.end(run, ending.state, ending.reason, last, has_result=ending.result is not None)


def _record_model(tracker: Tracker, run: str, chosen: Config) -> None:
    """The model as MLflow keeps it; one that could not be loaded again is not kept.

    Raises:
        UserError: Keras' safe mode, or MLflow, does not load it.
    """
    import_keras()
    facts = read_facts(PREPARED)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        try:
            model = load_model(chosen, TRAIN / "model.keras")
            save_model(model, facts, folder, modules_of(chosen))
            again = load_logged_model(str(folder))
        except (ValueError, OSError, TypeError) as error:
            raise UserError(f"the trained model does not load again: {sentence(error)}") from error
        rows = example(model, facts, PREPARED)
        predicted = [core_of(one).predict(rows, verbose=0) for one in (model, again)]
        if not np.allclose(*predicted):
            raise UserError("the trained model predicts otherwise once it is saved and loaded")
        tracker.model(run, folder)


def _beside_trial(val_loss: float) -> str:
    """How the training stands to the one that won the search."""
    study = _study()
    if study is None:
        return ""
    winner, trained = study.winner, study.winner.trained
    if trained is None:
        return f"the search judged these parameters by folds: mean loss {winner.chosen_by:.4f}"
    name = f"training {trained.repeat} of finalist" if trained.repeat else "trial of slot"
    name = f"{name} {winner.slot}"
    if math.isclose(trained.val_loss, val_loss, rel_tol=CLOSE):
        return f"this is the {name}, made again"
    return (
        f"note: the {name} had {trained.val_loss:.4f} in the search, this training has "
        f"{val_loss:.4f}: another device or library, or a changed seed"
    )


def _study() -> StudySummary | None:
    """What study.json says of the search; `None` where the model is trained as configured."""
    return StudySummary.read(SEARCH / "study.json")


def _choices() -> str:
    """What params.yaml sets, for tables of runs."""
    return " ".join(
        f"{key}={value}" for key, value in made(read_yaml(Path("params.yaml")) or {}).items()
    )


def _origin() -> dict[str, str | int]:
    """The study and the slot that the parameters come from."""
    study = _study()
    if study is None:
        return {}
    return {"truefit.study": study.study, "truefit.slot": study.winner.slot}


def _write(
    tracker: Tracker, run: str, seed: int, params: Params, ending: Ending, result: Result
) -> None:
    known = tracker.ids.get(run)
    Run(
        result=result,
        state=ending.state,
        reason=ending.reason,
        epochs=len(ending.history),
        run=run,
        run_id=known.id if known else None,
        experiment_id=known.experiment if known else None,
        seed=seed,
        params=params,
        repeat=how_to_repeat([]),
    ).write(TRAIN / "run.json")


def _where(tracker: Tracker, run: str) -> str:
    if tracker.unsent:
        return "\nMLflow has not taken the run yet: `truefit sync` sends it, or the next stage"
    return f" (run {tracker.id(run)})"


def _name(config: Config) -> str:
    return " ".join([*names(config), os.environ.get("DVC_EXP_NAME", "")]).strip()
